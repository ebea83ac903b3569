//! Dominant-resource fairness: whose turn it is.
//!
//! Roles form a tree by the parts of their names (`eng/web` is below `eng`), and the frameworks of a role are its leaves. Each
//! node has a dominant share: the largest of its shares of all cpus, all memory and so on, divided by its weight. Among
//! siblings the one with the smallest share is next; among equals the one that was served longest ago, so that nobody
//! who keeps refusing starves the others.
//!
//! Amounts are thousandths, so that what is added and taken away again leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};

use super::amounts::Amounts;

/// The group of a role's own frameworks, which has its place beside the roles below.
const OWN: &str = ".";

/// A framework in a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Leaf(usize);

/// Place in the queue: share (as ordered bits), when it was last served, when it came, and which node.
type Key = (u64, u64, u64, usize);

#[derive(Debug, Clone, Default)]
struct Node {
    parent: usize,
    /// The whole role, or the id of a framework.
    name: String,
    is_leaf: bool,
    names: BTreeMap<String, usize>,
    queue: BTreeSet<Key>,
    key: Key,
    taken: Amounts,
    served: u64,
    born: u64,
    weight: f64,
}

impl Node {
    /// Whether it stands for anything: numbers of what is gone are kept for what comes.
    fn is_in_use(&self) -> bool {
        self.born > 0
    }
}

/// All roles and frameworks, in the order in which they are to be served.
#[derive(Debug, Clone)]
pub(crate) struct Sorter {
    nodes: Vec<Node>,
    unused: Vec<usize>,
    total: Amounts,
    weights: BTreeMap<String, f64>,
    clock: u64,
    /// All shares are to be computed anew.
    stale: bool,
}

impl Default for Sorter {
    fn default() -> Self {
        let root = Node { weight: 1.0, ..Node::default() };
        Self {
            nodes: vec![root],
            unused: Vec::new(),
            total: Amounts::default(),
            weights: BTreeMap::new(),
            clock: 0,
            stale: false,
        }
    }
}

impl Sorter {
    /// The cluster has grown by this.
    pub(crate) fn grow(&mut self, by: &Amounts) {
        self.total.add(by);
        self.stale = true;
    }

    /// The cluster has shrunk by this.
    pub(crate) fn shrink(&mut self, by: &Amounts) {
        self.total.subtract(by);
        self.stale = true;
    }

    pub(crate) fn set_weights(&mut self, weights: &BTreeMap<String, f64>) {
        if self.weights != *weights {
            self.weights.clone_from(weights);
            for node in 1..self.nodes.len() {
                let weight = self.weight(&self.nodes[node].name);
                if !self.nodes[node].is_leaf {
                    self.nodes[node].weight = weight;
                }
            }
            self.stale = true;
        }
    }

    fn weight(&self, role: &str) -> f64 {
        self.weights.get(role).copied().unwrap_or(1.0)
    }

    /// The place of a framework in a role; made when there is none.
    pub(crate) fn leaf(&mut self, role: &str, framework: &str) -> Leaf {
        if let Some(known) = self.find(role, framework) {
            return known;
        }
        let mut node = 0;
        let mut path = String::new();
        for part in role.split('/') {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(part);
            node = self.child(node, part, &path, false);
        }
        let own = self.child(node, OWN, &format!("{role}/{OWN}"), false);
        Leaf(self.child(own, framework, framework, true))
    }

    /// The place of a framework in a role, if it has one.
    pub(crate) fn find(&self, role: &str, framework: &str) -> Option<Leaf> {
        let parts = role.split('/').chain([OWN, framework]);
        self.descend(parts).map(Leaf)
    }

    fn descend<'a>(&self, mut parts: impl Iterator<Item = &'a str>) -> Option<usize> {
        parts.try_fold(0, |node: usize, part| self.nodes[node].names.get(part).copied())
    }

    fn child(&mut self, parent: usize, part: &str, name: &str, is_leaf: bool) -> usize {
        if let Some(known) = self.nodes[parent].names.get(part) {
            return *known;
        }
        let weight = if is_leaf { 1.0 } else { self.weight(name) };
        let index = self.unused.pop().unwrap_or(self.nodes.len());
        self.clock += 1;
        let born = self.clock;
        let key = (0, 0, born, index);
        let node = Node { parent, name: name.to_owned(), is_leaf, weight, key, born, ..Node::default() };
        if index == self.nodes.len() {
            self.nodes.push(node);
        } else {
            self.nodes[index] = node;
        }
        self.nodes[parent].names.insert(part.to_owned(), index);
        self.nodes[parent].queue.insert(key);
        index
    }

    /// The framework is gone, and nothing is taken by it any more.
    pub(crate) fn remove(&mut self, framework: &str) {
        let leaves: Vec<usize> = (1..self.nodes.len())
            .filter(|index| self.nodes[*index].is_leaf && self.nodes[*index].name == framework)
            .collect();
        for leaf in leaves {
            let taken = self.nodes[leaf].taken;
            self.give_back(Leaf(leaf), &taken);
            self.unlink(leaf);
        }
    }

    /// Take a node away, and what is above it when nothing else is below that.
    fn unlink(&mut self, mut index: usize) {
        while index != 0 && self.nodes[index].names.is_empty() {
            let (parent, key) = (self.nodes[index].parent, self.nodes[index].key);
            self.nodes[parent].queue.remove(&key);
            self.nodes[parent].names.retain(|_, child| *child != index);
            self.nodes[index] = Node::default();
            self.unused.push(index);
            index = parent;
        }
    }

    /// The framework uses or is offered more.
    pub(crate) fn take(&mut self, leaf: Leaf, amounts: &Amounts) {
        self.change(leaf, |node| node.taken.add(amounts));
    }

    pub(crate) fn give_back(&mut self, leaf: Leaf, amounts: &Amounts) {
        self.change(leaf, |node| node.taken.subtract(amounts));
    }

    /// The framework is offered this: it goes behind its equals.
    pub(crate) fn serve(&mut self, leaf: Leaf, amounts: &Amounts) {
        self.clock += 1;
        let clock = self.clock;
        self.change(leaf, |node| {
            node.taken.add(amounts);
            node.served = clock;
        });
    }

    fn change(&mut self, leaf: Leaf, change: impl Fn(&mut Node)) {
        let mut index = leaf.0;
        loop {
            change(&mut self.nodes[index]);
            if index == 0 {
                return;
            }
            self.requeue(index);
            index = self.nodes[index].parent;
        }
    }

    fn requeue(&mut self, index: usize) {
        let node = &self.nodes[index];
        let share = node.taken.dominant(&self.total) / node.weight;
        // Shares are never negative, so their bits have the order of the numbers.
        let key = (share.max(0.0).to_bits(), node.served, node.born, index);
        let (parent, old) = (node.parent, node.key);
        if key != old {
            self.nodes[index].key = key;
            self.nodes[parent].queue.remove(&old);
            self.nodes[parent].queue.insert(key);
        }
    }

    /// Bring all shares up to date. To be called before the order is asked for.
    pub(crate) fn refresh(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        for index in 1..self.nodes.len() {
            if self.nodes[index].is_in_use() {
                self.requeue(index);
            }
        }
    }

    /// What the roles at and below `role` have taken.
    pub(crate) fn taken_by(&self, role: &str) -> Amounts {
        self.descend(role.split('/')).map_or_else(Amounts::default, |node| self.nodes[node].taken)
    }

    /// The first, in order, of whom `wants` holds.
    /// The largest part that a role, with those below it, has of anything.
    pub(crate) fn share(&self, role: &str) -> f64 {
        self.taken_by(role).dominant(&self.total)
    }

    pub(crate) fn first(&self, mut wants: impl FnMut(Leaf) -> bool) -> Option<Leaf> {
        self.search(0, &mut wants)
    }

    /// The same, among a few: the rest is not looked at.
    pub(crate) fn first_of(&self, few: &[Leaf], mut wants: impl FnMut(Leaf) -> bool) -> Option<Leaf> {
        let mut few = few.to_vec();
        few.sort_by_cached_key(|leaf| self.path(*leaf));
        few.into_iter().find(|leaf| wants(*leaf))
    }

    /// The places in all queues above, the outermost first: who comes first by these comes first in the order.
    fn path(&self, leaf: Leaf) -> Vec<Key> {
        let mut path = Vec::new();
        let mut index = leaf.0;
        while index != 0 {
            path.push(self.nodes[index].key);
            index = self.nodes[index].parent;
        }
        path.reverse();
        path
    }

    fn search(&self, node: usize, wants: &mut impl FnMut(Leaf) -> bool) -> Option<Leaf> {
        if self.nodes[node].is_leaf {
            return wants(Leaf(node)).then_some(Leaf(node));
        }
        self.nodes[node].queue.iter().find_map(|(_, _, _, child)| self.search(*child, wants))
    }

    /// A small number for each leaf.
    pub(crate) fn index(leaf: Leaf) -> usize {
        leaf.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(thousandths: i64) -> Amounts {
        Amounts::of(|name| if name == "cpus" { thousandths } else { 0 })
    }

    fn sorter(weights: &[(&str, f64)]) -> Sorter {
        let mut sorter = Sorter::default();
        sorter.grow(&Amounts::of(|_| 1_000_000));
        sorter.set_weights(&weights.iter().map(|(role, weight)| ((*role).to_owned(), *weight)).collect());
        sorter
    }

    /// Gives one task after the other to whoever is next; how many each has in the end.
    fn deal(sorter: &mut Sorter, leaves: &[(&str, &str)], tasks: usize) -> Vec<usize> {
        let places: Vec<Leaf> = leaves.iter().map(|(role, name)| sorter.leaf(role, name)).collect();
        sorter.refresh();
        let mut dealt = vec![0; leaves.len()];
        for _ in 0..tasks {
            let next = sorter.first(|_| true).unwrap();
            sorter.serve(next, &cpus(500));
            dealt[places.iter().position(|place| *place == next).unwrap()] += 1;
        }
        dealt
    }

    #[test]
    fn equal_roles_share_equally_and_weights_count() {
        let three = [("a", "fa"), ("b", "fb"), ("c", "fc")];
        assert_eq!(deal(&mut sorter(&[]), &three, 12), [4, 4, 4]);
        assert_eq!(deal(&mut sorter(&[("a", 2.0)]), &three[..2], 12), [8, 4]);
    }

    #[test]
    fn roles_come_before_frameworks() {
        let leaves = [("a", "f1"), ("a", "f2"), ("b", "f3")];
        assert_eq!(deal(&mut sorter(&[("a", 2.0)]), &leaves, 12), [4, 4, 4]);
        assert_eq!(deal(&mut sorter(&[]), &leaves, 12), [3, 3, 6]);
    }

    #[test]
    fn a_role_shares_with_the_roles_below_it() {
        let leaves = [("a", "own"), ("a/x", "x"), ("a/y", "y"), ("b", "b")];
        assert_eq!(deal(&mut sorter(&[]), &leaves, 18), [3, 3, 3, 9]);
        assert_eq!(deal(&mut sorter(&[("a/x", 4.0)]), &leaves, 24), [2, 8, 2, 12]);
    }

    #[test]
    fn who_refuses_everything_goes_behind_its_equals() {
        let mut sorter = sorter(&[]);
        let leaves = ["a", "b", "c"].map(|role| sorter.leaf(role, "f"));
        let mut served = Vec::new();
        for _ in 0..9 {
            let next = sorter.first(|_| true).unwrap();
            sorter.serve(next, &cpus(4_000));
            sorter.give_back(next, &cpus(4_000));
            served.push(leaves.iter().position(|leaf| *leaf == next).unwrap());
        }
        assert_eq!(served, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn what_is_gone_leaves_no_trace() {
        let mut sorter = sorter(&[]);
        let leaf = sorter.leaf("a/b", "f");
        sorter.take(leaf, &cpus(10));
        sorter.remove("f");
        assert_eq!(sorter.taken_by("a"), Amounts::default());
        assert_eq!(sorter.first(|_| true), None);
        assert_eq!(sorter.leaf("a/b", "g"), sorter.leaf("a/b", "g"));
    }

    /// Whatever comes and goes, the order is that of shares computed from nothing, and nobody waits for more than
    /// one round of equals.
    #[test]
    fn the_order_is_always_that_of_the_shares() {
        for seed in 0..200_u64 {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut next = |below: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % below
            };
            let roles = ["a", "a/x", "b", "c/d/e"];
            let mut sorter = sorter(&[("a", 1.5), ("c", 3.0)]);
            let mut taken: BTreeMap<(String, String), i64> = BTreeMap::new();
            for _ in 0..200 {
                let role = roles[usize::try_from(next(4)).unwrap()];
                let framework = format!("f{}", next(5));
                let leaf = sorter.leaf(role, &framework);
                let held = taken.entry((role.to_owned(), framework.clone())).or_default();
                if next(3) == 0 {
                    sorter.give_back(leaf, &cpus(*held));
                    *held = 0;
                } else {
                    let amount = i64::try_from(next(1_000)).unwrap();
                    sorter.serve(leaf, &cpus(amount));
                    *held += amount;
                }
            }
            sorter.refresh();
            for role in roles {
                let below = |name: &str| name == role || name.starts_with(&format!("{role}/"));
                let sum: i64 = taken.iter().filter(|((name, _), _)| below(name)).map(|(_, held)| held).sum();
                assert_eq!(sorter.taken_by(role), cpus(sum), "seed {seed}");
            }
            let weight = |role: &str| sorter.weight(role);
            let share = |role: &str| {
                let taken = sorter.taken_by(role);
                taken.dominant(&sorter.total) / weight(role)
            };
            let first = sorter.first(|_| true).unwrap();
            let leaves: Vec<Leaf> = taken.keys().filter_map(|(role, name)| sorter.find(role, name)).collect();
            assert_eq!(sorter.first_of(&leaves, |_| true), Some(first), "seed {seed}");
            let odd = |leaf: Leaf| leaf.0 % 2 == 1;
            assert_eq!(sorter.first_of(&leaves, odd), sorter.first(odd), "seed {seed}");
            let top = sorter.nodes[0].queue.first().unwrap().3;
            let least = ["a", "b", "c"].map(share).into_iter().fold(f64::INFINITY, f64::min);
            let name = sorter.nodes[top].name.clone();
            assert!((share(&name) - least).abs() < 1e-12, "seed {seed}: {name} is not the poorest");
            let mut above = first.0;
            while sorter.nodes[above].parent != 0 {
                above = sorter.nodes[above].parent;
            }
            assert_eq!(above, top);
        }
    }
}

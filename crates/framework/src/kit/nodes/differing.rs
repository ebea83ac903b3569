//! Nodes that are not all alike: numbered ones, some of which have options of their own, and groups of further ones.

use std::collections::{BTreeMap, BTreeSet};

use super::{MOST, Nodes};
use crate::Problem;

/// Longest name of a group.
const LONGEST: usize = 18;

/// Options of a service whose nodes may differ. What is different about one stands in `overrides`, by its id; what is different
/// about those of a group, `hot-0` and so on, in `groups`, by its name.
pub trait Differing: Clone {
    /// What a group, or a single node, has of its own.
    type Own;

    /// The numbered nodes.
    const NODES: Nodes;

    /// Ids of the numbered nodes.
    fn ids(&self) -> BTreeSet<u32>;

    /// What is different about single nodes.
    fn overrides(&self) -> &BTreeMap<String, Self::Own>;

    /// What is different about groups.
    fn groups(&self) -> &BTreeMap<String, Self::Own>;

    /// How many nodes of a group there are, if that is said.
    fn count(own: &Self::Own) -> Option<u32>;

    /// The options as they hold for a node of which this is different.
    #[must_use]
    fn with(&self, own: &Self::Own) -> Self;

    /// Adds what is wrong with one node that has these options.
    fn check_node(&self, problems: &mut Vec<Problem>);

    /// All nodes by instance name, with the options as they hold for each, in the order in which they are deployed.
    fn all(&self) -> Vec<(String, Self)> {
        let numbered = self.ids().into_iter().map(|id| {
            let own = self.overrides().get(&id.to_string()).map(|own| self.with(own));
            (Self::NODES.instance(id), own.unwrap_or_else(|| self.clone()))
        });
        let grouped = self.groups().iter().flat_map(|(name, group)| {
            let own = self.with(group);
            let count = Self::count(group).unwrap_or(1).min(MOST);
            (0..count).map(move |id| (format!("{name}-{id}"), own.clone()))
        });
        numbered.chain(grouped).collect()
    }

    /// Adds what is wrong with ids, with groups, and with each node as it would be: the same mistake once, with the first node
    /// that has it.
    fn check_all(&self, problems: &mut Vec<Problem>) {
        for (_, at, own) in Self::NODES.check_overrides(self.overrides(), problems) {
            if Self::count(own).is_some() {
                problems.push(Problem::new(format!("{at}.{}", Self::NODES.count), "is for groups only"));
            }
        }
        for (name, group) in self.groups() {
            check_group(&Self::NODES, name, Self::count(group), problems);
        }
        let mut seen = BTreeSet::new();
        for (name, node) in self.all() {
            let mut own = Vec::new();
            node.check_node(&mut own);
            own.retain(|p| seen.insert((p.option.clone(), p.message.clone())));
            let named = |p: Problem| Problem { message: format!("{} ({name})", p.message), ..p };
            problems.extend(own.into_iter().map(named));
        }
    }
}

fn check_group(nodes: &Nodes, name: &str, count: Option<u32>, problems: &mut Vec<Problem>) {
    let at = format!("groups.{name}");
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fine = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain);
    if !fine || name.len() > LONGEST || name == nodes.prefix {
        let help = format!(
            "letters, digits and `-`, at most {LONGEST}, other than `{}`; instances are called NAME-0",
            nodes.prefix
        );
        problems.push(Problem::new(&at, "cannot be the name of a group").help(help));
    }
    if count.is_some_and(|n| n > MOST) {
        let message = format!("more than {MOST} are not supported");
        problems.push(Problem::new(format!("{at}.{}", nodes.count), message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Options {
        cpus: u32,
        overrides: BTreeMap<String, (Option<u32>, u32)>,
        groups: BTreeMap<String, (Option<u32>, u32)>,
    }

    impl Differing for Options {
        type Own = (Option<u32>, u32);
        const NODES: Nodes = Nodes::new("node", "nodes");

        fn ids(&self) -> BTreeSet<u32> {
            [0, 1].into()
        }

        fn overrides(&self) -> &BTreeMap<String, Self::Own> {
            &self.overrides
        }

        fn groups(&self) -> &BTreeMap<String, Self::Own> {
            &self.groups
        }

        fn count(own: &Self::Own) -> Option<u32> {
            own.0
        }

        fn with(&self, own: &Self::Own) -> Self {
            Self { cpus: own.1, ..self.clone() }
        }

        fn check_node(&self, problems: &mut Vec<Problem>) {
            if self.cpus == 0 {
                problems.push(Problem::new("cpus", "none"));
            }
        }
    }

    fn options(overrides: &[(&str, Option<u32>, u32)], groups: &[(&str, Option<u32>, u32)]) -> Options {
        let own = |all: &[(&str, Option<u32>, u32)]| {
            all.iter().map(|(name, count, cpus)| ((*name).to_owned(), (*count, *cpus))).collect()
        };
        Options { cpus: 1, overrides: own(overrides), groups: own(groups) }
    }

    #[test]
    fn numbered_ones_come_first_and_take_the_rest_from_all() {
        let all = options(&[("1", None, 4)], &[("hot", Some(2), 8), ("idle", None, 2)]).all();
        let cpus: Vec<_> = all.iter().map(|(name, node)| (name.as_str(), node.cpus)).collect();
        assert_eq!(cpus, [("node-0", 1), ("node-1", 4), ("hot-0", 8), ("hot-1", 8), ("idle-0", 2)]);
    }

    #[test]
    fn mistakes_are_told_once() {
        let mut problems = Vec::new();
        options(&[("1", Some(2), 0)], &[("Hot", None, 0), ("node", Some(5000), 1)]).check_all(&mut problems);
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "overrides.1.nodes: is for groups only",
                "groups.Hot: cannot be the name of a group",
                "groups.node: cannot be the name of a group",
                "groups.node.nodes: more than 1000 are not supported",
                "cpus: none (node-1)",
            ]
        );
    }
}

//! Nodes that are not all alike: numbered ones, some of which have options of their own, and groups of further ones.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{MOST, Nodes};
use crate::kit::options::merged;
use crate::{Config, Options, Problem, Wait};

/// Longest name of a group.
const LONGEST: usize = 18;

/// Which nodes there are, as the options of a service say it.
#[derive(Debug)]
pub struct Different<'a, Own> {
    /// How many are numbered.
    pub count: u32,
    /// Their ids, where they are not the first ones.
    pub ids: Option<&'a BTreeSet<u32>>,
    /// Ids of those that are configured but not to run yet, where there can be some.
    pub idle: Option<&'a BTreeSet<u32>>,
    /// What is different about single ones, by id.
    pub overrides: &'a BTreeMap<String, Own>,
    /// What is different about groups, by name, where there can be some.
    pub groups: Option<&'a BTreeMap<String, Own>>,
}

/// Options of a service whose nodes may differ. What is different about one stands in `overrides`, by its id; what is different
/// about those of a group, `hot-0` and so on, in `groups`, by its name, with their number under [`Nodes::count`]. With groups
/// there need not be numbered ones.
pub trait Differing: Clone + Serialize + DeserializeOwned {
    /// What a group, or a single node, has of its own: options as they are called for all.
    type Own: Serialize;

    /// The numbered nodes.
    const NODES: Nodes;

    /// Which nodes there are.
    fn different(&self) -> Different<'_, Self::Own>;

    /// Adds what is wrong with one node that has these options.
    fn check_node(&self, problems: &mut Vec<Problem>);

    /// The options of one node with what follows from the rest, as REST shows them.
    #[must_use]
    fn in_effect(&self) -> Self {
        self.clone()
    }

    /// The node of this name, with the options as they hold for it.
    fn node(&self, name: &str) -> Option<Self> {
        let (_, own) = named(self).into_iter().find(|(other, _)| other == name)?;
        Some(with(self, own).1)
    }

    /// The options as they hold for an instance, for its task.
    ///
    /// # Errors
    /// They cannot be read, or say nothing of it.
    fn of(config: &Config, instance: &str) -> Result<Self, Wait>
    where
        Self: Options,
    {
        let node = config.read::<Self>()?.node(instance);
        node.ok_or_else(|| Wait::For(format!("{instance} is no {}", Self::NODES.one)))
    }

    /// All nodes by instance name, with the options as they hold for each, in the order in which they are deployed.
    fn all(&self) -> Vec<(String, Self)> {
        named(self).into_iter().map(|(name, own)| (name, with(self, own).1)).collect()
    }

    /// How the node of this instance is configured, if it runs or not, by the names of [`Nodes::overrides`]: for
    /// [`Nodes::shown`].
    fn shown(config: &Config, instance: &str) -> Value
    where
        Self: Options,
    {
        let Ok(options) = config.parse::<Self>() else { return Value::Null };
        let Different { overrides, groups, .. } = options.different();
        let own = match Self::NODES.id(instance) {
            Some(id) => overrides.get(&id.to_string()),
            None => instance.rsplit_once('-').and_then(|(group, _)| groups?.get(group)),
        };
        let node = with(&options, own).1.in_effect();
        let fields = serde_json::to_value(node).unwrap_or_default();
        let field = |name: &&str| ((*name).to_owned(), fields.get(*name).cloned().unwrap_or_default());
        Self::NODES.overrides.iter().map(field).collect::<Map<_, _>>().into()
    }

    /// Adds what is wrong with number and ids, with groups, with what holds for all numbered nodes, and with each that differs, as
    /// it would be: the same mistake once, and where it was made.
    fn check_all(&self, problems: &mut Vec<Problem>) {
        let Different { count, ids, idle, overrides, groups } = self.different();
        let numbered = groups.is_none_or(BTreeMap::is_empty) || count > 0;
        if numbered {
            Self::NODES.check(count, ids, problems);
        }
        if let Some(id) = ids.into_iter().flatten().find(|id| idle.is_some_and(|idle| idle.contains(id))) {
            problems.push(Problem::new("idle", format!("{} {id} is in `ids` too", Self::NODES.one)));
        }
        let mut apart = Vec::new();
        for (id, at, own) in Self::NODES.check_overrides(overrides, problems) {
            if counted(&Self::NODES, own).is_some() {
                problems.push(Problem::new(format!("{at}.{}", Self::NODES.count), "is for groups only"));
            }
            apart.push((Self::NODES.instance(id), at, own));
        }
        for (name, group) in groups.into_iter().flatten() {
            check_group(&Self::NODES, name, counted(&Self::NODES, group), problems);
            apart.push((format!("{name}-0"), format!("groups.{name}"), group));
        }
        let mut common = Vec::new();
        if numbered {
            self.check_node(&mut common);
        }
        let mut seen: BTreeSet<_> = common.iter().map(|p| (p.option.clone(), p.message.clone())).collect();
        problems.extend(common);
        for (name, at, own) in apart {
            let (own, node) = with(self, Some(own));
            let mut found = Vec::new();
            node.check_node(&mut found);
            found.retain(|p| seen.insert((p.option.clone(), p.message.clone())));
            problems.extend(found.into_iter().map(|problem| located(problem, &name, &at, &own)));
        }
    }
}

/// A mistake of a node that differs where it was made: with what it has of its own, or with what holds for all.
fn located(problem: Problem, node: &str, at: &str, own: &Map<String, Value>) -> Problem {
    if own.contains_key(problem.option.split('.').next().unwrap_or_default()) {
        return Problem { option: format!("{at}.{}", problem.option), ..problem };
    }
    Problem { message: format!("{} ({node})", problem.message), ..problem }
}

/// All nodes by instance name, in the order in which they are deployed, each with what is different about it.
fn named<D: Differing>(options: &D) -> Vec<(String, Option<&D::Own>)> {
    let Different { count, ids, overrides, groups, .. } = options.different();
    let ids = D::NODES.ids(count, ids).into_iter();
    let numbered = ids.map(|id| (D::NODES.instance(id), overrides.get(&id.to_string())));
    let grouped = groups.into_iter().flatten().flat_map(|(name, group)| {
        let count = counted(&D::NODES, group).unwrap_or(1).min(MOST.into());
        (0..count).map(move |id| (format!("{name}-{id}"), Some(group)))
    });
    numbered.chain(grouped).collect()
}

/// How many nodes of a group there are, if that is said.
fn counted(nodes: &Nodes, own: &impl Serialize) -> Option<u64> {
    serde_json::to_value(own).ok()?.get(nodes.count)?.as_u64()
}

/// What a node has of its own, and the options as they hold for it.
fn with<D: Differing>(all: &D, own: Option<&D::Own>) -> (Map<String, Value>, D) {
    let Some(Ok(Value::Object(mut own))) = own.map(serde_json::to_value) else {
        return (Map::new(), all.clone());
    };
    own.remove(D::NODES.count);
    // A heap of its own without a memory of its own: one that fits.
    if own.contains_key("heap") && !own.contains_key("mem") {
        own.insert("mem".into(), Value::Null);
    }
    let node = merged(all, &own);
    (own, node)
}

fn check_group(nodes: &Nodes, name: &str, count: Option<u64>, problems: &mut Vec<Problem>) {
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
    if count.is_some_and(|n| n > MOST.into()) {
        let message = format!("more than {MOST} are not supported");
        problems.push(Problem::new(format!("{at}.{}", nodes.count), message));
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Clone, Default, Serialize, Deserialize)]
    struct Options {
        cpus: u32,
        heap: u32,
        mem: Option<u32>,
        overrides: BTreeMap<String, Own>,
        groups: BTreeMap<String, Own>,
    }

    #[derive(Clone, Serialize, Deserialize)]
    struct Own {
        #[serde(skip_serializing_if = "Option::is_none")]
        nodes: Option<u32>,
        cpus: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        heap: Option<u32>,
    }

    impl Differing for Options {
        type Own = Own;
        const NODES: Nodes = Nodes::new("node", "nodes");

        fn different(&self) -> Different<'_, Own> {
            Different {
                count: 2,
                ids: None,
                idle: None,
                overrides: &self.overrides,
                groups: Some(&self.groups),
            }
        }

        fn check_node(&self, problems: &mut Vec<Problem>) {
            if self.cpus == 0 {
                problems.push(Problem::new("cpus", "none"));
            }
        }
    }

    fn options(overrides: &[(&str, Option<u32>, u32)], groups: &[(&str, Option<u32>, u32)]) -> Options {
        let own = |all: &[(&str, Option<u32>, u32)]| {
            let own = |(name, nodes, cpus): &(&str, Option<u32>, u32)| {
                ((*name).to_owned(), Own { nodes: *nodes, cpus: *cpus, heap: None })
            };
            all.iter().map(own).collect()
        };
        Options { cpus: 1, overrides: own(overrides), groups: own(groups), ..Options::default() }
    }

    #[test]
    fn a_heap_of_ones_own_brings_a_memory_that_fits() {
        let mut options = options(&[], &[("hot", None, 1), ("cold", None, 1)]);
        options.mem = Some(512);
        options.groups.get_mut("hot").unwrap().heap = Some(1024);
        let memory = |name| options.node(name).map(|node| (node.heap, node.mem));
        assert_eq!((memory("hot-0"), memory("cold-0")), (Some((1024, None)), Some((0, Some(512)))));
        assert_eq!(memory("hot-1"), None);
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
                "overrides.1.cpus: none",
            ]
        );
    }
}

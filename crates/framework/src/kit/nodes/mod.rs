//! Instances that are alike and numbered: brokers, servers, nodes.
//!
//! ```
//! # use cairn_framework::kit::Nodes;
//! const NODES: Nodes = Nodes {
//!     port: "cql",
//!     gaps: true,
//!     overrides: &["cpus", "heap", "config"],
//!     ..Nodes::new("node", "nodes")
//! };
//! assert_eq!(NODES.instance(2), "node-2");
//! assert_eq!(NODES.id("node-2"), Some(2));
//! ```
//!
//! What the REST changes are options, so the framework's `Options` must have them:
//!
//! | option | type | |
//! |---|---|---|
//! | [`Nodes::count`] | `u32` | how many there are |
//! | `ids` | `Option<BTreeSet<u32>>` | with [`Nodes::gaps`]: which, where they are not the first ones; [`Nodes::ids`] reads both |
//! | `overrides` | `BTreeMap<String, Override>` | with [`Nodes::overrides`]: what is different about single nodes, by id; [`Differing`] reads them |
//!
//! A framework with [`Nodes::groups`] has further nodes, `hot-0` and so on, which are configured in an option `groups` by the names of
//! their groups; REST lists them with the numbered ones, and takes the names of their instances where it takes ids.
//!
//! A framework whose nodes may be configured before they are to run has an option `idle` too, a set of ids.

mod differing;
mod edit;

use std::collections::BTreeSet;

pub use differing::{Different, Differing};
use serde_json::Value;

use super::Ids;
use crate::{Config, InstanceSpec, InstanceStatus, Problem, View, rest};

/// Most nodes that a service may have.
const MOST: u32 = 1_000;

/// How a service calls its nodes, and what it allows. Build it with [`Nodes::new`].
#[derive(Debug, Clone, Copy)]
pub struct Nodes {
    /// One of them: `broker`.
    pub one: &'static str,
    /// Several, and the REST resource: `brokers` is `/v1/brokers`.
    pub many: &'static str,
    /// What instance names begin with: `broker` is `broker-0`.
    pub prefix: &'static str,
    /// The option that holds their number.
    pub count: &'static str,
    /// Lowest id.
    pub first: u32,
    /// Port that clients use, listed as `endpoint`. Empty: none.
    pub port: &'static str,
    /// Any of them may leave, not only the last ones.
    pub gaps: bool,
    /// Options that may differ between them. Empty: they are all alike.
    pub overrides: &'static [&'static str],
    /// There may be further ones in groups: all instances that are not numbered.
    pub groups: bool,
    /// How the one of this instance is configured, for REST: see [`Differing::shown`]. It says nothing unless a service does.
    pub shown: fn(&Config, &str) -> Value,
}

impl Nodes {
    /// Nodes from 0 on, all alike, of which only the last may leave; instances and the option are named like them.
    pub const fn new(one: &'static str, many: &'static str) -> Self {
        let shown = |_: &Config, _: &str| Value::Null;
        Self {
            one,
            many,
            prefix: one,
            count: many,
            first: 0,
            port: "",
            gaps: false,
            overrides: &[],
            groups: false,
            shown,
        }
    }

    /// Name of the instance with this id.
    pub fn instance(&self, id: u32) -> String {
        format!("{}-{id}", self.prefix)
    }

    /// Id of an instance; `None` if it is none of these nodes.
    pub fn id(&self, instance: &str) -> Option<u32> {
        let digits = instance.strip_prefix(self.prefix)?.strip_prefix('-')?;
        digits.parse().ok().filter(|id: &u32| *id >= self.first && id.to_string() == digits)
    }

    /// Ids of the nodes that the options ask for.
    pub fn ids(&self, count: u32, ids: Option<&BTreeSet<u32>>) -> BTreeSet<u32> {
        ids.cloned().unwrap_or_else(|| (self.first..self.first.saturating_add(count)).collect())
    }

    /// Instances with these ids, all like this one.
    pub fn instances(&self, ids: impl IntoIterator<Item = u32>, like: &InstanceSpec) -> Vec<InstanceSpec> {
        ids.into_iter().map(|id| InstanceSpec { name: self.instance(id), ..like.clone() }).collect()
    }

    /// Ids of the nodes that should run.
    pub fn target(&self, view: &View) -> BTreeSet<u32> {
        view.target.iter().filter_map(|name| self.id(name)).collect()
    }

    /// Those of these instances that belong to groups.
    pub(crate) fn in_groups<'a>(&self, instances: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
        instances.into_iter().filter(|name| self.groups && self.id(name).is_none()).cloned().collect()
    }

    /// Ids of all that is listed: those that should run, those that are on their way out, those that only are configured.
    pub fn listed(&self, options: &Value, instances: &[InstanceStatus]) -> BTreeSet<u32> {
        let mut ids: BTreeSet<u32> = instances.iter().filter_map(|i| self.id(&i.name)).collect();
        ids.extend(idle(options));
        ids
    }

    /// Ids of the nodes that can be changed: those on their way out cannot.
    pub fn configured(&self, options: &Value, view: &View) -> BTreeSet<u32> {
        let mut ids = self.target(view);
        ids.extend(idle(options));
        ids
    }

    /// The nodes that `text` means, among `known`.
    ///
    /// # Errors
    /// 400 if it cannot be read, 404 with what there is if it names an unknown id or nobody.
    pub fn chosen(&self, text: &str, known: &BTreeSet<u32>, view: &View) -> rest::Refused<BTreeSet<u32>> {
        let ids: Ids = text.parse().map_err(rest::Problem::bad_request)?;
        let attribute = |id: u32, key: &str| attribute(view, &self.instance(id), key);
        ids.among(known, attribute).map_err(|id| self.unknown(&id.to_string(), known, &BTreeSet::new()))
    }

    /// The same, and those in groups by the names of their instances.
    ///
    /// # Errors
    /// As of [`Nodes::chosen`].
    pub(crate) fn chosen_of_all(
        &self,
        text: &str,
        known: &BTreeSet<u32>,
        grouped: &BTreeSet<String>,
        view: &View,
    ) -> rest::Refused<(BTreeSet<u32>, BTreeSet<String>)> {
        if !self.groups {
            return Ok((self.chosen(text, known, view)?, BTreeSet::new()));
        }
        let ids = Ids::with_instances(text).map_err(rest::Problem::bad_request)?;
        let named = ids.instances_among(grouped, |name, key| attribute(view, name, key));
        let named = named.map_err(|name| self.unknown(&name, known, grouped))?;
        let numbered = ids.among(known, |id, key| attribute(view, &self.instance(id), key));
        Ok((numbered.map_err(|id| self.unknown(&id.to_string(), known, grouped))?, named))
    }

    fn unknown(&self, named: &str, known: &BTreeSet<u32>, grouped: &BTreeSet<String>) -> rest::Problem {
        let known = known.iter().map(ToString::to_string).chain(grouped.iter().cloned());
        let known: Vec<String> = known.collect();
        let what = format!("there is no {} {named}", self.one);
        rest::Problem::not_found(&format!("unknown-{}", self.one), what).hint(format!(
            "{}: {}",
            self.many,
            known.join(", ")
        ))
    }

    /// Checks number and ids.
    pub fn check(&self, count: u32, ids: Option<&BTreeSet<u32>>, problems: &mut Vec<Problem>) {
        if count == 0 {
            let none = Problem::new(self.count, "must be at least 1");
            problems.push(none.help("to stop all of them, destroy the service"));
        }
        if count > MOST {
            problems.push(Problem::new(self.count, format!("more than {MOST} are not supported")));
        }
        let Some(ids) = ids else { return };
        if ids.len() != count as usize {
            let message = format!("names {} {}, but `{}` is {count}", ids.len(), self.many, self.count);
            problems.push(Problem::new("ids", message).help("change both together, or leave `ids` out"));
        }
        if let Some(id) = ids.iter().find(|id| **id < self.first) {
            problems.push(Problem::new("ids", format!("{id} is below {}, the lowest id", self.first)));
        }
    }

    /// Checks that the keys of `overrides` are ids. Those that are come back with their path, `overrides.1`.
    pub fn check_overrides<'a, T>(
        &self,
        overrides: impl IntoIterator<Item = (&'a String, &'a T)>,
        problems: &mut Vec<Problem>,
    ) -> Vec<(u32, String, &'a T)> {
        let mut read = Vec::new();
        for (key, value) in overrides {
            let at = format!("overrides.{key}");
            match key.parse::<u32>() {
                Ok(id) if id.to_string() == *key => read.push((id, at, value)),
                _ => problems.push(
                    Problem::new(at, format!("is not the id of a {}", self.one))
                        .help("write the number, for example \"1\""),
                ),
            }
        }
        read
    }
}

/// An attribute of the agent on which an instance has its place.
fn attribute(view: &View, instance: &str, key: &str) -> Option<String> {
    let place = view.placement(instance)?;
    if key == "hostname" { Some(place.hostname.clone()) } else { place.attributes.get(key).cloned() }
}

/// Ids of nodes that are configured but not to run yet.
pub(crate) fn idle(options: &Value) -> BTreeSet<u32> {
    let ids = options.get("idle").and_then(Value::as_array).into_iter().flatten();
    ids.filter_map(|id| u32::try_from(id.as_u64()?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: Nodes = Nodes { first: 1, gaps: true, ..Nodes::new("server", "servers") };

    #[test]
    fn names_carry_ids() {
        assert_eq!(NODES.id(&NODES.instance(17)), Some(17));
        for other in ["other-1", "server-0", "server-01", "server-", "server1", "server-x"] {
            assert_eq!(NODES.id(other), None, "{other}");
        }
        assert_eq!(NODES.ids(2, None), [1, 2].into());
        assert_eq!(NODES.ids(2, Some(&[3, 5].into())), [3, 5].into());
    }

    #[test]
    fn number_and_ids_agree() {
        let told = |count, ids: Option<BTreeSet<u32>>| {
            let mut problems = Vec::new();
            NODES.check(count, ids.as_ref(), &mut problems);
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(told(2, Some([1, 4].into())), "");
        assert!(told(0, None).contains("servers: must be at least 1"));
        assert!(told(3, Some([1, 4].into())).contains("ids: names 2 servers, but `servers` is 3"));
        assert!(told(1, Some([0].into())).contains("0 is below 1"));
    }

    #[test]
    fn those_in_groups_are_named_by_their_instances() {
        let nodes = Nodes { groups: true, ..NODES };
        let instances = ["server-1", "hot-0", "hot-1"].map(str::to_owned);
        let grouped = nodes.in_groups(&instances);
        assert_eq!(grouped, ["hot-0", "hot-1"].map(str::to_owned).into());
        assert!(NODES.in_groups(&instances).is_empty());
        let chosen = |text: &str| nodes.chosen_of_all(text, &[1].into(), &grouped, &View::default());
        assert_eq!(chosen("*").unwrap(), ([1].into(), grouped.clone()));
        assert_eq!(chosen("1").unwrap(), ([1].into(), BTreeSet::new()));
        assert_eq!(chosen("hot-1").unwrap(), (BTreeSet::new(), ["hot-1".to_owned()].into()));
        for unknown in ["cold-0", "2"] {
            let unknown = chosen(unknown).unwrap_err();
            assert_eq!((unknown.status, unknown.hint.as_deref()), (404, Some("servers: 1, hot-0, hot-1")));
        }
        assert_eq!(
            NODES.chosen_of_all("hot-0", &[1].into(), &grouped, &View::default()).unwrap_err().status,
            400
        );
    }

    #[test]
    fn nobody_is_chosen_by_mistake() {
        let known = BTreeSet::from([1, 3]);
        let chosen = |text: &str| NODES.chosen(text, &known, &View::default());
        assert_eq!(chosen("*").unwrap(), known);
        let unknown = chosen("2").unwrap_err();
        assert_eq!((unknown.status, unknown.kind.as_str()), (404, "unknown-server"));
        assert_eq!(unknown.hint.as_deref(), Some("servers: 1, 3"));
        assert_eq!(chosen("x").unwrap_err().status, 400);
    }
}

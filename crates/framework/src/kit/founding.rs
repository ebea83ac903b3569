//! Who founds a new cluster, once and never again.
//!
//! There are clusters that their first node founds, and that the others join one after the other through those that have
//! served: [`seeds_for`]. While nobody has served nobody but the first has a place, so such a cluster cannot be founded twice.
//!
//! Others are founded by the majority of the nodes that their founders are told of. If nodes with empty volumes were
//! told so beside a cluster that is merely down, they would found a second one. So what is known about it is stored, before
//! anything is done:
//!
//! - [`FOUNDERS`]: the nodes that found the cluster, written down while nobody has a place yet. Whoever of them is launched,
//!   whenever, is told the same list: a foundation that was interrupted is finished, by whoever finishes it.
//! - [`CLUSTER`]: the id of the cluster, as soon as a node tells it. From then on nobody is told to found anything.
//!
//! Both end with the last volume. All other nodes wait for [`CLUSTER`] and join.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{Handle, InstanceStatus, View, Wait};

/// Fact: names of the nodes that found the cluster.
pub const FOUNDERS: &str = "founders";
/// Fact: id of the cluster.
pub const CLUSTER: &str = "cluster";

/// Enough to find the others whatever fails; more would only make gossip slower.
const SEEDS: usize = 3;

/// Pause between two looks at a cluster that is being founded.
const PAUSE: Duration = Duration::from_secs(1);

/// The founders that an instance is told of; none if the node joins a cluster that there is.
///
/// # Errors
/// What it waits for.
pub fn founders(instance: &str, view: &View) -> Result<Vec<String>, Wait> {
    let names = admits(instance, view)?;
    places(&names, view)?;
    Ok(names)
}

/// The same before anybody has a place: for gates, which are asked before one is looked for.
///
/// # Errors
/// What it waits for.
pub fn admits(instance: &str, view: &View) -> Result<Vec<String>, Wait> {
    match Stage::of(view) {
        Stage::Unknown => Err(Wait::For("it is being looked whether the cluster exists".into())),
        Stage::Exists => Ok(Vec::new()),
        Stage::By(names) if names.iter().any(|name| name == instance) => Ok(names),
        Stage::By(_) => Err(Wait::For("it joins as soon as the cluster is founded".into())),
    }
}

/// How far a cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Not looked yet.
    Unknown,
    /// It is founded by these.
    By(Vec<String>),
    /// It exists, or has existed.
    Exists,
}

impl Stage {
    /// As it is remembered.
    pub fn of(view: &View) -> Self {
        if view.facts.contains_key(CLUSTER) {
            return Self::Exists;
        }
        let names = view.facts.get(FOUNDERS).and_then(Value::as_array);
        let list = |names: &Vec<Value>| names.iter().filter_map(|n| n.as_str().map(str::to_owned)).collect();
        names.map_or(Self::Unknown, |names| Self::By(list(names)))
    }
}

/// All of these that are still wanted have a place.
///
/// # Errors
/// Who has none.
pub fn places(names: &[String], view: &View) -> Result<(), Wait> {
    let missing: Vec<_> =
        names.iter().filter(|n| view.target.contains(n) && view.placement(n).is_none()).cloned().collect();
    if missing.is_empty() { Ok(()) } else { Err(Wait::Peers(format!("places for {}", missing.join(", ")))) }
}

/// What is to be remembered as founders now, if it is `founders` who would; `None`: what is remembered already.
fn note(founders: &[String], view: &View) -> Option<Value> {
    let placed = view.instances.values().any(|i| i.placement.is_some());
    let known = view.facts.get(FOUNDERS);
    if view.target.is_empty() || view.facts.contains_key(CLUSTER) || (placed && known.is_some()) {
        return None;
    }
    let founders = json!(founders);
    (known != Some(&founders)).then_some(founders)
}

/// `address:port` of the nodes that a node starts with, where the first node founds the cluster.
///
/// # Errors
/// What it waits for.
pub fn seeds_for(instance: &str, view: &View, port: &str) -> Result<Vec<String>, Wait> {
    let known = seeds(view, port);
    if !known.is_empty() {
        return Ok(known);
    }
    let founder = view.target.first().map_or("nobody", String::as_str);
    if founder != instance {
        return Err(Wait::For(format!("{founder} founds the cluster first")));
    }
    let own = view.placement(instance).and_then(|p| p.endpoint(port));
    own.map(|seed| vec![seed]).ok_or_else(|| Wait::Peers("a place of its own".into()))
}

/// Through whom one joins: those that have served, in the target's order. They stay seeds while they are down, so that one of
/// them can start alone when all were down.
pub fn seeds(view: &View, port: &str) -> Vec<String> {
    let names = view.target.iter().filter(|name| view.deployed(name));
    names.filter_map(|name| view.placement(name)?.endpoint(port)).take(SEEDS).collect()
}

/// Remembers who founds the cluster and, once `id` tells it, that it is founded. For [`super::watch`], whose pause it returns.
/// `founders` are those who would found it now, none if that cannot be said.
pub async fn watch_founding(
    handle: &Handle,
    view: &View,
    founders: Option<Vec<String>>,
    id: impl AsyncFn(&View) -> Option<String>,
) -> Duration {
    if let Some(founders) = founders.and_then(|founders| note(&founders, view)) {
        handle.remember(FOUNDERS, founders).await;
    }
    if view.facts.contains_key(CLUSTER) || !view.instances.values().any(InstanceStatus::is_ready) {
        return Duration::MAX;
    }
    if let Some(id) = id(view).await {
        handle.remember(CLUSTER, id.into()).await;
    }
    PAUSE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Placement;

    fn view(target: usize, placed: usize, facts: Value) -> View {
        let mut view = View { target: (0..target).map(|i| format!("node-{i}")).collect(), ..View::default() };
        for (at, name) in view.target.clone().into_iter().enumerate() {
            let placement = (at < placed).then(Placement::default);
            view.instances.insert(name.clone(), InstanceStatus { name, placement, ..Default::default() });
        }
        view.facts = serde_json::from_value(facts).unwrap();
        view
    }

    fn three() -> Value {
        json!({ "founders": ["node-0", "node-1", "node-2"] })
    }

    #[test]
    fn founders_are_noted_before_places_are_looked_for_and_then_stay() {
        let options = |nodes| (0..nodes).map(|id| format!("node-{id}")).collect::<Vec<_>>();
        assert_eq!(note(&options(3), &view(3, 0, json!({}))), Some(three()["founders"].clone()));
        assert_eq!(note(&options(3), &view(3, 0, three())), None);
        assert_eq!(
            note(&options(1), &view(1, 0, three())),
            Some(json!(["node-0"])),
            "nothing has happened yet"
        );
        assert_eq!(note(&options(5), &view(5, 1, three())), None, "it has begun");
        assert_eq!(note(&options(3), &view(3, 3, json!({ "cluster": "u" }))), None);
    }

    #[test]
    fn founders_wait_for_all_places_and_are_told_alike() {
        let waiting = founders("node-0", &view(3, 1, three())).unwrap_err();
        assert_eq!(waiting, Wait::Peers("places for node-1, node-2".into()));
        let nowhere = view(3, 0, three());
        assert_eq!(admits("node-0", &nowhere).unwrap().len(), 3, "or nobody would ever get a place");
        assert!(admits("node-3", &nowhere).is_err());
        let all = view(4, 4, three());
        assert_eq!(founders("node-2", &all).unwrap(), ["node-0", "node-1", "node-2"]);
        assert!(matches!(founders("node-3", &all), Err(Wait::For(_))), "it joins later");
        assert!(
            matches!(founders("node-0", &view(3, 3, json!({}))), Err(Wait::For(_))),
            "nothing is known yet"
        );
    }

    #[test]
    fn a_cluster_that_exists_is_never_founded_again() {
        let mut exists = three();
        exists["cluster"] = json!("u-1");
        // All volumes new, as after a replacement of everything: they must not found another cluster.
        assert_eq!(founders("node-0", &view(3, 3, exists)).unwrap(), Vec::<String>::new());
    }

    fn seeded(nodes: &[(bool, bool)]) -> View {
        let mut view = View::default();
        for (id, (placed, deployed)) in nodes.iter().enumerate() {
            let name = format!("node-{id}");
            let placement = placed.then(|| Placement {
                address: format!("10.0.0.{id}"),
                ports: [("storage".to_owned(), 7000)].into(),
                ..Placement::default()
            });
            view.target.push(name.clone());
            let status = InstanceStatus { placement, deployed: *deployed, ..InstanceStatus::default() };
            view.instances.insert(name, status);
        }
        view
    }

    #[test]
    fn only_the_first_node_founds_and_only_a_new_cluster() {
        let seeds_for = |name, view| seeds_for(name, view, "storage");
        let new = seeded(&[(true, false), (false, false)]);
        assert_eq!(seeds_for("node-0", &new), Ok(vec!["10.0.0.0:7000".to_owned()]));
        assert_eq!(seeds_for("node-1", &new), Err(Wait::For("node-0 founds the cluster first".into())));
        let replaced = seeded(&[(true, false), (true, true)]);
        assert_eq!(
            seeds_for("node-0", &replaced),
            Ok(vec!["10.0.0.1:7000".to_owned()]),
            "it lost its volume"
        );
    }

    #[test]
    fn who_has_not_served_is_nobodys_seed() {
        let grown = seeded(&[(true, true), (true, true), (true, false)]);
        assert_eq!(seeds_for("node-2", &grown, "storage"), seeds_for("node-0", &grown, "storage"));
        assert_eq!(seeds(&grown, "storage"), ["10.0.0.0:7000", "10.0.0.1:7000"]);
    }
}

//! Whom a node asks for the ring when it starts.
//!
//! A node that finds itself among its seeds does not bootstrap: it would own ranges without their data. So a node is a seed
//! only once it has served; the one exception is the first node of a new cluster, while nobody has served yet. Nodes join
//! one after the other, so nobody else has even a place then, and a cluster cannot be founded twice.

use cairn_framework::{View, Wait};

use crate::service::STORAGE;

/// Enough to find the ring whatever fails; more would only make gossip slower.
const SEEDS: usize = 3;

/// `address:port` of the nodes that a node starts with.
///
/// # Errors
/// What it waits for.
pub(crate) fn seeds_for(instance: &str, view: &View) -> Result<Vec<String>, Wait> {
    let known = seeds(view);
    if !known.is_empty() {
        return Ok(known);
    }
    let founder = view.target.first().map_or("nobody", String::as_str);
    if founder != instance {
        return Err(Wait::For(format!("{founder} founds the cluster first")));
    }
    let own = view.placement(instance).and_then(|p| p.endpoint(STORAGE));
    own.map(|seed| vec![seed]).ok_or_else(|| Wait::Peers("a place of its own".into()))
}

/// The cluster's seeds: those that have served, in the target's order. They stay seeds while they are down, so that one of
/// them can start alone when all were down.
pub(crate) fn seeds(view: &View) -> Vec<String> {
    let deployed = |name: &&String| view.instances.get(*name).is_some_and(|i| i.deployed);
    let names = view.target.iter().filter(deployed);
    names.filter_map(|name| view.placement(name)?.endpoint(STORAGE)).take(SEEDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_framework::{InstanceStatus, Placement};

    fn view(nodes: &[(bool, bool)]) -> View {
        let mut view = View::default();
        for (id, (placed, deployed)) in nodes.iter().enumerate() {
            let name = format!("node-{id}");
            let placement = placed.then(|| Placement {
                address: format!("10.0.0.{id}"),
                ports: [(STORAGE.to_owned(), 7000)].into(),
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
        let new = view(&[(true, false), (false, false)]);
        assert_eq!(seeds_for("node-0", &new), Ok(vec!["10.0.0.0:7000".to_owned()]));
        assert_eq!(seeds_for("node-1", &new), Err(Wait::For("node-0 founds the cluster first".into())));
        let replaced = view(&[(true, false), (true, true)]);
        assert_eq!(
            seeds_for("node-0", &replaced),
            Ok(vec!["10.0.0.1:7000".to_owned()]),
            "it lost its volume"
        );
    }

    #[test]
    fn who_has_not_served_is_nobodys_seed() {
        let grown = view(&[(true, true), (true, true), (true, false)]);
        assert_eq!(seeds_for("node-2", &grown), seeds_for("node-0", &grown));
        assert_eq!(seeds(&grown), ["10.0.0.0:7000", "10.0.0.1:7000"]);
    }
}

//! How a new node comes to its ranges of the ring.

use std::collections::BTreeSet;

/// A setting of cassandra.yaml as options of the JVM: it is for the first start of a node, and the file is the same at each.
const CHOOSE: &str = "-Dcassandra.config.allow_system_properties=true
-Dcassandra.settings.allocate_tokens_for_local_replication_factor=3
";

/// Where a node is: data centre and rack.
pub type Site<'a> = (&'a str, &'a str);

/// Options of the JVM with which a node at `mine` chooses its ranges by those of the `others` that serve, so that all own about
/// as much. Without them they are random, and with 16 each some nodes hold a third more than others.
///
/// That is for three copies, as in the file that Cassandra comes with. The first three nodes of a data centre own everything
/// anyway, and a founder would wait for a schema in vain. Two racks cannot hold three copies evenly: Cassandra refuses to
/// start there.
///
/// Source: Cassandra's `TokenAllocation.getStrategy`, `BootStrapper.allocateTokens`, `YamlConfigurationLoader`.
pub fn choice<'a>(mine: Site<'a>, others: impl Iterator<Item = Site<'a>>) -> &'static str {
    let near: Vec<_> = others.filter(|(datacenter, _)| *datacenter == mine.0).collect();
    let racks: BTreeSet<_> = near.iter().chain([&mine]).map(|(_, rack)| rack).collect();
    if near.len() >= 3 && racks.len() != 2 { CHOOSE } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourth_node_of_a_data_centre_chooses_unless_there_are_two_racks() {
        let chooses = |racks: &[&'static str]| {
            !choice(("dc1", "a"), racks.iter().map(|rack| ("dc1", *rack))).is_empty()
        };
        assert!(!chooses(&[]));
        assert!(!chooses(&["a", "a"]));
        assert!(chooses(&["a", "a", "a"]));
        assert!(chooses(&["a", "b", "c"]));
        assert!(!chooses(&["b", "b", "b"]));
        assert_eq!(choice(("dc2", "a"), [("dc1", "a"); 5].into_iter()), "");
    }
}

//! Whether the cluster exists, and who founds it.

use serde_json::{Value, json};

/// Path of what is asked for [`founded`].
pub const FOUNDED: &str = "/_cluster/state/metadata?filter_path=cluster_uuid,master_node";

/// Id of the cluster, once it is founded; `answer` is the one to [`FOUNDED`].
pub fn founded(answer: &Value) -> Option<String> {
    answer["cluster_uuid"].as_str().filter(|id| !id.is_empty() && *id != "_na_").map(str::to_owned)
}

/// The line of elasticsearch.yml, or opensearch.yml, that makes founders of the nodes of these names that have no cluster yet;
/// none without founders.
pub fn initial_masters(founders: &[String], opensearch: bool) -> String {
    let role = if opensearch { "cluster_manager" } else { "master" };
    let line = || format!("cluster.initial_{role}_nodes: {}\n", json!(founders));
    if founders.is_empty() { String::new() } else { line() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn founders_are_told_under_the_name_of_each_kind() {
        let founders = ["node-0".to_owned()];
        assert_eq!(initial_masters(&founders, false), "cluster.initial_master_nodes: [\"node-0\"]\n");
        assert_eq!(initial_masters(&founders, true), "cluster.initial_cluster_manager_nodes: [\"node-0\"]\n");
        assert_eq!(initial_masters(&[], true), "");
    }

    #[test]
    fn a_cluster_without_an_id_does_not_exist_yet() {
        assert_eq!(founded(&json!({ "cluster_uuid": "_na_" })), None);
        assert_eq!(founded(&json!({})), None);
        assert_eq!(founded(&json!({ "cluster_uuid": "u-1" })).as_deref(), Some("u-1"));
    }
}

//! What nodes are called, what they do, and through whom the cluster is asked.

use cairn_framework::View;
use cairn_framework::http::JsonClient;
use cairn_framework::kit::{Differing, Nodes};
use serde_json::Value;

use crate::options::Options;

/// Names of ports.
pub(crate) const HTTP: &str = "http";
pub(crate) const TRANSPORT: &str = "transport";

/// `node-0` and so on; what the SDK serves under `/v1/nodes`.
pub(crate) const NODES: Nodes = Nodes {
    port: HTTP,
    gaps: true,
    overrides: &["roles", "cpus", "heap", "mem", "disk", "constraints", "config", "jvmOptions"],
    ..Nodes::new("node", "nodes")
};

/// The cluster, through any of its nodes.
pub(crate) fn client(view: &View) -> JsonClient {
    JsonClient::of(view, HTTP)
}

/// Names of those that may be elected.
pub(crate) fn masters(options: &Options) -> Vec<String> {
    options.all().into_iter().filter(|(_, node)| node.is_master()).map(|(name, _)| name).collect()
}

/// Dedicated type so that JSON of a role list reads as in elasticsearch.yml.
pub(crate) fn role_names(options: &Options) -> Option<Value> {
    let roles = options.roles.as_ref()?;
    let mut names = serde_json::to_value(roles).ok()?;
    if options.opensearch() {
        for name in names.as_array_mut()?.iter_mut().filter(|name| **name == "master") {
            *name = "cluster_manager".into();
        }
    }
    Some(names)
}

//! What nodes are called, and through whom the cluster is asked.

use cairn_elasticsearch_admin::Role;
use cairn_framework::View;
use cairn_framework::http::JsonClient;
use cairn_framework::kit::{Differing, Nodes};

use crate::options::Options;

/// Names of ports.
pub(crate) const HTTP: &str = "http";
pub(crate) const TRANSPORT: &str = "transport";

/// `node-0` and so on, and those in groups; what the SDK serves under `/v1/nodes`.
pub(crate) const NODES: Nodes = Nodes {
    port: HTTP,
    gaps: true,
    groups: true,
    overrides: &["roles", "cpus", "heap", "mem", "disk", "constraints", "config", "jvmOptions"],
    ..Nodes::new("node", "nodes")
};

/// The cluster, through any of its nodes.
pub(crate) fn client(view: &View) -> JsonClient {
    JsonClient::of(view, HTTP)
}

/// Names of those that may be elected.
pub(crate) fn masters(options: &Options) -> Vec<String> {
    options.all().into_iter().filter(|(_, node)| Role::elect(&node.roles)).map(|(name, _)| name).collect()
}

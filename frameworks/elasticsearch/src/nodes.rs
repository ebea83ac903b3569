//! Which nodes follow from the options: numbered ones, and those of groups.

use cairn_framework::http::JsonClient;
use cairn_framework::kit::Nodes;
use cairn_framework::kit::options::merge;
use cairn_framework::{Problem, View};
use serde_json::Value;

use crate::options::{Group, Options};

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

/// Most nodes of a group.
const MOST: u32 = 1_000;

/// All nodes by instance name, with the options as they hold for each, in the order in which they are deployed.
pub(crate) fn all(options: &Options) -> Vec<(String, Options)> {
    let numbered = NODES.ids(options.nodes, options.ids.as_ref()).into_iter().map(|id| {
        let own = options.overrides.get(&id.to_string()).map(|own| with(options, own));
        (NODES.instance(id), own.unwrap_or_else(|| options.clone()))
    });
    let grouped = options.groups.iter().flat_map(|(name, group)| {
        let own = with(options, group);
        (0..group.nodes.unwrap_or(1).min(MOST)).map(move |id| (format!("{name}-{id}"), own.clone()))
    });
    numbered.chain(grouped).collect()
}

/// Names of those that may be elected.
pub(crate) fn masters(options: &Options) -> Vec<String> {
    all(options).into_iter().filter(|(_, node)| node.is_master()).map(|(name, _)| name).collect()
}

/// Both are of types that always can be merged.
fn with(options: &Options, own: &Group) -> Options {
    let merged = || {
        let mut all = serde_json::to_value(options).ok()?;
        let mut own = serde_json::to_value(own).ok()?;
        own.as_object_mut()?.remove("nodes");
        // A heap of its own without a memory of its own: one that fits.
        if own.get("heap").is_some() {
            all.as_object_mut()?.remove("mem");
        }
        merge(&mut all, &own);
        serde_json::from_value(all).ok()
    };
    merged().unwrap_or_else(|| options.clone())
}

pub(crate) fn check_groups(options: &Options, problems: &mut Vec<Problem>) {
    for (name, group) in &options.groups {
        let at = format!("groups.{name}");
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fine = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain);
        if !fine || name.len() > 18 || name == NODES.prefix {
            let help = "letters, digits and `-`, at most 18, other than `node`; instances are called NAME-0";
            problems.push(Problem::new(&at, "cannot be the name of a group").help(help));
        }
        if group.nodes.is_some_and(|n| n > MOST) {
            problems.push(Problem::new(format!("{at}.nodes"), format!("more than {MOST} are not supported")));
        }
    }
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

//! REST resources of clusters, beside those that the SDK serves.

use std::time::Duration;

use cairn_framework::rest::form::{Is, counted, tasks};
use cairn_framework::rest::{Api, Part, forwarded, gathered};

use crate::nodes::{HTTP, NODES, TRANSPORT};
use crate::options::Options;

/// How long a search may take.
const SEARCH: Duration = Duration::from_secs(30);

const MEMBERS: &str =
    "/_cat/nodes?format=json&h=name,ip,node.role,master,version,heap.percent,cpu,load_1m,disk.avail";

const CLUSTER: [Part; 3] = [
    ("name", "/_cluster/health?filter_path=cluster_name", "/cluster_name"),
    ("health", "/_cluster/health?master_timeout=5s", ""),
    ("nodes", MEMBERS, ""),
];

/// Nodes as elasticsearch-mesos showed them.
const TASK: [(&str, Is); 7] = [
    ("id", Is::Task),
    ("name", Is::Name),
    ("state", Is::Phase),
    ("version", Is::Option("version")),
    ("hostname", Is::Hostname),
    ("httpAddress", Is::Endpoint(HTTP)),
    ("transportAddress", Is::Endpoint(TRANSPORT)),
];

pub(crate) fn api() -> Api {
    let found = "Search, as for POST /INDEX/_search; by GET with ?q=";
    let (told, size) = ("{value}: how many nodes there are", "Set the number of nodes: {value}");
    Api::default()
        .at(
            "/v1/cluster",
            gathered(HTTP, &CLUSTER),
            &[("get", "Health and members, as the cluster sees them")],
        )
        .at("/v1/search", forwarded(HTTP, "/_all/_search", SEARCH), &[])
        .at("/v1/search/{index}", forwarded(HTTP, "/{index}/_search", SEARCH), &[("post", found)])
        .at("/v1/tasks", tasks::<Options>(&TASK), &[("get", "Nodes, as elasticsearch-mesos showed them")])
        .at("/v1/cluster/elasticsearchNodes", counted(NODES), &[("get", told), ("put", size)])
}

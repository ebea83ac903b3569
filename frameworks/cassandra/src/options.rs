//! What a stack may set for a Cassandra cluster. The comments on the fields are their documentation.

use std::collections::BTreeMap;

use cairn_cassandra_admin::{Sizes, misfits};
use cairn_framework::kit::{Beside, Jvm, JvmService, Ports, check};
use cairn_framework::{Config, Problem};
use cairn_units::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::service::{KEYSPACES, NODES};

/// Options of a Cassandra cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    /// Number of nodes. From the fourth on they join one after the other; the last ones leave first, and hand over their data before.
    #[schemars(range(min = 1, max = 1000))]
    pub nodes: u32,
    /// Version, processor, memory and place of each node.
    #[serde(flatten)]
    pub jvm: Jvm<Node>,
    /// Name of the cluster, which its nodes compare before they talk to each other. It cannot be changed later. Without
    /// it: the name of the stack and the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub cluster_name: Option<String>,
    /// Persistent volume of each node, for data, commit log and hints. Compaction needs up to half of it.
    pub disk: Size,
    /// Data centre of all nodes, as drivers and replication name it.
    #[schemars(length(min = 1))]
    pub datacenter: String,
    /// Attribute of agents that names their data centre; `datacenter` is for agents without it. It cannot be changed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub datacenter_attribute: Option<String>,
    /// Attribute of agents that names their rack. Spread nodes evenly over racks with a constraint: `rack:groupBy:3`.
    pub rack_attribute: String,
    /// Racks by declaration, where agents have no such attribute: node 0 is in the first, node 1 in the second, and so on
    /// around. Without them: all in `rack1`. Nodes cannot move to another rack later.
    pub racks: Vec<String>,
    /// Ranges of the ring that each node owns. It cannot be changed later.
    #[schemars(range(min = 1, max = 256))]
    pub num_tokens: u32,
    /// Port of each node for its clients: a number, or a range such as `31000..31100`. Without it: any that is free. Clients
    /// that cannot tell ports apart want the same everywhere: `9042`, which the agents must offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<Ports>,
    /// Port of each node for the other nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_port: Option<Ports>,
    /// Further entries of cassandra.yaml, for example `hinted_handoff_enabled: false`. They replace the defaults of this
    /// framework. What it sets itself (cluster, seeds, addresses, ports, directories, snitch) cannot be replaced.
    pub config: BTreeMap<String, Value>,
    /// Keyspaces that are kept as declared. One that is taken out of here stays in Cassandra, with its data.
    #[schemars(extend("propertyNames" = { "pattern": "^[a-zA-Z][a-zA-Z0-9_]*$", "maxLength": 48 }))]
    pub keyspaces: BTreeMap<String, Keyspace>,
}

/// A keyspace as it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Keyspace {
    /// Copies of each row in each data centre.
    #[schemars(range(min = 1))]
    pub replication: u32,
    /// Copies by data centre, where they differ; then only these data centres hold any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub datacenters: BTreeMap<String, u32>,
    /// Writes go through the commit log.
    pub durable_writes: bool,
}

impl Default for Keyspace {
    fn default() -> Self {
        Self { replication: 1, datacenters: BTreeMap::new(), durable_writes: true }
    }
}

/// A node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node;

impl JvmService for Node {
    const VERSION: &'static str = "5.0.5";
    const CPUS: f64 = 0.5;
    const HEAP: Size = Size::from_mib(256);
    const LEAST: (Size, Size) = (Size::from_mib(128), Size::from_mib(128));
    // Code, threads, buffers, bloom filters and indexes; and the page cache that reads live on.
    const BESIDE: Beside = Beside { percent: 100, least: 384, more: 0 };
    const HEAP_NOTE: &'static str = "The default is for trying out; use 8GiB to 16GiB for real work.";
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 3,
            cluster_name: None,
            jvm: Jvm::default(),
            disk: Size::from_mib(4096),
            datacenter: "dc1".into(),
            datacenter_attribute: None,
            rack_attribute: "rack".into(),
            racks: Vec::new(),
            num_tokens: 16,
            port: None,
            storage_port: None,
            config: BTreeMap::new(),
            keyspaces: BTreeMap::new(),
        }
    }
}

/// Entries of cassandra.yaml that the framework sets itself.
const RESERVED: &str = include_str!("files/reserved");

impl cairn_framework::Options for Options {
    fn check(&self, _: &Config, problems: &mut Vec<Problem>) {
        NODES.check(self.nodes, None, problems);
        self.jvm.check(problems);
        check::at_least("disk", self.disk, Size::from_mib(512), problems);
        self.check_names(problems);
        check::names("config", "cassandra.yaml", self.config.keys(), check::reserved(RESERVED), problems);
        self.check_keyspaces(problems);
    }
}

impl Options {
    /// The declared keyspaces, where there are data centres of these sizes.
    pub(crate) fn keyspaces(&self, sizes: &Sizes) -> impl Iterator<Item = cairn_cassandra_admin::Keyspace> {
        self.keyspaces.iter().map(|(name, keyspace)| {
            let Keyspace { replication, datacenters, durable_writes } = keyspace;
            let durable = *durable_writes;
            cairn_cassandra_admin::Keyspace::spread(name, *replication, datacenters, durable, sizes)
        })
    }

    /// Names go into a properties file and into statements.
    fn check_names(&self, problems: &mut Vec<Problem>) {
        let racks = self.racks.iter().enumerate().map(|(at, rack)| (format!("racks.{at}"), rack));
        for (at, name) in racks.chain([("datacenter".to_owned(), &self.datacenter)]) {
            check::plain(&at, name, problems);
        }
        check::within("numTokens", self.num_tokens, 1..=256, problems);
    }

    fn check_keyspaces(&self, problems: &mut Vec<Problem>) {
        KEYSPACES.kind.check(&self.keyspaces, problems);
        let only = self.datacenter_attribute.is_none().then_some(self.datacenter.as_str());
        for (name, Keyspace { replication, datacenters, .. }) in &self.keyspaces {
            for (at, message) in misfits(*replication, datacenters, self.nodes, only) {
                problems.push(Problem::new(format!("keyspaces.{name}.{at}"), message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(options: Value) -> Result<Options, String> {
        let config = Config { options: options.into(), ..Config::default() };
        config.read::<Options>().map_err(|p| p.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn memory_follows_the_heap() {
        assert_eq!(read(json!({})).unwrap().jvm.memory().mib(), 640);
        assert_eq!(read(json!({ "heap": "8GiB" })).unwrap().jvm.memory().mib(), 16 * 1024);
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let bad = json!({
            "nodes": 2, "heap": "1GiB", "mem": "1GiB", "racks": ["a b"], "jvmOptions": ["-Xmx1g"],
            "config": { "cluster_name": "x", "hints_directory": "/tmp", "a b": 1, "batch_size_warn_threshold": "5KiB" },
            "keyspaces": { "shop": { "replication": 3 }, "system_auth": {} },
        });
        let told = read(bad).unwrap_err();
        for part in [
            "mem: ",
            "racks.0: ",
            "jvmOptions.0: ",
            "config.cluster_name: ",
            "config.hints_directory: ",
            "config.a b: ",
            "keyspaces.shop.replication: 3 copies do not fit on 2 nodes",
            "keyspaces.system_auth: ",
        ] {
            assert!(told.contains(part), "{part} is missing in {told}");
        }
        assert!(!told.contains("batch_size"));
    }
}

//! What a stack may set for a cluster. The comments on the fields are their documentation.

use std::collections::{BTreeMap, BTreeSet};

use cairn_framework::kit::check;
use cairn_framework::{Config, Problem};
use cairn_units::{Constraint, Size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::nodes::{self, NODES};

/// Options of an Elasticsearch cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    /// Number of nodes, `node-0` and so on. With `groups` it may be 0.
    pub nodes: u32,
    /// Ids of the nodes, where they are not 0, 1, 2, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<BTreeSet<u32>>,
    /// Further nodes by group, for example `hot: { nodes: 3, roles: [data], heap: 4GiB }`, which are `hot-0` and so on. What
    /// a group does not say holds as for all.
    pub groups: BTreeMap<String, Group>,
    /// What is different about single nodes, by id.
    pub overrides: BTreeMap<String, Group>,
    /// What nodes do. Without it: everything. An empty list is a node that only passes requests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<BTreeSet<Role>>,
    /// Version of Elasticsearch, or `opensearch-` and one of OpenSearch.
    pub version: String,
    /// Name of the cluster. Without it: the name of the framework.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// CPUs of each node.
    #[schemars(range(min = 0.01))]
    pub cpus: f64,
    /// Heap of each node.
    pub heap: Size,
    /// Memory to reserve for each node. Without it: one and a half times the heap and 256MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<Size>,
    /// Persistent volume of each node.
    pub disk: Size,
    /// Where nodes may run, for example `hostname:unique`.
    #[schemars(with = "Vec<Constraint>")]
    pub constraints: Vec<String>,
    /// Attribute of agents, for example `rack`: copies of a shard are spread over its values, and nodes too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zones: Option<String>,
    /// Further entries of elasticsearch.yml. What the framework sets itself (names, addresses, ports, paths, discovery) cannot
    /// be replaced.
    pub config: Map<String, Value>,
    /// Further options of the JVM, each an item.
    pub jvm_options: Vec<String>,
    /// Id of the user that nodes run as where the agent is root: they refuse to be root.
    #[schemars(range(min = 1))]
    pub user: u32,
    /// Indices that there must be, each with `settings`, `mappings` and `aliases` as for `PUT /INDEX`. An index that leaves
    /// this list stays.
    pub indices: BTreeMap<String, Value>,
    /// Index templates that there must be, each as for `PUT /_index_template/NAME`. One that leaves this list stays.
    pub templates: BTreeMap<String, Value>,
    /// Safety rules that are not to hold, by the names that they have in plans. Whenever one would have said no, that is
    /// logged.
    pub ignore: BTreeSet<Predicate>,
}

/// What a group of nodes, or a single one, has of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    /// How many there are, 1 if nothing is said. For groups only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// What they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<BTreeSet<Role>>,
    /// CPUs of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// Heap of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap: Option<Size>,
    /// Memory to reserve for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<Size>,
    /// Persistent volume of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<Size>,
    /// Where they may run, in place of what holds for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<Constraint>>")]
    pub constraints: Option<Vec<String>>,
    /// Further entries of elasticsearch.yml, beside those for all.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// Options of the JVM, in place of those for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jvm_options: Option<Vec<String>>,
}

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are Elasticsearch's own")]
pub enum Role {
    Master,
    Data,
    DataContent,
    DataHot,
    DataWarm,
    DataCold,
    DataFrozen,
    Ingest,
    VotingOnly,
    RemoteClusterClient,
    Transform,
    Ml,
}

/// A safety rule that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Predicate {
    /// Nobody else may be missing while a node restarts.
    AllNodesPresent,
    /// The cluster is green, apart from copies that cannot be placed anyway.
    ClusterHealth,
    /// No shard moves while a node restarts.
    NoMoves,
    /// A shard whose copy goes away has another one that is started.
    StartedCopyElsewhere,
    /// The elected master restarts and leaves after all others.
    MasterLast,
    /// A majority of the voting nodes stays.
    Quorum,
    /// As many nodes with data stay as a shard has copies.
    ReplicasFit,
}

impl Predicate {
    /// Its name in options and reasons.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 3,
            ids: None,
            groups: BTreeMap::new(),
            overrides: BTreeMap::new(),
            roles: None,
            version: "8.19.8".into(),
            cluster: None,
            cpus: 0.5,
            heap: Size::from_mib(256),
            mem: None,
            disk: Size::from_mib(2048),
            constraints: Vec::new(),
            zones: None,
            config: Map::new(),
            jvm_options: Vec::new(),
            user: 65_534,
            indices: BTreeMap::new(),
            templates: BTreeMap::new(),
            ignore: BTreeSet::new(),
        }
    }
}

/// Entries of elasticsearch.yml that the framework sets itself; those that end in `.` are prefixes.
const RESERVED: [&str; 13] = [
    "cluster.name",
    "cluster.initial_master_nodes",
    "cluster.initial_cluster_manager_nodes",
    "cluster.routing.allocation.awareness.attributes",
    "node.name",
    "node.roles",
    "node.attr.zone",
    "path.",
    "network.",
    "http.port",
    "http.host",
    "transport.",
    "discovery.",
];
/// What a node needs beside its heap, at least: code, threads and, from Elasticsearch 8 on, the JVM that starts it.
const BESIDE: Size = Size::from_mib(192);

impl Options {
    /// Reads and checks the options of a configuration.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn read(config: &Config) -> Result<Self, Vec<Problem>> {
        let options: Self = config.parse()?;
        let mut problems = Vec::new();
        if options.groups.is_empty() || options.nodes > 0 {
            NODES.check(options.nodes, options.ids.as_ref(), &mut problems);
        }
        for (_, at, own) in NODES.check_overrides(&options.overrides, &mut problems) {
            if own.nodes.is_some() {
                problems.push(Problem::new(format!("{at}.nodes"), "is for groups only"));
            }
        }
        nodes::check_groups(&options, &mut problems);
        options.check_nodes(&mut problems);
        if options.user == 0 {
            problems.push(Problem::new("user", "nodes refuse to run as root").help("name another user's id"));
        }
        for (what, entries) in [("indices", &options.indices), ("templates", &options.templates)] {
            for (name, _) in entries.iter().filter(|(name, body)| !is_name(name) || !body.is_object()) {
                let problem =
                    Problem::new(format!("{what}.{name}"), "is not a lower-case name with an object");
                problems.push(problem.help("for example `logs: { settings: { number_of_shards: 3 } }`"));
            }
        }
        if problems.is_empty() { Ok(options) } else { Err(problems) }
    }

    /// Memory to reserve for one node: Lucene and the network have buffers of up to half the heap beside it.
    pub fn memory(&self) -> Size {
        self.mem.unwrap_or(Size::from_mib(self.heap.mib() + self.heap.mib() / 2 + 256))
    }

    /// It is OpenSearch, not Elasticsearch.
    pub fn opensearch(&self) -> bool {
        self.version.starts_with("opensearch")
    }

    /// A node with these options may be elected.
    pub fn is_master(&self) -> bool {
        self.roles.as_ref().is_none_or(|r| r.contains(&Role::Master))
    }

    fn is_data(&self) -> bool {
        let roles = self.roles.as_ref();
        roles.is_none_or(|r| r.iter().any(|r| *r >= Role::Data && *r < Role::DataFrozen))
    }

    /// Each node as it would be.
    fn check_nodes(&self, problems: &mut Vec<Problem>) {
        let all = nodes::all(self);
        for (option, found) in [
            ("master", all.iter().any(|(_, node)| node.is_master())),
            ("data", all.iter().any(|(_, node)| node.is_data())),
        ] {
            if !found && !all.is_empty() {
                problems.push(Problem::new("roles", format!("no node has the role {option}")));
            }
        }
        let mut seen = BTreeSet::new();
        for (name, node) in &all {
            let mut own = Vec::new();
            node.check(&mut own);
            own.retain(|p| seen.insert((p.option.clone(), p.message.clone())));
            problems
                .extend(own.into_iter().map(|p| Problem { message: format!("{} ({name})", p.message), ..p }));
        }
    }

    fn check(&self, problems: &mut Vec<Problem>) {
        check::cpus("cpus", self.cpus, problems);
        check::memory("", self.heap, Size::from_mib(96), self.memory(), BESIDE, problems);
        check::at_least("disk", self.disk, Size::from_mib(256), problems);
        check::jvm_options("jvmOptions", &self.jvm_options, problems);
        check::constraints("constraints", &self.constraints, problems);
        let mut flat = BTreeMap::new();
        flatten("", &self.config, &mut flat);
        for key in flat.keys().filter(|key| check::is_reserved(&RESERVED, key)) {
            let help = "take it out: the framework sets it, from the options and the places of the nodes";
            problems.push(Problem::new(format!("config.{key}"), "cannot be overridden").help(help));
        }
    }
}

/// As Elasticsearch has the names of indices; a name must not lead to another resource either.
fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    name.chars().all(allowed) && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.len() < 200
}

/// Nested entries by their dotted names, which mean the same.
pub(crate) fn flatten(prefix: &str, entries: &Map<String, Value>, flat: &mut BTreeMap<String, Value>) {
    for (key, value) in entries {
        match value {
            Value::Object(inner) => flatten(&format!("{prefix}{key}."), inner, flat),
            _ => drop(flat.insert(format!("{prefix}{key}"), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests;

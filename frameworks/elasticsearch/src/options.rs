//! What a stack may set for a cluster. The comments on the fields are their documentation.

use std::collections::{BTreeMap, BTreeSet};

use cairn_elasticsearch_admin::declared::flatten;
use cairn_elasticsearch_admin::{Role, Roles};
use cairn_framework::kit::{Beside, Different, Differing, Jvm, JvmOverride, JvmService, Nodes, check};
use cairn_framework::{Config, Problem};
use cairn_units::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::contents::{INDICES, TEMPLATES};
use crate::nodes::NODES;

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
    pub roles: Roles,
    /// Version (of Elasticsearch, or `opensearch-` and one of OpenSearch), processor, memory and place of each node.
    #[serde(flatten)]
    pub jvm: Jvm<Node>,
    /// Name of the cluster. Without it: the name of the framework.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Persistent volume of each node.
    pub disk: Size,
    /// Attribute of agents, for example `rack`: copies of a shard are spread over its values, and nodes too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zones: Option<String>,
    /// Further entries of elasticsearch.yml. What the framework sets itself (names, addresses, ports, paths, discovery) cannot
    /// be replaced.
    pub config: Map<String, Value>,
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
    pub roles: Roles,
    /// Persistent volume of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<Size>,
    /// Further entries of elasticsearch.yml, beside those for all.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// Processor, memory and place of each.
    #[serde(flatten)]
    pub jvm: JvmOverride,
}

/// A node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node;

impl JvmService for Node {
    const VERSION: &'static str = "8.19.8";
    const CPUS: f64 = 0.5;
    const HEAP: Size = Size::from_mib(256);
    // Beside the heap there are code, threads and, from Elasticsearch 8 on, the JVM that starts it.
    const LEAST: (Size, Size) = (Size::from_mib(96), Size::from_mib(192));
    // Lucene and the network have buffers of up to half the heap.
    const BESIDE: Beside = Beside { percent: 50, least: 0, more: 256 };
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

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 3,
            ids: None,
            groups: BTreeMap::new(),
            overrides: BTreeMap::new(),
            roles: None,
            cluster: None,
            jvm: Jvm::default(),
            disk: Size::from_mib(2048),
            zones: None,
            config: Map::new(),
            user: 65_534,
            indices: BTreeMap::new(),
            templates: BTreeMap::new(),
            ignore: BTreeSet::new(),
        }
    }
}

/// Entries of elasticsearch.yml that the framework sets itself.
const RESERVED: &str = include_str!("reserved");

impl cairn_framework::Options for Options {
    fn check(&self, _: &Config, problems: &mut Vec<Problem>) {
        self.check_all(problems);
        self.check_roles(problems);
        if self.user == 0 {
            problems.push(Problem::new("user", "nodes refuse to run as root").help("name another user's id"));
        }
        TEMPLATES.check(&self.templates, problems);
        INDICES.check(&self.indices, problems);
    }
}

impl Options {
    /// It is OpenSearch, not Elasticsearch.
    pub fn opensearch(&self) -> bool {
        self.jvm.version.starts_with("opensearch")
    }

    fn check_roles(&self, problems: &mut Vec<Problem>) {
        let all = self.all();
        let lacking = |able: fn(&Roles) -> bool| !all.is_empty() && !all.iter().any(|(_, n)| able(&n.roles));
        let needed = [("master", lacking(Role::elect)), ("data", lacking(Role::hold))];
        for (role, _) in needed.into_iter().filter(|(_, lacking)| *lacking) {
            problems.push(Problem::new("roles", format!("no node has the role {role}")));
        }
    }
}

impl Differing for Options {
    type Own = Group;
    const NODES: Nodes = NODES;

    fn different(&self) -> Different<'_, Group> {
        let Self { nodes, ids, overrides, groups, .. } = self;
        Different { count: *nodes, ids: ids.as_ref(), idle: None, overrides, groups: Some(groups) }
    }

    fn check_node(&self, problems: &mut Vec<Problem>) {
        self.jvm.check(problems);
        check::at_least("disk", self.disk, Size::from_mib(256), problems);
        let mut flat = BTreeMap::new();
        flatten("", &self.config, &mut flat);
        check::names("config", "elasticsearch.yml", flat.keys(), check::reserved(RESERVED), problems);
    }
}

#[cfg(test)]
mod tests;

//! What a stack may set for a Kafka cluster. The comments on the fields are their documentation.

mod check;

use std::collections::{BTreeMap, BTreeSet};

use cairn_framework::kit::{JvmOverride, Ports, Settings};
use cairn_framework::{Config, Problem};
use cairn_kafka_client::NewTopic;
use cairn_units::{Constraint, Size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::broker::BROKERS;

/// Options of a Kafka cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    /// Where the cluster keeps its metadata.
    pub mode: Mode,
    /// Version of Kafka. Without it: 3.9.1 on ZooKeeper, 4.1.0 with KRaft.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Number of brokers. Their ids are 0, 1, 2, …, unless `ids` says otherwise.
    #[schemars(range(min = 1, max = 1000))]
    pub brokers: u32,
    /// Ids of the brokers, where they are not 0, 1, 2, …; then there are as many of them as `brokers` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<BTreeSet<u32>>,
    /// Ids of brokers that are configured but not to run yet: `add` of the earlier API leaves them so until `start`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub idle: BTreeSet<u32>,
    /// KRaft only: how many of the brokers with the lowest ids are controllers too. 1 or an odd number; it cannot be
    /// changed later. Without it: 3 if there are at least 3 brokers, otherwise 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9))]
    pub controllers: Option<u32>,
    /// CPUs of each broker.
    #[schemars(range(min = 0.01))]
    pub cpus: f64,
    /// Memory of each broker. Without it: twice the heap, at least 256MiB more than it, 512MiB if that is not given
    /// either. What the JVM leaves is the page cache that Kafka lives on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<Size>,
    /// Heap of each broker. Without it: half of the memory, at most 6GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap: Option<Size>,
    /// Persistent volume of each broker, for its partitions.
    pub disk: Size,
    /// Port of each broker for its clients: a number, or a range such as `31000..31100`. Without it: any that is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<Ports>,
    /// Where brokers may run, for example `hostname:unique` or `rack:groupBy:3`. Agents with an attribute `rack` make
    /// replicas spread over racks.
    #[schemars(with = "Vec<Constraint>")]
    pub constraints: Vec<String>,
    /// Further entries of server.properties, for example `log.retention.hours: 24`. They replace the defaults of this
    /// framework. What it sets itself (ids, listeners, directories, ZooKeeper, roles) cannot be replaced.
    pub options: Settings,
    /// Further options of the JVM, each an item: `["-XX:MaxGCPauseMillis=20"]`.
    pub jvm_options: Vec<String>,
    /// What is different about single brokers, by id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, Override>,
    /// Topics that are kept as declared. One that is taken out of here stays in Kafka.
    #[schemars(extend("propertyNames" = { "pattern": "^[a-zA-Z0-9._-]+$", "maxLength": 249 }))]
    pub topics: BTreeMap<String, Topic>,
}

/// Where a cluster keeps its metadata.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Mode {
    /// In ZooKeeper.
    #[default]
    ZooKeeper,
    /// In the brokers themselves.
    KRaft,
}

/// What is different about one broker. Its settings are added to those of all and win over them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// Processor, memory and place.
    #[serde(flatten)]
    pub jvm: JvmOverride,
    /// Port for clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<Ports>,
    /// Entries of server.properties.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub options: Settings,
}

/// A topic as it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Topic {
    /// Number of partitions. It can be raised later, never lowered.
    #[schemars(range(min = 1, max = 100_000))]
    pub partitions: u32,
    /// Brokers that hold a copy of each partition.
    #[schemars(range(min = 1, max = 1000))]
    pub replication: u32,
    /// Settings of the topic, for example `retention.ms: 86400000`. Those that are not named are left as they are.
    pub config: Settings,
}

impl Topic {
    /// As it is made, by Kafka's own choice of brokers or on those of `placed`.
    pub(crate) fn new_topic(&self, placed: Vec<Vec<i32>>) -> NewTopic {
        let config = self.config.iter().map(|(key, value)| (key.clone(), value.to_string())).collect();
        NewTopic { partitions: self.partitions, replication: self.replication, config, placed }
    }
}

impl Default for Topic {
    fn default() -> Self {
        Self { partitions: 1, replication: 1, config: Settings::new() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::ZooKeeper,
            version: None,
            brokers: 1,
            ids: None,
            idle: BTreeSet::new(),
            controllers: None,
            cpus: 0.5,
            mem: None,
            heap: None,
            disk: Size::from_mib(2048),
            port: None,
            constraints: Vec::new(),
            options: Settings::new(),
            jvm_options: Vec::new(),
            overrides: BTreeMap::new(),
            topics: BTreeMap::new(),
        }
    }
}

impl cairn_framework::Options for Options {
    fn check(&self, config: &Config, problems: &mut Vec<Problem>) {
        check::check(self, problems);
        let bound = config.inputs.get("zookeeper").is_some_and(|z| !z.trim().is_empty());
        if self.mode == Mode::ZooKeeper && !bound {
            problems.push(
                Problem::new("zookeeper", "is missing: in this mode Kafka keeps its metadata in ZooKeeper")
                    .help("bind it, for example `zookeeper: ${zookeeper.connect}`, or set `mode: kraft`"),
            );
        }
    }
}

impl Options {
    /// Version of Kafka that runs.
    pub fn version(&self) -> &str {
        self.version.as_deref().unwrap_or(match self.mode {
            Mode::ZooKeeper => "3.9.1",
            Mode::KRaft => "4.1.0",
        })
    }

    /// Ids of the brokers that should run, ascending.
    pub fn broker_ids(&self) -> BTreeSet<u32> {
        BROKERS.ids(self.brokers, self.ids.as_ref())
    }

    /// KRaft: ids of the brokers that are controllers too.
    pub fn controller_ids(&self) -> BTreeSet<u32> {
        let ids = self.broker_ids();
        let count = self.controllers.unwrap_or(if ids.len() < 3 { 1 } else { 3 });
        ids.into_iter().take(count as usize).collect()
    }
}

//! What a stack may set for a Kafka cluster. The comments on the fields are their documentation.

use std::collections::{BTreeMap, BTreeSet};

use cairn_framework::kit::contents::Held;
use cairn_framework::kit::{
    Beside, Different, Differing, Jvm, JvmOverride, JvmService, Nodes, Ports, Settings, check,
};
use cairn_framework::{Config, Problem};
use cairn_kafka_admin::{Mistake, Mode, Topic, Wanted};
use cairn_units::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::service::BROKERS;
use crate::topics::Topics;

/// Options of a Kafka cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    /// Where the cluster keeps its metadata.
    pub mode: Mode,
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
    /// Version, processor, memory and place of each broker.
    #[serde(flatten)]
    pub jvm: Jvm<Broker>,
    /// Persistent volume of each broker, for its partitions.
    pub disk: Size,
    /// Port of each broker for its clients: a number, or a range such as `31000..31100`. Without it: any that is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<Ports>,
    /// Further entries of server.properties, for example `log.retention.hours: 24`. They replace the defaults of this
    /// framework. What it sets itself (ids, listeners, directories, ZooKeeper, roles) cannot be replaced.
    pub options: Settings,
    /// What is different about single brokers, by id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, Override>,
    /// Topics that are kept as declared. One that is taken out of here stays in Kafka.
    #[schemars(extend("propertyNames" = { "pattern": "^[a-zA-Z0-9._-]+$", "maxLength": 249 }))]
    pub topics: BTreeMap<String, Topic>,
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

/// A broker.
#[derive(Debug, Clone, PartialEq)]
pub struct Broker;

impl JvmService for Broker {
    const VERSION: &'static str = "";
    const VERSION_NOTE: &'static str = "Without it: 3.9.1 on ZooKeeper, 4.1.0 with KRaft.";
    const CPUS: f64 = 0.5;
    const HEAP: Size = Size::from_mib(256);
    const HEAP_NOTE: &'static str = "What it leaves of the memory is the page cache that Kafka lives on.";
    const HALF: Option<Size> = Some(Size::from_mib(6 * 1024));
    // Beside the heap there are code, metadata, threads, network buffers.
    const LEAST: (Size, Size) = (Size::from_mib(96), Size::from_mib(128));
    const BESIDE: Beside = Beside { percent: 100, least: 256, more: 0 };
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::ZooKeeper,
            brokers: 1,
            ids: None,
            idle: BTreeSet::new(),
            controllers: None,
            jvm: Jvm::default(),
            disk: Size::from_mib(2048),
            port: None,
            options: Settings::new(),
            overrides: BTreeMap::new(),
            topics: BTreeMap::new(),
        }
    }
}

/// Entries of server.properties that the framework sets itself.
const RESERVED: &str = include_str!("reserved");

impl cairn_framework::Options for Options {
    fn check(&self, config: &Config, problems: &mut Vec<Problem>) {
        self.check_all(problems);
        Topics::KIND.check(&self.topics, problems);
        for Mistake { at, what, help } in self.wanted().mistakes() {
            problems.push(Problem { option: at, message: what, help: help.map(str::to_owned) });
        }
        if self.mode == Mode::ZooKeeper && config.input("zookeeper").is_none() {
            let what = "is missing: in this mode Kafka keeps its metadata in ZooKeeper";
            let help = "bind it, for example `zookeeper: ${zookeeper.connect}`, or set `mode: kraft`";
            problems.push(Problem::new("zookeeper", what).help(help));
        }
    }
}

impl Differing for Options {
    type Own = Override;
    const NODES: Nodes = BROKERS;

    fn different(&self) -> Different<'_, Override> {
        let Self { brokers, ids, idle, overrides, .. } = self;
        Different { count: *brokers, ids: ids.as_ref(), idle: Some(idle), overrides, groups: None }
    }

    fn check_node(&self, problems: &mut Vec<Problem>) {
        self.jvm.check(problems);
        check::at_least("disk", self.disk, Size::from_mib(64), problems);
        check::entries("options", "server.properties", &self.options, check::reserved(RESERVED), problems);
    }

    fn in_effect(&self) -> Self {
        let jvm = Jvm { version: self.version().to_owned(), ..self.jvm.in_effect() };
        Self { jvm, ..self.clone() }
    }
}

impl Options {
    /// Version of Kafka that runs.
    pub fn version(&self) -> &str {
        match (self.jvm.version.as_str(), self.mode) {
            ("", Mode::ZooKeeper) => "3.9.1",
            ("", Mode::KRaft) => "4.1.0",
            (version, _) => version,
        }
    }

    /// The cluster, in Kafka's own terms.
    pub(crate) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            version: self.version(),
            mode: self.mode,
            brokers: self.brokers,
            ids: BROKERS.ids(self.brokers, self.ids.as_ref()),
            idle: &self.idle,
            controllers: self.controllers,
            topics: &self.topics,
        }
    }

    /// Instances that are controllers too.
    pub(crate) fn voters(&self) -> Vec<String> {
        self.wanted().voters().into_iter().map(|id| BROKERS.instance(id)).collect()
    }
}

#[cfg(test)]
mod tests;

//! A cluster as its metadata shows it.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::MetadataResponse;
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};

/// Brokers, topics and partitions at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Live brokers by id.
    pub brokers: BTreeMap<i32, Node>,
    /// The active controller; with KRaft any broker, which passes on what is sent to it.
    pub controller: Option<i32>,
    /// Topics by name, internal ones too.
    pub topics: BTreeMap<String, TopicState>,
}

/// A live broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// `host:port` that it advertises.
    pub endpoint: String,
    /// Its rack.
    pub rack: Option<String>,
}

/// A topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicState {
    /// It is Kafka's own.
    pub internal: bool,
    /// Its partitions by number.
    pub partitions: BTreeMap<i32, PartitionState>,
}

/// A partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionState {
    /// Its leader, if it has one.
    pub leader: Option<i32>,
    /// Brokers that hold or should hold a copy; the first is the preferred leader.
    pub replicas: Vec<i32>,
    /// Those of them that are in sync.
    pub isr: Vec<i32>,
}

impl Cluster {
    /// All partitions: topic, number, state.
    pub fn partitions(&self) -> impl Iterator<Item = (&str, i32, &PartitionState)> {
        self.topics
            .iter()
            .flat_map(|(name, topic)| topic.partitions.iter().map(move |(n, p)| (name.as_str(), *n, p)))
    }

    /// Partitions of which a broker holds a copy.
    pub fn partitions_on(&self, broker: i32) -> impl Iterator<Item = (&str, i32, &PartitionState)> {
        self.partitions().filter(move |(_, _, p)| p.replicas.contains(&broker))
    }

    /// Topics of which a broker holds a copy of a partition.
    pub fn topics_on(&self, broker: i32) -> BTreeSet<String> {
        self.partitions_on(broker).map(|(topic, _, _)| topic.to_owned()).collect()
    }
}

impl TopicState {
    /// Copies of each partition; where partitions differ (a change is under way), the most.
    pub fn replication(&self) -> usize {
        self.partitions.values().map(|p| p.replicas.len()).max().unwrap_or(0)
    }
}

impl From<MetadataResponse> for Cluster {
    fn from(answer: MetadataResponse) -> Self {
        let node = |b: kafka_protocol::messages::metadata_response::MetadataResponseBroker| {
            let rack = b.rack.map(|r| r.to_string());
            (b.node_id.0, Node { endpoint: format!("{}:{}", b.host, b.port), rack })
        };
        Self {
            brokers: answer.brokers.into_iter().map(node).collect(),
            controller: Some(answer.controller_id.0).filter(|id| *id >= 0),
            topics: answer.topics.iter().filter_map(topic).collect(),
        }
    }
}

fn topic(topic: &MetadataResponseTopic) -> Option<(String, TopicState)> {
    let name = topic.name.as_ref()?.to_string();
    let partitions = topic.partitions.iter().map(|p| (p.partition_index, partition(p))).collect();
    Some((name, TopicState { internal: topic.is_internal, partitions }))
}

fn partition(p: &MetadataResponsePartition) -> PartitionState {
    PartitionState {
        leader: Some(p.leader_id.0).filter(|id| *id >= 0),
        replicas: p.replica_nodes.iter().map(|b| b.0).collect(),
        isr: p.isr_nodes.iter().map(|b| b.0).collect(),
    }
}

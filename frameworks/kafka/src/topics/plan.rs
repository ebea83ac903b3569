//! What has to change so that a topic is as declared. Pure.

use std::collections::BTreeMap;

use cairn_framework::kit::Settings;

use crate::options::Topic;
use cairn_kafka_client::reassign::{Brokers, current, spread};
use cairn_kafka_client::{Assignment, Cluster, ConfigEntry, Ongoing, TopicState};

/// One thing to do for a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// It does not exist.
    Create,
    /// It gets more partitions, so many in all.
    Grow(u32),
    /// Settings to set.
    Configure(BTreeMap<String, Option<String>>),
    /// Its partitions get more or fewer copies.
    Replicate(Vec<Assignment>),
    /// Moves that bring it in line are under way, or it has no leader yet.
    Wait(String),
    /// It cannot be brought in line.
    Refuse(String),
}

/// Everything to do for one topic, in order. `configs`: its settings in effect.
pub(crate) fn changes(
    name: &str,
    wanted: &Topic,
    cluster: &Cluster,
    configs: Option<&BTreeMap<String, ConfigEntry>>,
    ongoing: &[Ongoing],
) -> Vec<Change> {
    let Some(there) = cluster.topics.get(name) else { return vec![Change::Create] };
    let mut changes = Vec::new();
    changes.extend(partitions(name, wanted, there));
    changes.extend(settings(wanted, configs));
    changes.extend(replication(name, wanted, cluster, ongoing));
    let leaderless = there.partitions.values().filter(|p| p.leader.is_none()).count();
    if leaderless > 0 {
        changes.push(Change::Wait(format!("topic {name}: {leaderless} partitions have no leader")));
    }
    changes
}

fn partitions(name: &str, wanted: &Topic, there: &TopicState) -> Option<Change> {
    let has = u32::try_from(there.partitions.len()).unwrap_or(u32::MAX);
    match wanted.partitions {
        n if n > has => Some(Change::Grow(n)),
        n if n < has => Some(Change::Refuse(format!(
            "topic {name} has {has} partitions and is declared with {n}: Kafka cannot take partitions away; declare \
             {has}, or delete the topic with all its records"
        ))),
        _ => None,
    }
}

fn settings(wanted: &Topic, configs: Option<&BTreeMap<String, ConfigEntry>>) -> Option<Change> {
    let changed = differing(&wanted.config, configs?);
    (!changed.is_empty()).then_some(Change::Configure(changed))
}

fn differing(wanted: &Settings, there: &BTreeMap<String, ConfigEntry>) -> BTreeMap<String, Option<String>> {
    let differs = |key: &String, value: &str| {
        // A value that Kafka keeps to itself cannot be compared, and one it does not know is its to refuse.
        there.get(key).is_none_or(|e| e.value.as_deref().is_some_and(|is| !same(is, value)))
    };
    let wanted = wanted.iter().map(|(key, value)| (key, value.to_string()));
    wanted.filter(|(key, value)| differs(key, value)).map(|(key, value)| (key.clone(), Some(value))).collect()
}

/// Equal as text or as numbers: Kafka writes 0.5 its own way.
fn same(a: &str, b: &str) -> bool {
    a.trim() == b.trim()
        || matches!((a.trim().parse::<f64>(), b.trim().parse::<f64>()), (Ok(a), Ok(b)) if a.to_bits() == b.to_bits())
}

fn replication(name: &str, wanted: &Topic, cluster: &Cluster, ongoing: &[Ongoing]) -> Option<Change> {
    let copies = wanted.replication as usize;
    let of_topic: Vec<Assignment> =
        current(cluster, ongoing).into_iter().filter(|a| a.topic == name).collect();
    if of_topic.iter().any(|a| a.replicas.len() != copies) {
        let brokers: Brokers = cluster.brokers.iter().map(|(id, n)| (*id, n.rack.clone())).collect();
        return Some(match replicate(&of_topic, &brokers, copies) {
            Ok(moves) => Change::Replicate(moves),
            Err(e) => Change::Wait(format!("{e}; waiting for more")),
        });
    }
    let moving = ongoing.iter().filter(|o| o.topic == name).count();
    (moving > 0).then(|| Change::Wait(format!("topic {name}: {moving} partitions are moving")))
}

/// Only partitions whose number of copies differs are touched; an even spread of the rest is not asked for.
fn replicate(
    of_topic: &[Assignment],
    brokers: &Brokers,
    copies: usize,
) -> Result<Vec<Assignment>, cairn_kafka_client::reassign::TooFew> {
    let differ: Vec<Assignment> = of_topic.iter().filter(|a| a.replicas.len() != copies).cloned().collect();
    spread(&differ, brokers, Some(copies))
}

/// Whether a topic differs from its declaration, in words; for REST.
pub(crate) fn differs(wanted: &Topic, there: &TopicState) -> Option<String> {
    let (partitions, copies) = (there.partitions.len(), there.replication());
    if partitions == wanted.partitions as usize && copies == wanted.replication as usize {
        return None;
    }
    Some(format!(
        "declared with {} partitions and replication {}, has {partitions} and {copies}",
        wanted.partitions, wanted.replication
    ))
}

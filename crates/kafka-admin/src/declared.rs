//! Topics that are declared: what has to change so that one is as declared, which is pure, and how it is changed. What is
//! not declared is left alone, and nothing is ever deleted or shrunk.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::reassign::{Brokers, TooFew, current, spread};
use crate::{Assignment, Client, ClientError, Cluster, ConfigEntry, Ongoing, Topic, TopicState, listed};

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

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create => write!(f, "is being created"),
            Self::Grow(count) => write!(f, "grows to {count} partitions"),
            Self::Configure(values) => {
                write!(f, "settings change: {}", listed(&values.keys().cloned().collect::<Vec<_>>()))
            }
            Self::Replicate(moves) => write!(f, "{} partitions get another number of copies", moves.len()),
            Self::Wait(reason) | Self::Refuse(reason) => write!(f, "{reason}"),
        }
    }
}

/// What is not as declared yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unmet {
    /// What Kafka would refuse again.
    pub refused: Vec<String>,
    /// What is on its way, or did not work this time.
    pub waits: Vec<String>,
}

impl Client {
    /// Brings topics in line with what is declared, a step at a time; what is left.
    ///
    /// # Errors
    /// The cluster cannot be asked, or partitions are moving that would have to be moved.
    pub async fn keep(&mut self, topics: &BTreeMap<String, Topic>) -> Result<Unmet, ClientError> {
        let (cluster, ongoing) = (self.cluster().await?, self.reassignments().await?);
        let mut todo = self.todo(topics, &cluster, &ongoing).await?;
        if todo.iter().any(|(_, change)| matches!(change, Change::Replicate(_))) {
            let (cluster, ongoing) = self.steady().await?;
            todo = self.todo(topics, &cluster, &ongoing).await?;
        }
        let mut unmet = Unmet::default();
        for (name, change) in todo {
            match change {
                Change::Wait(reason) => unmet.waits.push(reason),
                Change::Refuse(reason) => unmet.refused.push(reason),
                change => match self.carry_out(&name, &topics[&name], &change).await {
                    Ok(()) => unmet.waits.push(format!("topic {name}: {change}")),
                    Err(error) if error.is_final() => unmet.refused.push(error.to_string()),
                    Err(error) => unmet.waits.push(error.to_string()),
                },
            }
        }
        Ok(unmet)
    }

    /// What has to change so that topics are as declared, by name and in order, seen from this state of the cluster.
    ///
    /// # Errors
    /// Settings cannot be asked for.
    async fn todo(
        &mut self,
        topics: &BTreeMap<String, Topic>,
        cluster: &Cluster,
        ongoing: &[Ongoing],
    ) -> Result<Vec<(String, Change)>, ClientError> {
        let there: BTreeSet<String> =
            topics.keys().filter(|t| cluster.topics.contains_key(*t)).cloned().collect();
        let keys: BTreeSet<&str> =
            topics.values().flat_map(|t| t.config.keys().map(String::as_str)).collect();
        let keys: Vec<&str> = keys.into_iter().collect();
        let configs =
            if keys.is_empty() { BTreeMap::new() } else { self.topic_configs(&there, Some(&keys)).await? };
        let of = |(name, wanted): (&String, &Topic)| {
            let name = name.clone();
            let todo = changes(&name, wanted, cluster, configs.get(&name), ongoing);
            todo.into_iter().map(move |change| (name.clone(), change))
        };
        Ok(topics.iter().flat_map(of).collect())
    }

    /// Carries out a change of a topic.
    ///
    /// # Errors
    /// As Kafka says.
    pub(crate) async fn carry_out(
        &mut self,
        name: &str,
        wanted: &Topic,
        change: &Change,
    ) -> Result<(), ClientError> {
        match change {
            Change::Create => self.create_topic(name, wanted, &[]).await,
            Change::Grow(count) => self.grow_topic(name, *count).await,
            Change::Configure(values) => self.alter_topic(name, values).await,
            Change::Replicate(moves) => self.reassign(moves).await,
            Change::Wait(_) | Change::Refuse(_) => Ok(()),
        }
    }
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

fn differing(
    wanted: &BTreeMap<String, String>,
    there: &BTreeMap<String, ConfigEntry>,
) -> BTreeMap<String, Option<String>> {
    let differs = |key: &String, value: &str| {
        // A value that Kafka keeps to itself cannot be compared, and one it does not know is its to refuse.
        there.get(key).is_none_or(|e| e.value.as_deref().is_some_and(|is| !same(is, value)))
    };
    let differing = wanted.iter().filter(|(key, value)| differs(key, value));
    differing.map(|(key, value)| (key.clone(), Some(value.clone()))).collect()
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
fn replicate(of_topic: &[Assignment], brokers: &Brokers, copies: usize) -> Result<Vec<Assignment>, TooFew> {
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

#[cfg(test)]
mod tests;

//! Creating, deleting and growing topics.

use std::collections::BTreeSet;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::known::Seen;
use super::{CHANGE_MS, Client, ClientError, Topic, error};

/// Newest version in which DeleteTopics names topics by a plain list.
const DELETE_BY_NAME: i16 = 5;

/// Whether Kafka takes this as the name of a topic.
pub fn is_topic_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !["", ".", ".."].contains(&name) && name.len() <= 249 && name.chars().all(legal)
}

/// Brokers of each of so many partitions, in turn, with so many copies.
///
/// # Errors
/// They are too few.
pub(crate) fn placed(
    partitions: u32,
    copies: u32,
    brokers: &BTreeSet<u32>,
) -> Result<Vec<Vec<i32>>, ClientError> {
    if copies as usize > brokers.len() {
        let named = brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let few = format!("{copies} replicas need as many brokers, and `{named}` are {}", brokers.len());
        return Err(ClientError::Odd(few));
    }
    let brokers: Vec<i32> = brokers.iter().filter_map(|id| i32::try_from(*id).ok()).collect();
    let partition =
        |n: usize| brokers.iter().cycle().skip(n % brokers.len()).take(copies as usize).copied().collect();
    Ok((0..partitions as usize).map(partition).collect())
}

pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// So many partitions are there and each has a leader, so that it can be written to and read.
fn has(seen: &Seen, partitions: usize) -> bool {
    let led = |topic: &super::TopicState| topic.partitions.values().filter(|p| p.leader.is_some()).count();
    seen.topic.as_ref().is_some_and(|topic| led(topic) >= partitions)
}

impl Client {
    /// Creates a topic. `placed`: the brokers of each partition, in place of both numbers; empty: Kafka chooses.
    pub(crate) async fn create_topic(
        &mut self,
        name: &str,
        topic: &Topic,
        placed: &[Vec<i32>],
    ) -> Result<(), ClientError> {
        let configs = topic.config.iter().map(|(key, value)| {
            CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)))
        });
        let assignments = placed.iter().zip(0..).map(|(brokers, index)| {
            CreatableReplicaAssignment::default()
                .with_partition_index(index)
                .with_broker_ids(brokers.iter().map(|b| BrokerId(*b)).collect())
        });
        // Kafka wants -1 for both numbers when it is told the places.
        let count = |n: u32| if placed.is_empty() { i32::try_from(n).unwrap_or(i32::MAX) } else { -1 };
        let wanted = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(count(topic.partitions))
            .with_replication_factor(i16::try_from(count(topic.replication)).unwrap_or(i16::MAX))
            .with_assignments(assignments.collect())
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default().with_topics(vec![wanted]).with_timeout_ms(CHANGE_MS);
        let answer = self.controller().await?.call(&request).await?;
        for result in &answer.topics {
            error::check(|| format!("topic {name}"), result.error_code, result.error_message.as_deref())?;
        }
        let partitions = if placed.is_empty() { topic.partitions as usize } else { placed.len() };
        self.everywhere(name, |seen| has(seen, partitions)).await
    }

    /// Deletes a topic with all its records.
    ///
    /// # Errors
    /// The controller does not answer or refuses, or brokers do not take it up in time.
    pub async fn delete_topic(&mut self, name: &str) -> Result<(), ClientError> {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![topic_name(name)])
            .with_timeout_ms(CHANGE_MS);
        let answer = self.controller().await?.call_up_to(&request, DELETE_BY_NAME).await?;
        for result in &answer.responses {
            error::check(|| format!("topic {name}"), result.error_code, result.error_message.as_deref())?;
        }
        self.everywhere(name, |seen| seen.topic.is_none()).await
    }

    /// Raises the number of partitions of a topic to `count`.
    ///
    /// # Errors
    /// The controller does not answer or refuses, or brokers do not take it up in time.
    pub async fn grow_topic(&mut self, name: &str, count: u32) -> Result<(), ClientError> {
        let wanted = CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(i32::try_from(count).unwrap_or(i32::MAX))
            .with_assignments(None);
        let request = CreatePartitionsRequest::default().with_topics(vec![wanted]).with_timeout_ms(CHANGE_MS);
        let answer = self.controller().await?.call(&request).await?;
        for result in &answer.results {
            error::check(|| format!("topic {name}"), result.error_code, result.error_message.as_deref())?;
        }
        self.everywhere(name, |seen| has(seen, count as usize)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas() {
        let long = "x".repeat(250);
        assert!(["logs", "a.b_c-D1", &long[1..]].into_iter().all(is_topic_name));
        assert!(!["", ".", "..", "a/b", "a b", &long].into_iter().any(is_topic_name));
    }

    #[test]
    fn partitions_go_around_the_brokers() {
        assert_eq!(placed(3, 2, &[5, 7].into()).unwrap(), [[5, 7], [7, 5], [5, 7]]);
        let few = placed(1, 3, &[5, 7].into()).unwrap_err().to_string();
        assert_eq!(few, "3 replicas need as many brokers, and `5,7` are 2");
    }
}

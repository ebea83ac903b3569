//! Moving partitions between brokers.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, ElectLeadersRequest, ListPartitionReassignmentsRequest,
};

use serde::Serialize;

use super::topics::topic_name;
use super::{CHANGE_MS, Client, ClientError, Cluster, error};

/// Brokers of one partition as they should be; the first becomes the preferred leader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assignment {
    /// Topic.
    pub topic: String,
    /// Number of the partition.
    pub partition: i32,
    /// Its brokers.
    pub replicas: Vec<i32>,
}

/// A move under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ongoing {
    /// Topic.
    pub topic: String,
    /// Number of the partition.
    pub partition: i32,
    /// Brokers that are to get a copy.
    pub adding: Vec<i32>,
    /// Brokers that are to lose theirs.
    pub removing: Vec<i32>,
}

impl fmt::Display for Ongoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {:?} -> {:?}", self.topic, self.partition, self.removing, self.adding)
    }
}

/// What has not changed for so long is taken for the truth.
const STEADY: Duration = Duration::from_millis(700);

/// Kind of election: the preferred leader, as long as it is in sync.
const PREFERRED: i8 = 0;

impl Client {
    /// Starts moves. Kafka carries them out by and by.
    ///
    /// # Errors
    /// The controller does not answer, or refuses one of them; others may have begun.
    pub async fn reassign(&mut self, assignments: &[Assignment]) -> Result<(), ClientError> {
        let mut topics: BTreeMap<&str, Vec<ReassignablePartition>> = BTreeMap::new();
        for a in assignments {
            let partition = ReassignablePartition::default()
                .with_partition_index(a.partition)
                .with_replicas(Some(a.replicas.iter().map(|b| BrokerId(*b)).collect()));
            topics.entry(&a.topic).or_default().push(partition);
        }
        let topic = |(name, partitions): (&str, Vec<_>)| {
            ReassignableTopic::default().with_name(topic_name(name)).with_partitions(partitions)
        };
        let request = AlterPartitionReassignmentsRequest::default()
            .with_timeout_ms(CHANGE_MS)
            .with_topics(topics.into_iter().map(topic).collect());
        let answer = self.controller().await?.call(&request).await?;
        error::check(|| "reassignment".into(), answer.error_code, answer.error_message.as_deref())?;
        for topic in &answer.responses {
            for p in &topic.partitions {
                let what = || format!("partition {}-{}", topic.name.0, p.partition_index);
                error::check(what, p.error_code, p.error_message.as_deref())?;
            }
        }
        Ok(())
    }

    /// All moves under way.
    ///
    /// # Errors
    /// The controller does not answer, or refuses.
    pub async fn reassignments(&mut self) -> Result<Vec<Ongoing>, ClientError> {
        let request =
            ListPartitionReassignmentsRequest::default().with_timeout_ms(CHANGE_MS).with_topics(None);
        let answer = self.controller().await?.call(&request).await?;
        error::check(|| "reassignments".into(), answer.error_code, answer.error_message.as_deref())?;
        let mut ongoing = Vec::new();
        for topic in answer.topics {
            ongoing.extend(topic.partitions.iter().map(|p| Ongoing {
                topic: topic.name.to_string(),
                partition: p.partition_index,
                adding: p.adding_replicas.iter().map(|b| b.0).collect(),
                removing: p.removing_replicas.iter().map(|b| b.0).collect(),
            }));
        }
        Ok(ongoing)
    }

    /// The cluster and the moves under way, once both stand still: brokers show a finished move a little later than the
    /// controller tells that it is over, and a plan made in between would take the copy that goes for one that stays.
    ///
    /// # Errors
    /// It changes right now, or cannot be asked.
    pub async fn steady(&mut self) -> Result<(Cluster, Vec<Ongoing>), ClientError> {
        let before = (self.cluster().await?, self.reassignments().await?);
        tokio::time::sleep(STEADY).await;
        let after = (self.cluster().await?, self.reassignments().await?);
        let replicas =
            |c: &Cluster| -> Vec<Vec<i32>> { c.partitions().map(|(_, _, p)| p.replicas.clone()).collect() };
        let same = replicas(&before.0) == replicas(&after.0) && before.1 == after.1;
        if same { Ok(after) } else { Err(ClientError::Busy) }
    }

    /// Gives these partitions (by topic) back to their preferred leaders, where those are in sync.
    ///
    /// # Errors
    /// The controller does not answer, or refuses.
    pub async fn elect_preferred(
        &mut self,
        partitions: &BTreeMap<String, Vec<i32>>,
    ) -> Result<(), ClientError> {
        let topic = |(name, numbers): (&String, &Vec<i32>)| {
            TopicPartitions::default().with_topic(topic_name(name)).with_partitions(numbers.clone())
        };
        let request = ElectLeadersRequest::default()
            .with_election_type(PREFERRED)
            .with_topic_partitions(Some(partitions.iter().map(topic).collect()))
            .with_timeout_ms(CHANGE_MS);
        let answer = self.controller().await?.call(&request).await?;
        error::check(|| "election".into(), answer.error_code, None)?;
        for topic in &answer.replica_election_results {
            for p in &topic.partition_result {
                let what = || format!("partition {}-{}", topic.topic.0, p.partition_id);
                match error::check(what, p.error_code, p.error_message.as_deref()) {
                    Err(e) if harmless(&e) => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }
}

/// It leads already, or cannot lead yet.
fn harmless(error: &ClientError) -> bool {
    matches!(
        error.code(),
        Some(
            ResponseError::ElectionNotNeeded
                | ResponseError::PreferredLeaderNotAvailable
                | ResponseError::EligibleLeadersNotAvailable
        )
    )
}

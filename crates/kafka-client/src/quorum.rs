//! KRaft: the voters, and brokers that are gone for good.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::{BrokerId, DescribeQuorumRequest, UnregisterBrokerRequest};

use super::topics::topic_name;
use super::{Client, ClientError, error};

const METADATA_TOPIC: &str = "__cluster_metadata";

/// The quorum that keeps the metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quorum {
    /// The active controller.
    pub leader: Option<i32>,
    /// Voters by id, with the end of their logs.
    pub voters: BTreeMap<i32, i64>,
    /// So much of the log is known to be safe.
    pub high_watermark: i64,
}

impl Client {
    /// The quorum as its leader sees it.
    pub async fn quorum(&mut self) -> Result<Quorum, ClientError> {
        let topic = TopicData::default()
            .with_topic_name(topic_name(METADATA_TOPIC))
            .with_partitions(vec![PartitionData::default().with_partition_index(0)]);
        let answer = self.any.call(&DescribeQuorumRequest::default().with_topics(vec![topic])).await?;
        error::check(|| "quorum".into(), answer.error_code, answer.error_message.as_deref())?;
        let Some(partition) = answer.topics.first().and_then(|t| t.partitions.first()) else {
            return Err(ClientError::Nobody("the quorum does not say who is in it".into()));
        };
        error::check(|| "quorum".into(), partition.error_code, partition.error_message.as_deref())?;
        Ok(Quorum {
            leader: Some(partition.leader_id.0).filter(|id| *id >= 0),
            voters: partition.current_voters.iter().map(|v| (v.replica_id.0, v.log_end_offset)).collect(),
            high_watermark: partition.high_watermark,
        })
    }

    /// Makes the cluster forget a broker that will not come back.
    pub async fn unregister(&mut self, broker: i32) -> Result<(), ClientError> {
        let request = UnregisterBrokerRequest::default().with_broker_id(BrokerId(broker));
        let answer = self.any.call(&request).await?;
        match error::check(|| format!("broker {broker}"), answer.error_code, answer.error_message.as_deref())
        {
            Err(e) if e.code() == Some(ResponseError::BrokerIdNotRegistered) => Ok(()),
            other => other,
        }
    }
}

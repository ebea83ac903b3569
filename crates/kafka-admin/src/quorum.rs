//! KRaft: the voters, and brokers that are gone for good.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::{BrokerId, DescribeQuorumRequest, UnregisterBrokerRequest};

use sha2::{Digest, Sha256};

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

/// The id of a cluster, the same for a name for ever: its volumes belong to it also after everything else about it is lost.
/// 16 bytes in URL-safe base64, as Kafka writes it.
pub fn cluster_id(name: &str) -> String {
    let digest = Sha256::digest(format!("kafka cluster {name}"));
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    // Kafka's own ids never begin with `-`, which its tools take for an option.
    bytes[0] &= 0x7f;
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Client {
    /// The quorum as its leader sees it.
    ///
    /// # Errors
    /// Nobody can be asked, or there is no such quorum.
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
    ///
    /// # Errors
    /// The cluster does not answer, or refuses.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_and_of_kafkas_form() {
        assert_eq!(cluster_id("demo-kafka"), cluster_id("demo-kafka"));
        assert_ne!(cluster_id("demo-kafka"), cluster_id("other-kafka"));
        for n in 0..500 {
            let id = cluster_id(&format!("f{n}"));
            assert_eq!(id.len(), 22);
            assert!(!id.starts_with('-'));
        }
    }
}

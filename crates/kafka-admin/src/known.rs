//! Reads follow writes: a change of a topic is done once the brokers know of it.
//!
//! The controller answers as soon as it has stored a change, and every broker learns of it a little later. Whoever asks
//! next, here or through a client of his own, may ask any of them.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::MetadataRequest;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use tokio::time::{sleep, timeout};

use super::topics::topic_name;
use super::{Client, ClientError, Cluster, ConfigEntry, TopicState};

/// Pause between two looks at a broker.
const LOOK: Duration = Duration::from_millis(20);
/// How long a broker may take to learn of a change.
const PATIENCE: Duration = Duration::from_secs(8);

/// A topic as one broker knows it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Its partitions, if the broker knows the topic at all.
    pub(super) topic: Option<TopicState>,
    /// Its settings in effect.
    pub(super) config: BTreeMap<String, ConfigEntry>,
}

impl Client {
    /// Waits until `known` holds for what every broker says of a topic. A broker that does not answer is passed over:
    /// it asks nobody to read from it, and learns of everything before it serves again.
    ///
    /// # Errors
    /// The brokers that still answer otherwise when the time is over. The change itself has happened.
    pub(crate) async fn everywhere(
        &mut self,
        topic: &str,
        known: impl Fn(&Seen) -> bool,
    ) -> Result<(), ClientError> {
        self.everywhere_within(PATIENCE, topic, known).await
    }

    /// The same, with a time of one's own.
    pub(crate) async fn everywhere_within(
        &mut self,
        patience: Duration,
        topic: &str,
        known: impl Fn(&Seen) -> bool,
    ) -> Result<(), ClientError> {
        let request = MetadataRequest::default().with_topics(Some(Vec::new()));
        let cluster: Cluster = self.any.call(&request).await?.into();
        let follow = async |endpoint: &str| {
            let late = timeout(patience, follow(endpoint, topic, &known)).await.is_err();
            late.then(|| endpoint.to_owned())
        };
        let late = join_all(cluster.brokers.values().map(|node| follow(&node.endpoint))).await;
        let late: Vec<String> = late.into_iter().flatten().collect();
        if late.is_empty() { Ok(()) } else { Err(ClientError::Late { topic: topic.to_owned(), late }) }
    }

    /// The partitions of a topic as the connected broker knows them now; nothing where it does not know the topic.
    ///
    /// # Errors
    /// The broker does not answer.
    pub(crate) async fn topic(&mut self, topic: &str) -> Result<Option<TopicState>, ClientError> {
        let asked = MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
        let request =
            MetadataRequest::default().with_topics(Some(vec![asked])).with_allow_auto_topic_creation(false);
        let mut cluster: Cluster = self.any.call(&request).await?.into();
        // A broker names a topic that it was asked for even if it does not know it.
        Ok(cluster.topics.remove(topic).filter(|known| !known.partitions.is_empty()))
    }

    /// A topic as the connected broker knows it now, with its settings.
    async fn look(&mut self, topic: &str) -> Result<Seen, ClientError> {
        let Some(state) = self.topic(topic).await? else { return Ok(Seen::default()) };
        let config = match self.topic_configs(&[topic.to_owned()].into(), None).await {
            Ok(mut configs) => configs.remove(topic).unwrap_or_default(),
            Err(e) if e.code() == Some(ResponseError::UnknownTopicOrPartition) => return Ok(Seen::default()),
            Err(e) => return Err(e),
        };
        Ok(Seen { topic: Some(state), config })
    }
}

async fn follow(endpoint: &str, topic: &str, known: impl Fn(&Seen) -> bool) {
    let Ok(mut client) = Client::connect(&[endpoint.to_owned()]).await else { return };
    while let Ok(seen) = client.look(topic).await {
        if known(&seen) {
            return;
        }
        sleep(LOOK).await;
    }
}

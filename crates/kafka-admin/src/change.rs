//! Changes of topics that take several requests: from how one is to what somebody wants of it.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use crate::declared::{Change, changes};
use crate::reassign::{Brokers, current, spread};
use crate::{Assignment, Client, ClientError, Cluster, Topic, TopicPatch, TopicState, placed};

/// A topic of a cluster as the broker sees it that knows most of its partitions. Brokers hear of new ones one after the other,
/// and a topic never has fewer than before.
async fn latest(name: &str, cluster: &Cluster) -> Option<TopicState> {
    let ask = async |endpoint: &String| {
        Client::connect(std::slice::from_ref(endpoint)).await.ok()?.topic(name).await.ok()?
    };
    let seen = join_all(cluster.brokers.values().map(|node| ask(&node.endpoint))).await;
    let known = cluster.topics.get(name).cloned();
    seen.into_iter().flatten().chain(known).max_by_key(|topic| topic.partitions.len())
}

impl Client {
    /// Makes a topic, by Kafka's own choice of brokers or, where some are named, on those in turn.
    ///
    /// # Errors
    /// They are too few, or as Kafka says.
    pub async fn make_topic(
        &mut self,
        name: &str,
        topic: &Topic,
        on: Option<&BTreeSet<u32>>,
    ) -> Result<(), ClientError> {
        if topic.partitions == 0 || topic.replication == 0 {
            return Err(ClientError::Odd("`partitions` and `replication` are at least 1".into()));
        }
        let places =
            on.map_or(Ok(Vec::new()), |brokers| placed(topic.partitions, topic.replication, brokers))?;
        self.create_topic(name, topic, &places).await
    }

    /// Changes a topic as a patch wants it. Partitions that get another number of copies move by and by. Of a `declared` one only
    /// that settings go back to their defaults, which no declaration can bring about.
    /// Whether moves were asked for.
    ///
    /// # Errors
    /// It cannot become so, why its partitions are not moved, or as Kafka says.
    pub async fn change_topic(
        &mut self,
        name: &str,
        patch: &TopicPatch,
        declared: bool,
    ) -> Result<bool, ClientError> {
        let mut cluster = self.cluster().await?;
        if patch.partitions.is_some()
            && let Some(topic) = latest(name, &cluster).await
        {
            cluster.topics.insert(name.to_owned(), topic);
        }
        patch.check(name, &cluster, declared)?;
        let reset = patch.reset();
        if !reset.is_empty() {
            self.alter_topic(name, &reset).await?;
        }
        let moves = patch.replication.is_some();
        if declared {
            return Ok(moves);
        }
        let wanted = patch.applied(name, &cluster);
        let (cluster, ongoing) = match patch.replication {
            Some(_) => self.steady().await?,
            None => (cluster, self.reassignments().await?),
        };
        let configs = self.topic_configs(&[name.to_owned()].into(), None).await?;
        for change in changes(name, &wanted, &cluster, configs.get(name), &ongoing) {
            // A topic that somebody deletes meanwhile is not made again.
            if change != Change::Create {
                self.carry_out(name, &wanted, &change).await?;
            }
        }
        Ok(moves)
    }

    /// Deletes a topic with all its records, unless it is Kafka's own.
    ///
    /// # Errors
    /// It is, or as Kafka says.
    pub async fn drop_topic(&mut self, name: &str) -> Result<(), ClientError> {
        if self.cluster().await?.topics.get(name).is_some_and(|topic| topic.internal) {
            return Err(ClientError::Internal(name.to_owned()));
        }
        self.delete_topic(name).await
    }

    /// Spreads topics evenly over those of these brokers that live; what moves. Where nothing has to, leaderships go
    /// back to where they belong.
    ///
    /// # Errors
    /// Why their partitions are not moved, or as Kafka says.
    pub async fn spread_topics(
        &mut self,
        topics: &BTreeSet<String>,
        over: &BTreeSet<u32>,
        replication: Option<u32>,
    ) -> Result<Vec<Assignment>, ClientError> {
        let (cluster, ongoing) = self.steady().await?;
        if let Some(busy) = ongoing.iter().find(|o| topics.contains(&o.topic)) {
            return Err(ClientError::Moving(busy.topic.clone()));
        }
        let live =
            cluster.brokers.iter().filter(|(id, _)| u32::try_from(**id).is_ok_and(|id| over.contains(&id)));
        let over: Brokers = live.map(|(id, node)| (*id, node.rack.clone())).collect();
        let of_topics: Vec<Assignment> =
            current(&cluster, &ongoing).into_iter().filter(|a| topics.contains(&a.topic)).collect();
        let moves = spread(&of_topics, &over, replication.map(|n| n as usize))?;
        if moves.is_empty() {
            let mut led: BTreeMap<String, Vec<i32>> = BTreeMap::new();
            of_topics.iter().for_each(|a| led.entry(a.topic.clone()).or_default().push(a.partition));
            self.elect_preferred(&led).await?;
        } else {
            self.reassign(&moves).await?;
        }
        Ok(moves)
    }
}

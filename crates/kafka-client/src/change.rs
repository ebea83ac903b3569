//! Changes of topics that take several requests: from how one is to what somebody wants of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::declared::{Change, changes};
use crate::reassign::{Brokers, TooFew, current, spread};
use crate::{Assignment, Client, ClientError, Cluster, NewTopic};

/// What of a topic is to be otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicPatch {
    /// Number of partitions.
    pub partitions: Option<u32>,
    /// Copies of each.
    pub replication: Option<u32>,
    /// Settings; no value: back to the default.
    pub config: BTreeMap<String, Option<String>>,
}

/// Why partitions are not moved.
#[derive(Debug, thiserror::Error)]
pub enum Unmoved {
    /// Others are moving.
    #[error("partitions are moving right now")]
    Busy,
    /// They are moving already.
    #[error("partitions of topic {0} are moving already")]
    Moving(String),
    /// There are too few brokers for it.
    #[error(transparent)]
    TooFew(#[from] TooFew),
    /// Kafka says no, or nothing.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl TopicPatch {
    /// The topic as it should be, from how it is.
    fn applied(&self, name: &str, cluster: &Cluster) -> NewTopic {
        let there = cluster.topics.get(name).cloned().unwrap_or_default();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let set = self.config.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?)));
        NewTopic {
            partitions: self.partitions.unwrap_or(count(there.partitions.len())),
            replication: self.replication.unwrap_or(count(there.replication())),
            config: set.collect(),
            placed: Vec::new(),
        }
    }
}

impl Client {
    /// Takes settings back to their defaults where a patch says so.
    ///
    /// # Errors
    /// As Kafka says.
    pub async fn reset_topic(&mut self, name: &str, patch: &TopicPatch) -> Result<(), ClientError> {
        let reset: BTreeMap<String, Option<String>> =
            patch.config.iter().filter(|(_, v)| v.is_none()).map(|(k, _)| (k.clone(), None)).collect();
        if reset.is_empty() { Ok(()) } else { self.alter_topic(name, &reset).await }
    }

    /// Changes a topic of this cluster as a patch wants it, what goes back to its default aside. Partitions that get another
    /// number of copies move by and by.
    ///
    /// # Errors
    /// Why its partitions are not moved, or as Kafka says.
    pub async fn change_topic(
        &mut self,
        name: &str,
        patch: &TopicPatch,
        cluster: Cluster,
    ) -> Result<(), Unmoved> {
        let wanted = patch.applied(name, &cluster);
        let (cluster, ongoing) = match patch.replication {
            Some(_) => self.steady().await?.ok_or(Unmoved::Busy)?,
            None => (cluster, self.reassignments().await?),
        };
        let configs = self.topic_configs(&[name.to_owned()].into(), None).await?;
        for change in changes(name, &wanted, &cluster, configs.get(name), &ongoing) {
            // A topic that somebody deletes meanwhile is not made again.
            if change != Change::Create {
                self.carry_out(name, &wanted, &change).await?;
            }
        }
        Ok(())
    }

    /// Spreads topics evenly over those of the brokers that `may` hold them; what moves. Where nothing has to, leaderships go
    /// back to where they belong.
    ///
    /// # Errors
    /// Why their partitions are not moved, or as Kafka says.
    pub async fn spread_topics(
        &mut self,
        topics: &BTreeSet<String>,
        may: impl Fn(i32) -> bool,
        replication: Option<u32>,
    ) -> Result<Vec<Assignment>, Unmoved> {
        let (cluster, ongoing) = self.steady().await?.ok_or(Unmoved::Busy)?;
        if let Some(busy) = ongoing.iter().find(|o| topics.contains(&o.topic)) {
            return Err(Unmoved::Moving(busy.topic.clone()));
        }
        let live = cluster.brokers.iter().filter(|(id, _)| may(**id));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::cluster;

    #[test]
    fn a_patch_leaves_what_it_does_not_name() {
        let there = cluster(&[0, 1], &["a: 0,1/0,1", "a: 1,0/1,0"]);
        let config = [("x".to_owned(), Some("1".to_owned())), ("y".to_owned(), None)].into();
        let patch = TopicPatch { config, ..TopicPatch::default() };
        let wanted = patch.applied("a", &there);
        assert_eq!((wanted.partitions, wanted.replication), (2, 2));
        assert_eq!(wanted.config, [("x".to_owned(), "1".to_owned())].into());
        let patch = TopicPatch { partitions: Some(4), replication: Some(1), ..patch };
        assert_eq!((patch.applied("a", &there).partitions, patch.applied("a", &there).replication), (4, 1));
    }
}

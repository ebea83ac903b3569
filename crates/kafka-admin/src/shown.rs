//! Brokers, topics and partitions as people are shown them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::declared::differs;
use crate::{Client, ClientError, Cluster, ConfigEntry, Ongoing, PartitionState, Survey, Topic};

/// A broker's part in its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// It is the active controller.
    pub controller: bool,
    /// Copies of partitions it holds.
    pub partitions: usize,
    /// Partitions it leads.
    pub leads: usize,
    /// Partitions it holds without being in sync.
    pub out_of_sync: usize,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownTopic {
    name: String,
    partitions: usize,
    replication: usize,
    /// It is Kafka's own.
    internal: bool,
    /// It is kept as declared.
    declared: bool,
    /// How it differs from its declaration, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    differs: Option<String>,
    under_replicated: usize,
    /// Settings that were set for it.
    config: BTreeMap<String, String>,
    /// In detail, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    assignment: Option<Vec<ShownPartition>>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownPartition {
    topic: String,
    partition: i32,
    leader: Option<i32>,
    replicas: Vec<i32>,
    isr: Vec<i32>,
    under_replicated: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    adding: Vec<i32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    removing: Vec<i32>,
}

/// A partition in the shape of kafka-mesos.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedPartition<'a> {
    id: i32,
    /// -1 without one.
    leader: i32,
    expected_leader: Option<i32>,
    replicas: &'a [i32],
    isr: &'a [i32],
}

impl<'a> ListedPartition<'a> {
    fn of((id, p): (&i32, &'a PartitionState)) -> Self {
        Self {
            id: *id,
            leader: p.leader.unwrap_or(-1),
            expected_leader: p.replicas.first().copied(),
            replicas: &p.replicas,
            isr: &p.isr,
        }
    }
}

/// Which partitions are meant.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Filter {
    /// Only those of this topic.
    pub topic: Option<String>,
    /// Only those that this broker holds a copy of.
    pub broker: Option<i32>,
    /// Only those that lack a copy in sync.
    pub under_replicated: bool,
}

impl Filter {
    fn keeps(&self, topic: &str, p: &PartitionState) -> bool {
        self.topic.as_deref().is_none_or(|t| t == topic)
            && self.broker.is_none_or(|b| p.replicas.contains(&b))
            && (!self.under_replicated || p.isr.len() < p.replicas.len())
    }
}

impl Survey {
    /// What a broker has to do with the cluster.
    pub fn part_of(&self, broker: i32) -> Part {
        let count = |which: fn(i32, &PartitionState) -> bool| {
            self.cluster.partitions_on(broker).filter(|(_, _, p)| which(broker, p)).count()
        };
        Part {
            controller: self.controller() == Some(broker),
            partitions: count(|_, _| true),
            leads: count(|id, p| p.leader == Some(id)),
            out_of_sync: count(|id, p| !p.isr.contains(&id)),
        }
    }
}

impl Cluster {
    /// Partitions of the topics that are meant, by topic, as `kafka-mesos` listed them.
    pub fn listing(&self, which: impl Fn(&str) -> bool) -> BTreeMap<&str, Vec<ListedPartition<'_>>> {
        let meant = self.topics.iter().filter(|(name, _)| which(name));
        meant
            .map(|(name, topic)| (name.as_str(), topic.partitions.iter().map(ListedPartition::of).collect()))
            .collect()
    }

    fn shown(&self, ongoing: &[Ongoing], filter: &Filter) -> Vec<ShownPartition> {
        let moves: BTreeMap<(&str, i32), &Ongoing> =
            ongoing.iter().map(|o| ((o.topic.as_str(), o.partition), o)).collect();
        let show = |(topic, number, p): (&str, i32, &PartitionState)| {
            let moving = moves.get(&(topic, number));
            ShownPartition {
                topic: topic.to_owned(),
                partition: number,
                leader: p.leader,
                replicas: p.replicas.clone(),
                isr: p.isr.clone(),
                under_replicated: p.isr.len() < p.replicas.len(),
                adding: moving.map(|m| m.adding.clone()).unwrap_or_default(),
                removing: moving.map(|m| m.removing.clone()).unwrap_or_default(),
            }
        };
        self.partitions().filter(|(topic, _, p)| filter.keeps(topic, p)).map(show).collect()
    }

    fn topic(
        &self,
        name: &str,
        config: Option<&BTreeMap<String, ConfigEntry>>,
        declared: Option<&Topic>,
        ongoing: Option<&[Ongoing]>,
    ) -> ShownTopic {
        let topic = self.topics.get(name).cloned().unwrap_or_default();
        let own = config.into_iter().flatten().filter(|(_, entry)| entry.own);
        let this = Filter { topic: Some(name.to_owned()), ..Filter::default() };
        ShownTopic {
            name: name.to_owned(),
            partitions: topic.partitions.len(),
            replication: topic.replication(),
            internal: topic.internal,
            declared: declared.is_some(),
            differs: declared.and_then(|wanted| differs(wanted, &topic)),
            under_replicated: topic.partitions.values().filter(|p| p.isr.len() < p.replicas.len()).count(),
            config: own.map(|(k, e)| (k.clone(), e.value.clone().unwrap_or_default())).collect(),
            assignment: ongoing.map(|ongoing| self.shown(ongoing, &this)),
        }
    }
}

impl Client {
    /// Partitions with what moves.
    ///
    /// # Errors
    /// As Kafka says.
    pub async fn partitions(&mut self, filter: &Filter) -> Result<Vec<ShownPartition>, ClientError> {
        let (cluster, ongoing) = (self.cluster().await?, self.reassignments().await?);
        Ok(cluster.shown(&ongoing, filter))
    }

    /// Topics of the names that are meant, in detail or not, some of which are declared.
    ///
    /// # Errors
    /// As Kafka says.
    pub async fn topics(
        &mut self,
        which: impl Fn(&str) -> bool,
        declared: &BTreeMap<String, Topic>,
        detailed: bool,
    ) -> Result<Vec<ShownTopic>, ClientError> {
        let cluster = self.cluster().await?;
        let names: BTreeSet<String> = cluster.topics.keys().filter(|name| which(name)).cloned().collect();
        let ongoing = if detailed { Some(self.reassignments().await?) } else { None };
        let configs = self.topic_configs(&names, None).await?;
        let topic = |n: &String| cluster.topic(n, configs.get(n), declared.get(n), ongoing.as_deref());
        Ok(names.iter().map(topic).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Quorum;
    use crate::tests::cluster;

    #[test]
    fn a_broker_counts_what_it_holds() {
        let there = cluster(&[0, 1], &["a: 0,1/0,1", "a: 1,0/1"]);
        let survey = Survey { cluster: there, ..Survey::default() };
        let part = json!({ "controller": true, "partitions": 2, "leads": 1, "outOfSync": 1 });
        assert_eq!(json!(survey.part_of(0)), part);
        let kraft = Survey { quorum: Some(Quorum { leader: Some(1), ..Quorum::default() }), ..survey };
        assert!(!kraft.part_of(0).controller && kraft.part_of(1).controller, "whoever leads the quorum");
    }

    #[test]
    fn partitions_are_told_with_their_moves_and_filtered() {
        let there = cluster(&[0, 1], &["a: 0,1/0,1", "a: 1,0/1", "b: 1/1"]);
        let ongoing = [Ongoing { topic: "a".into(), partition: 1, adding: vec![0], removing: vec![] }];
        let told = |filter: &Filter| {
            let shown = there.shown(&ongoing, filter);
            shown.iter().map(|p| format!("{}-{} {:?}", p.topic, p.partition, p.adding)).collect::<Vec<_>>()
        };
        assert_eq!(told(&Filter::default()), ["a-0 []", "a-1 [0]", "b-0 []"]);
        assert_eq!(told(&Filter { under_replicated: true, ..Filter::default() }), ["a-1 [0]"]);
        assert_eq!(told(&Filter { broker: Some(0), ..Filter::default() }), ["a-0 []", "a-1 [0]"]);
        assert_eq!(told(&Filter { topic: Some("b".into()), ..Filter::default() }), ["b-0 []"]);
        let first = json!(there.shown(&[], &Filter::default())[0]);
        let plain = json!({ "topic": "a", "partition": 0, "leader": 0, "replicas": [0, 1], "isr": [0, 1],
            "underReplicated": false });
        assert_eq!(first, plain);
    }

    #[test]
    fn partitions_look_as_they_used_to() {
        let there = cluster(&[1], &["a: 0,1/1", "b: 0/0"]);
        let all = json!(there.listing(|_| true));
        let first = json!({ "id": 0, "leader": 1, "expectedLeader": 0, "replicas": [0, 1], "isr": [1] });
        assert_eq!((&all["a"][0], &all["b"][0]["leader"]), (&first, &json!(-1)));
        assert_eq!(there.listing(|name| name == "b").len(), 1);
    }

    #[test]
    fn a_topic_is_told_with_how_it_differs() {
        let there = cluster(&[0, 1], &["a: 0,1/0,1"]);
        let config = [("x", true), ("y", false)]
            .map(|(name, own)| (name.to_owned(), ConfigEntry { value: Some("1".into()), own }));
        let wanted = Topic { partitions: 2, replication: 2, ..Topic::default() };
        let told = json!(there.topic("a", Some(&config.into()), Some(&wanted), None));
        let expected = json!({
            "name": "a", "partitions": 1, "replication": 2, "internal": false, "declared": true,
            "differs": "declared with 2 partitions and replication 2, has 1 and 2", "underReplicated": 0,
            "config": { "x": "1" },
        });
        assert_eq!(told, expected);
        assert_eq!(json!(there.topic("a", None, None, Some(&[])))["assignment"][0]["partition"], 0);
    }
}

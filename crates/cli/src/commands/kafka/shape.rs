//! What is shown of brokers, topics and partitions.

use std::collections::BTreeMap;

use cairn_framework::Phase;
use serde::Deserialize;

use crate::client::table::table;

/// A broker.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Broker {
    pub(super) id: u32,
    phase: Phase,
    message: String,
    endpoint: Option<String>,
    controller: Option<bool>,
    partitions: Option<usize>,
    leads: Option<usize>,
    out_of_sync: Option<usize>,
    needs_restart: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Brokers {
    pub(super) brokers: Vec<Broker>,
}

/// A topic.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Topic {
    name: String,
    partitions: usize,
    replication: usize,
    internal: bool,
    declared: bool,
    differs: Option<String>,
    under_replicated: usize,
    config: BTreeMap<String, String>,
    assignment: Option<Vec<Partition>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Topics {
    topics: Vec<Topic>,
}

/// A partition.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Partition {
    topic: String,
    partition: i32,
    leader: Option<i32>,
    replicas: Vec<i32>,
    isr: Vec<i32>,
    under_replicated: bool,
    adding: Vec<i32>,
    removing: Vec<i32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Partitions {
    partitions: Vec<Partition>,
}

pub(super) fn brokers(brokers: &[Broker]) -> String {
    let row = |broker: &Broker| {
        let mut remarks: Vec<String> = Vec::new();
        remarks.extend(broker.controller.filter(|is| *is).map(|_| "controller".to_owned()));
        remarks.extend(broker.needs_restart.then(|| "restarts for a change".to_owned()));
        remarks.extend(Some(broker.message.clone()).filter(|message| !message.is_empty()));
        [
            broker.id.to_string(),
            crate::client::words::phase(broker.phase).text.to_owned(),
            broker.endpoint.clone().unwrap_or_else(|| "-".into()),
            number(broker.partitions),
            number(broker.leads),
            number(broker.out_of_sync),
            remarks.join("; "),
        ]
    };
    let heading = ["ID", "STATE", "ADDRESS", "PARTITIONS", "LEADS", "OUT OF SYNC", "REMARKS"];
    table(heading, brokers.iter().map(row))
}

pub(super) fn topics(topics: &Topics) -> String {
    let row = |topic: &Topic| {
        [
            topic.name.clone(),
            topic.partitions.to_string(),
            topic.replication.to_string(),
            topic.under_replicated.to_string(),
            settings(&topic.config),
            remarks(topic),
        ]
    };
    let heading = ["TOPIC", "PARTITIONS", "REPLICATION", "UNDER-REPLICATED", "CONFIG", "REMARKS"];
    table(heading, topics.topics.iter().map(row))
}

/// One topic, with its partitions.
pub(super) fn topic(topic: &Topic) -> String {
    let mut text =
        format!("{}  {} partitions, replication {}\n", topic.name, topic.partitions, topic.replication);
    for (what, value) in [("config", settings(&topic.config)), ("remarks", remarks(topic))] {
        if !value.is_empty() && value != "-" {
            text += &format!("{what}  {value}\n");
        }
    }
    match &topic.assignment {
        Some(all) => text + "\n" + &rows(all),
        None => text,
    }
}

pub(super) fn partitions(partitions: &Partitions) -> String {
    rows(&partitions.partitions)
}

fn rows(partitions: &[Partition]) -> String {
    let row = |p: &Partition| {
        let mut remarks = Vec::new();
        remarks.extend(p.under_replicated.then(|| "under-replicated".to_owned()));
        remarks.extend((!p.adding.is_empty()).then(|| format!("moves to {}", list(&p.adding))));
        remarks.extend((!p.removing.is_empty()).then(|| format!("leaves {}", list(&p.removing))));
        [
            p.topic.clone(),
            p.partition.to_string(),
            p.leader.map_or_else(|| "none".into(), |leader| leader.to_string()),
            list(&p.replicas),
            list(&p.isr),
            remarks.join("; "),
        ]
    };
    table(["TOPIC", "PARTITION", "LEADER", "REPLICAS", "IN SYNC", "REMARKS"], partitions.iter().map(row))
}

fn remarks(topic: &Topic) -> String {
    let differs = topic.differs.as_ref().map(|how| format!("differs from its declaration: {how}"));
    let declared = topic.declared.then(|| "declared".to_owned());
    let internal = topic.internal.then(|| "Kafka's own".to_owned());
    [declared, internal, differs].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn settings(config: &BTreeMap<String, String>) -> String {
    if config.is_empty() {
        return "-".into();
    }
    config.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

fn number(count: Option<usize>) -> String {
    count.map_or_else(|| "-".into(), |count| count.to_string())
}

fn list(ids: &[i32]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn brokers_are_a_table() {
        let answer = json!({"brokers": [
            {"id": 0, "instance": "broker-0", "phase": "ready", "endpoint": "127.0.0.1:31004", "controller": true,
             "partitions": 6, "leads": 2, "outOfSync": 0},
            {"id": 1, "phase": "starting", "message": "waiting for tcp 127.0.0.2:31004", "needsRestart": true},
        ]});
        insta::assert_snapshot!(brokers(&Brokers::deserialize(&answer).unwrap().brokers));
    }

    #[test]
    fn topics_and_partitions_are_tables() {
        let assignment = json!([
            {"topic": "logs", "partition": 0, "leader": 0, "replicas": [0, 1], "isr": [0], "underReplicated": true},
            {"topic": "logs", "partition": 1, "leader": null, "replicas": [1, 2], "isr": [1, 2], "adding": [2]},
        ]);
        let logs = json!({"name": "logs", "partitions": 2, "replication": 2, "declared": true, "underReplicated": 1,
            "config": {"retention.ms": "86400000"}, "assignment": assignment});
        let own = json!({"name": "__consumer_offsets", "partitions": 50, "replication": 3, "internal": true});
        insta::assert_snapshot!(topics(&Topics::deserialize(json!({"topics": [logs, own]})).unwrap()));
        insta::assert_snapshot!(topic(&Topic::deserialize(logs).unwrap()));
        insta::assert_snapshot!(partitions(
            &Partitions::deserialize(json!({"partitions": assignment})).unwrap()
        ));
    }
}

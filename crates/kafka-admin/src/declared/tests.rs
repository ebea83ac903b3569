use std::collections::BTreeMap;

use super::{Change, changes};
use crate::{Cluster, ConfigEntry, Node, Ongoing, PartitionState, Topic};

fn cluster(partitions: &[&[i32]]) -> Cluster {
    let mut cluster = Cluster::default();
    for id in 0..3 {
        cluster.brokers.insert(id, Node::default());
    }
    let topic = cluster.topics.entry("logs".into()).or_default();
    for (replicas, number) in partitions.iter().zip(0..) {
        let state =
            PartitionState { leader: Some(replicas[0]), replicas: replicas.to_vec(), isr: replicas.to_vec() };
        topic.partitions.insert(number, state);
    }
    cluster
}

fn topic(partitions: u32, replication: u32, config: &[(&str, &str)]) -> Topic {
    let config = config.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
    Topic { partitions, replication, config }
}

fn configs(entries: &[(&str, &str)]) -> BTreeMap<String, ConfigEntry> {
    let entry = |v: &str| ConfigEntry { value: Some(v.to_owned()), own: false };
    entries.iter().map(|(k, v)| ((*k).to_owned(), entry(v))).collect()
}

#[test]
fn what_is_as_declared_is_left_alone() {
    let there = configs(&[("retention.ms", "1000"), ("min.cleanable.dirty.ratio", "0.50"), ("other", "x")]);
    let wanted = topic(1, 2, &[("retention.ms", "1000"), ("min.cleanable.dirty.ratio", "0.5")]);
    assert_eq!(changes("logs", &wanted, &cluster(&[&[0, 1]]), Some(&there), &[]), []);
}

#[test]
fn a_topic_is_created_grown_and_configured() {
    assert_eq!(changes("new", &Topic::default(), &cluster(&[]), None, &[]), [Change::Create]);
    let wanted = topic(3, 1, &[("retention.ms", "5")]);
    let there = configs(&[("retention.ms", "1000")]);
    let configure = Change::Configure([("retention.ms".to_owned(), Some("5".to_owned()))].into());
    assert_eq!(changes("logs", &wanted, &cluster(&[&[0]]), Some(&there), &[]), [Change::Grow(3), configure]);
}

#[test]
fn partitions_are_never_taken_away() {
    let found = changes("logs", &topic(1, 1, &[]), &cluster(&[&[0], &[1]]), None, &[]);
    let [Change::Refuse(why)] = &found[..] else { panic!("{found:?}") };
    assert!(why.contains("has 2 partitions and is declared with 1"), "{why}");
}

#[test]
fn copies_are_added_and_dropped_where_they_differ() {
    let found = changes("logs", &topic(2, 2, &[]), &cluster(&[&[0], &[1, 2]]), None, &[]);
    let [Change::Replicate(moves)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(moves.len(), 1);
    assert_eq!((moves[0].partition, moves[0].replicas.len(), moves[0].replicas[0]), (0, 2, 0));
    let found = changes("logs", &topic(1, 4, &[]), &cluster(&[&[0]]), None, &[]);
    assert!(matches!(&found[..], [Change::Wait(why)] if why.contains("waiting for more")), "{found:?}");
}

#[test]
fn moves_under_way_are_waited_for_and_not_started_again() {
    let ongoing = Ongoing { topic: "logs".into(), partition: 0, adding: vec![1], removing: vec![] };
    let found = changes("logs", &topic(1, 2, &[]), &cluster(&[&[1, 0]]), None, &[ongoing]);
    assert_eq!(found, [Change::Wait("topic logs: 1 partitions are moving".into())]);
}

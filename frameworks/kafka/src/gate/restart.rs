//! May a broker be taken down for a while, and is it back?

use std::collections::BTreeMap;

use cairn_framework::{Verdict, View};

use super::listed;
use crate::broker::instance_name;
use cairn_kafka_client::Cluster;

/// `min.insync.replicas` in effect, by topic.
pub(crate) type MinIsr = BTreeMap<String, usize>;

/// Why a broker must not go down now: partitions whose writers would be refused, or lose data, without it. Partitions
/// that never had more copies than their minimum are exempt, see [`exempt`].
pub(crate) fn availability(cluster: &Cluster, min_isr: &MinIsr, broker: i32) -> Verdict {
    let mut blocked = Vec::new();
    for (topic, number, p) in cluster.partitions_on(broker) {
        let min = min_isr.get(topic).copied().unwrap_or(1);
        let in_sync = p.isr.len();
        let would_fall = in_sync < min || (in_sync == min && p.isr.contains(&broker));
        if p.replicas.len() > min && would_fall {
            blocked.push(format!("{topic}-{number} (in sync: {:?}, minimum {min})", p.isr));
        }
    }
    match blocked.len() {
        0 => Verdict::Go,
        1 => Verdict::Wait(format!(
            "without it a partition would fall under its minimum in sync: {}",
            blocked[0]
        )),
        n => Verdict::Wait(format!(
            "without it {n} partitions would fall under their minimum in sync: {}",
            listed(&blocked)
        )),
    }
}

/// Partitions that will be unavailable while the broker is down, because they are not replicated well enough for anybody
/// to wait for something better.
pub(crate) fn exempt(cluster: &Cluster, min_isr: &MinIsr, broker: i32) -> Vec<String> {
    let weak = |topic: &str, copies: usize| copies <= min_isr.get(topic).copied().unwrap_or(1);
    cluster
        .partitions_on(broker)
        .filter(|(topic, _, p)| weak(topic, p.replicas.len()))
        .map(|(topic, number, _)| format!("{topic}-{number}"))
        .collect()
}

/// The active controller goes last, so that the role moves once only. Who goes before it, if anybody.
pub(crate) fn controller_last(view: &View, broker: u32, controller: Option<i32>) -> Verdict {
    if controller != i32::try_from(broker).ok() {
        return Verdict::Go;
    }
    let me = instance_name(broker);
    let first = view
        .target
        .iter()
        .filter(|name| **name != me)
        .find(|name| view.instances.get(*name).is_some_and(|i| i.needs_restart && i.is_ready()));
    first.map_or(Verdict::Go, |name| {
        Verdict::Wait(format!("it is the active controller and goes last: {name} first"))
    })
}

/// Whether a broker that runs again is part of the cluster and has caught up with all it holds.
pub(crate) fn back(cluster: &Cluster, broker: i32, endpoint: &str) -> Verdict {
    match cluster.brokers.get(&broker) {
        None => return Verdict::Wait("the cluster does not list it yet".into()),
        Some(node) if node.endpoint != endpoint => {
            let theirs = &node.endpoint;
            return Verdict::Wait(format!("the cluster still knows it at {theirs}, not at {endpoint}"));
        }
        Some(_) => {}
    }
    if cluster.controller.is_none() {
        return Verdict::Wait("the cluster has no active controller yet".into());
    }
    let lagging: Vec<String> = cluster
        .partitions_on(broker)
        .filter(|(_, _, p)| !p.isr.contains(&broker))
        .map(|(topic, number, _)| format!("{topic}-{number}"))
        .collect();
    match lagging.len() {
        0 => Verdict::Go,
        n => Verdict::Wait(format!("it is catching up with {n} partitions: {}", listed(&lagging))),
    }
}

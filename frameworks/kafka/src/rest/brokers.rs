//! What Kafka adds to `/v1/brokers`.

use std::collections::BTreeMap;

use cairn_framework::{Config, View};
use cairn_units::Size;
use serde::Serialize;
use serde_json::{Value, json};

use super::cluster_if_there;
use crate::broker::{BROKERS, Broker};
use crate::options::Options;
use cairn_kafka_client::{Cluster, PartitionState};

/// A broker as configured, and its part in the cluster.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    /// It is the active controller; absent while the cluster does not answer.
    controller: Option<bool>,
    /// Copies of partitions it holds.
    partitions: Option<usize>,
    /// Partitions it leads.
    leads: Option<usize>,
    /// Partitions it holds without being in sync.
    out_of_sync: Option<usize>,
    disk: Size,
    #[serde(flatten)]
    broker: Broker,
}

fn fields(options: &Options, cluster: Option<&Cluster>, id: u32) -> Fields {
    let number = i32::try_from(id).unwrap_or(i32::MAX);
    let count = |which: fn(i32, &PartitionState) -> bool| {
        cluster.map(|c| c.partitions_on(number).filter(|(_, _, p)| which(number, p)).count())
    };
    Fields {
        controller: cluster.map(|c| c.controller == Some(number)),
        partitions: count(|_, _| true),
        leads: count(|id, p| p.leader == Some(id)),
        out_of_sync: count(|id, p| !p.isr.contains(&id)),
        disk: options.disk,
        broker: Broker::of(options, id),
    }
}

/// Everything Kafka has to say of its brokers, by instance.
pub(crate) async fn describe(config: &Config, view: &View) -> BTreeMap<String, Value> {
    let Ok(options) = config.read::<Options>() else { return BTreeMap::new() };
    let cluster = cluster_if_there(view).await;
    let mut ids = options.broker_ids();
    ids.extend(&options.idle);
    ids.extend(view.instances.keys().filter_map(|name| BROKERS.id(name)));
    ids.into_iter().map(|id| (BROKERS.instance(id), json!(fields(&options, cluster.as_ref(), id)))).collect()
}

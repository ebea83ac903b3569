//! `/v1/partitions`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Query, State};
use axum::routing::get;
use cairn_framework::rest::Api;
use cairn_framework::{Handle, Refused};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client;
use super::problems::from_client;
use cairn_kafka_client::{Cluster, Ongoing, PartitionState};

pub(super) fn api(api: Api) -> Api {
    api.at("/v1/partitions", get(list), &[("get", "All partitions; ?topic= ?broker= ?underReplicated=true")])
}

/// A partition.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
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

/// All partitions that `keep` keeps.
pub(crate) fn partitions(
    cluster: &Cluster,
    ongoing: &[Ongoing],
    keep: impl Fn(&str, &PartitionState) -> bool,
) -> Vec<Shown> {
    let moves: BTreeMap<(&str, i32), &Ongoing> =
        ongoing.iter().map(|o| ((o.topic.as_str(), o.partition), o)).collect();
    let view = |(topic, number, p): (&str, i32, &PartitionState)| {
        let moving = moves.get(&(topic, number));
        Shown {
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
    cluster.partitions().filter(|(topic, _, p)| keep(topic, p)).map(view).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    topic: Option<String>,
    broker: Option<i32>,
    #[serde(default)]
    under_replicated: bool,
}

async fn list(State(handle): State<Handle>, Query(filter): Query<Filter>) -> Refused<Json<Value>> {
    let mut client = client(&handle.published()).await?;
    let cluster = client.cluster().await.map_err(from_client)?;
    let ongoing = client.reassignments().await.map_err(from_client)?;
    let keep = |topic: &str, p: &PartitionState| {
        filter.topic.as_deref().is_none_or(|t| t == topic)
            && filter.broker.is_none_or(|b| p.replicas.contains(&b))
            && (!filter.under_replicated || p.isr.len() < p.replicas.len())
    };
    Ok(Json(json!({ "partitions": partitions(&cluster, &ongoing, keep) })))
}

//! REST resources of a Kafka cluster, beside those that the SDK serves; and the surface of the earlier framework (kafka-mesos), so
//! that scripts written for it go on working: `/api/broker/…`, `/api/topic/…`, `/api/partition/list`, by GET or POST, with
//! parameters in the query or a form.

use axum::Json;
use axum::extract::{Query, State};
use axum::routing::get;
use cairn_framework::kit::contents::Held;
use cairn_framework::rest::Api;
use cairn_framework::rest::form::{Earlier, EarlierContents, Kind, Params, listed, matches, text};
use cairn_framework::rest::form::{OF_CONTENTS, OF_LISTS, OF_NODES};
use cairn_framework::{Handle, Refused};
use cairn_kafka_admin::Filter;
use serde_json::{Map, Value, json};

use crate::service::BROKERS;
use crate::topics::Topics;

const BROKER: Earlier =
    Earlier { nodes: BROKERS, kinds: &[("options", Kind::Map)], leaving: "moves its partitions away" };

const TOPIC: EarlierContents = EarlierContents {
    contents: &Topics,
    fields: &[
        ("partitions", "partitions", Kind::Whole),
        ("replicas", "replication", Kind::Whole),
        ("options", "config", Kind::Map),
        ("broker", "brokers", Kind::Text),
    ],
    changes: ("options", "config"),
    shape: topic,
};

/// All resources.
pub(crate) fn api() -> Api {
    let all = "All partitions; ?topic= ?broker= ?underReplicated=true";
    Api::default()
        .at("/v1/partitions", get(partitions), &[("get", all)])
        .at("/api/broker/{verb}", BROKER.verbs(), OF_NODES)
        .at("/api/topic/{verb}", TOPIC.verbs(), OF_CONTENTS)
        .at("/api/partition/{verb}", listed(earlier_partitions), OF_LISTS)
        .at("/health", get(async || "ok"), &[("get", "ok")])
}

async fn partitions(State(handle): State<Handle>, Query(filter): Query<Filter>) -> Refused<Json<Value>> {
    let mut client = Topics::reach(&handle.published()).await?;
    let partitions = client.partitions(&filter).await.map_err(Topics::problem)?;
    Ok(Json(json!({ "partitions": partitions })))
}

async fn earlier_partitions(handle: Handle, params: Params) -> Refused<Value> {
    let mut client = Topics::reach(&handle.published()).await?;
    let cluster = client.cluster().await.map_err(Topics::problem)?;
    Ok(json!({ "topics": cluster.listing(|topic| matches(params.get("topic"), topic)) }))
}

/// A topic in the shape that the earlier framework gave it.
fn topic(shown: &Value) -> Value {
    let partition = |p: &Value| (p["partition"].to_string(), p["replicas"].clone());
    let partitions = shown["assignment"].as_array().into_iter().flatten().map(partition);
    let config = shown["config"].as_object().into_iter().flatten();
    let options = config.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default().to_owned()));
    json!({ "name": shown["name"], "partitions": partitions.collect::<Map<_, _>>(), "options": text::format_map(options) })
}

#[cfg(test)]
mod tests;

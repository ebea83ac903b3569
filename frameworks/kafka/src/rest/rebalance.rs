//! `/v1/topics/{name}/rebalance`, and what else spreads topics over brokers.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use cairn_framework::rest::{Api, Body, Problem};
use cairn_framework::{Handle, Published, Refused};
use cairn_kafka_client::{Assignment, Client};
use serde::Deserialize;
use serde_json::{Value, json};

use super::problems::{from_client, from_unmoved};
use super::{brokers_of, client, options};
use crate::topics::KIND;

pub(super) fn api(api: Api) -> Api {
    let spread = "Spread it evenly: {brokers?, replication?}";
    api.at("/v1/topics/{name}/rebalance", post(rebalance), &[("post", spread)])
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Rebalance {
    brokers: Option<String>,
    replication: Option<u32>,
}

async fn rebalance(
    State(handle): State<Handle>,
    Path(name): Path<String>,
    Body(body): Body<Rebalance>,
) -> Refused<Response> {
    let published = handle.published();
    if let (Some(copies), Some(topic)) = (body.replication, options(&published)?.topics.get(&name))
        && copies != topic.replication
    {
        let what = format!("topic {name} is declared with replication {}", topic.replication);
        let problem = Problem::conflict("topic-declared", what);
        return Err(problem.hint("change the declaration: PATCH /v1/topics/{name} {\"replication\": N}"));
    }
    let mut client = client(&published).await?;
    let cluster = client.cluster().await.map_err(from_client)?;
    if !cluster.topics.contains_key(&name) {
        return Err(KIND.unknown(&name));
    }
    let moves =
        spread_out(&mut client, &published, &[name].into(), body.brokers.as_deref(), body.replication)
            .await?;
    let move_of =
        |m: &Assignment| json!({ "topic": m.topic, "partition": m.partition, "replicas": m.replicas });
    let shown: Vec<Value> = moves.iter().map(move_of).collect();
    let code = if moves.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((code, Json(json!({ "moves": shown, "watch": "/v1/partitions" }))).into_response())
}

/// Spreads topics evenly over the brokers of the target that serve, or what a request names of them; what moves.
pub(super) async fn spread_out(
    client: &mut Client,
    published: &Published,
    topics: &BTreeSet<String>,
    brokers: Option<&str>,
    replication: Option<u32>,
) -> Refused<Vec<Assignment>> {
    let over = brokers_of(published, brokers.unwrap_or("*"))?;
    client.spread_topics(topics, |id| over.contains(&id), replication).await.map_err(from_unmoved)
}

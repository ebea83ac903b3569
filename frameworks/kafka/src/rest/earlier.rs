//! The surface of the earlier framework (kafka-mesos), so that scripts written for it go on working: `/api/broker/…`,
//! `/api/topic/…`, `/api/partition/list`, by GET or POST, with parameters in the query or a form.
//!
//! What is different is told by [`Earlier`] and [`EarlierContents`].

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use cairn_framework::rest::form::{Earlier, EarlierContents, Kind, Params, matches, text};
use cairn_framework::rest::{Api, Problem};
use cairn_framework::{Handle, Refused};
use cairn_kafka_client::{Cluster, Ongoing, PartitionState};
use serde_json::{Map, Value, json};

use super::problems::from_client;
use super::rebalance::spread_out;
use super::{client, options};
use crate::broker::{BROKERS, Broker};
use crate::topics::Topics;

/// Pause between two looks at moves under way.
const LOOK: Duration = Duration::from_millis(500);

const BROKER: Earlier = Earlier {
    nodes: BROKERS,
    fields: &[
        ("cpus", Kind::Number),
        ("mem", Kind::Whole),
        ("heap", Kind::Whole),
        ("constraints", Kind::Constraints),
        ("options", Kind::Map),
        ("jvmOptions", Kind::Words),
        ("port", Kind::Text),
    ],
    options: |published, id| json!(options(published).ok().map(|options| Broker::of(&options, id))),
    leaving: "moves its partitions away",
};

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
    more: &[("rebalance", |handle, params| Box::pin(rebalance(handle, params)))],
};

pub(super) fn api(api: Api) -> Api {
    let brokers = "As the earlier framework had it: list add update start stop restart remove clone log";
    let topics = "As the earlier framework had it: list add update delete rebalance";
    let partitions = "As the earlier framework had it: list";
    api.at("/api/broker/{verb}", BROKER.verbs(), &[("post", brokers)])
        .at("/api/topic/{verb}", TOPIC.verbs(), &[("post", topics)])
        .at("/api/partition/{verb}", get(list).post(list), &[("post", partitions)])
        .at("/health", get(async || "ok"), &[("get", "ok")])
}

/// A topic in the shape that the earlier framework gave it.
fn topic(shown: &Value) -> Value {
    let partition = |p: &Value| (p["partition"].to_string(), p["replicas"].clone());
    let partitions = shown["assignment"].as_array().into_iter().flatten().map(partition);
    let config = shown["config"].as_object().into_iter().flatten();
    let options = config.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default().to_owned()));
    json!({ "name": shown["name"], "partitions": partitions.collect::<Map<_, _>>(), "options": text::format_map(options) })
}

fn matching(cluster: &Cluster, list: Option<&str>) -> BTreeSet<String> {
    cluster.topics.keys().filter(|name| matches(list, name)).cloned().collect()
}

fn answer(status: &str, moving: &[Ongoing], error: &str) -> Value {
    let moves = moving
        .iter()
        .map(|o| format!("{}:{} {:?} -> {:?}", o.topic, o.partition, o.removing, o.adding))
        .collect::<Vec<_>>();
    json!({ "status": status, "state": moves.join("\n"), "error": error })
}

async fn rebalance(handle: Handle, params: Params) -> Refused<Value> {
    let published = handle.published();
    let mut client = client(&published).await?;
    let moving = client.reassignments().await.map_err(from_client)?;
    let Some(topics) = params.get("topic") else {
        return Ok(answer(if moving.is_empty() { "idle" } else { "running" }, &moving, ""));
    };
    let timeout = params.timeout(Duration::ZERO)?;
    let names = matching(&client.cluster().await.map_err(from_client)?, Some(topics));
    let copies = params.number::<i64>("replicas")?.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
    if let Err(problem) = spread_out(&mut client, &published, &names, params.get("broker"), copies).await {
        return Ok(answer("failed", &[], &problem.detail));
    }
    if timeout.is_zero() {
        return Ok(answer("started", &client.reassignments().await.map_err(from_client)?, ""));
    }
    let finished = async {
        while client.reassignments().await?.iter().any(|o| names.contains(&o.topic)) {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    };
    Ok(match tokio::time::timeout(timeout, finished).await {
        Ok(done) => done.map(|()| answer("completed", &[], "")).map_err(from_client)?,
        Err(_) => answer("timeout", &[], "the moves go on"),
    })
}

async fn list(
    State(handle): State<Handle>,
    Path(verb): Path<String>,
    params: Params,
) -> Refused<Json<Value>> {
    if verb != "list" {
        let problem = Problem::not_found("unknown-verb", format!("there is no /api/partition/{verb}"));
        return Err(problem.hint("verbs: list"));
    }
    let mut client = client(&handle.published()).await?;
    let cluster = client.cluster().await.map_err(from_client)?;
    let partition = |(id, p): (&i32, &PartitionState)| {
        json!({
            "id": id, "leader": p.leader.unwrap_or(-1), "expectedLeader": p.replicas.first(),
            "replicas": p.replicas, "isr": p.isr,
        })
    };
    let meant = cluster.topics.iter().filter(|(name, _)| matches(params.get("topic"), name));
    let topics: Map<String, Value> =
        meant.map(|(name, topic)| (name.clone(), topic.partitions.iter().map(partition).collect())).collect();
    Ok(Json(json!({ "topics": topics })))
}

#[cfg(test)]
mod tests {
    use cairn_framework::{Config, InstanceStatus, Phase, Placement, Published, simulation};

    use super::*;

    fn published() -> Published {
        let config = json!({
            "brokers": 1, "idle": [4], "mode": "kraft", "constraints": ["hostname:unique"],
            "overrides": { "0": { "options": { "a": 1, "b": "x,y" }, "port": "31000..31100", "jvmOptions": ["-Dx=1", "-Dy=2"] } },
        });
        let mut published = Published {
            config: Config { options: config.into(), ..Config::default() },
            ..Published::default()
        };
        let placement = Placement {
            agent_id: "S0".into(),
            hostname: "h1".into(),
            address: "127.0.0.1".into(),
            attributes: [("rack".to_owned(), "r1".to_owned())].into(),
            ports: [("client".to_owned(), 31000)].into(),
            ..Placement::default()
        };
        let status = InstanceStatus {
            name: "broker-0".into(),
            phase: Phase::Ready,
            task_id: Some("broker-0.1".into()),
            placement: Some(placement),
            ..InstanceStatus::default()
        };
        let view = std::sync::Arc::make_mut(&mut published.view);
        view.target.push("broker-0".into());
        view.instances.insert("broker-0".into(), status.clone());
        published.status.instances.push(status);
        published
    }

    #[tokio::test]
    async fn brokers_look_as_they_used_to() {
        let handle = simulation::handle(published());
        let listed = BROKER.answer(&handle, "list", &Params::default()).await.unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&listed["brokers"]).unwrap());
    }

    #[test]
    fn topics_look_as_they_used_to() {
        let shown = json!({
            "name": "logs-a", "config": { "retention.ms": "5" }, "partitions": 2,
            "assignment": [{ "partition": 0, "replicas": [0, 1] }, { "partition": 1, "replicas": [1, 0] }],
        });
        assert_eq!(
            topic(&shown),
            json!({ "name": "logs-a", "partitions": { "0": [0, 1], "1": [1, 0] }, "options": "retention.ms=5" })
        );
    }
}

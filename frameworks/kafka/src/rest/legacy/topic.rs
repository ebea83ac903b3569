//! `/api/topic/{list|add|update|delete|rebalance}` and `/api/partition/list`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use cairn_framework::rest::Problem;
use cairn_framework::rest::form::{Params, text};
use cairn_framework::{Handle, Refused};
use serde_json::{Map, Value, json};

use crate::broker::BROKERS;
use crate::options::{Topic, topic_name};
use crate::rest::problems::from_client;
use crate::rest::topics::{drop_topic, spread_out};
use crate::rest::{client, options};
use cairn_kafka_client::{Client, Cluster, ConfigEntry};

/// Pause between two looks at moves under way.
const LOOK: Duration = Duration::from_millis(500);

pub(super) async fn handle(
    State(handle): State<Handle>,
    Path(verb): Path<String>,
    params: Params,
) -> Refused<Json<Value>> {
    if verb != "list" {
        params.may_write()?;
    }
    let mut client = client(&handle).await?;
    let answer = match verb.as_str() {
        "list" => list(&mut client, &params).await,
        "add" => add(&handle, &mut client, &params).await,
        "update" => update(&handle, &mut client, &params).await,
        "delete" => delete(&handle, &mut client, &params).await,
        "rebalance" => rebalance(&handle, &mut client, &params).await,
        _ => Err(Problem::not_found("unknown-verb", format!("there is no /api/topic/{verb}"))
            .hint("verbs: list, add, update, delete, rebalance")),
    };
    answer.map(Json)
}

fn names(params: &Params) -> Refused<BTreeSet<String>> {
    Ok(params.need("topic")?.split(',').map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect())
}

/// Topics that a list such as `t1,logs-*` means; nothing: all.
fn matching(cluster: &Cluster, text: Option<&str>) -> BTreeSet<String> {
    let Some(text) = text else { return cluster.topics.keys().cloned().collect() };
    let fits = |name: &str, pattern: &str| match pattern.trim().strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern.trim(),
    };
    cluster.topics.keys().filter(|name| text.split(',').any(|p| fits(name, p))).cloned().collect()
}

async fn list(client: &mut Client, params: &Params) -> Refused<Value> {
    let cluster = client.cluster().await.map_err(from_client)?;
    let names = matching(&cluster, params.get("topic"));
    shown(client, &cluster, &names).await
}

async fn shown(client: &mut Client, cluster: &Cluster, names: &BTreeSet<String>) -> Refused<Value> {
    let configs = client.topic_configs(names, None).await.map_err(from_client)?;
    let none = BTreeMap::new();
    let topics: Vec<Value> =
        names.iter().map(|name| topic(cluster, name, configs.get(name).unwrap_or(&none))).collect();
    Ok(json!({ "topics": topics }))
}

/// A topic in the shape that the earlier framework gave it.
fn topic(cluster: &Cluster, name: &str, configs: &BTreeMap<String, ConfigEntry>) -> Value {
    let topic = cluster.topics.get(name).cloned().unwrap_or_default();
    let partitions: Map<String, Value> =
        topic.partitions.iter().map(|(number, p)| (number.to_string(), json!(p.replicas))).collect();
    let own = configs.iter().filter(|(_, e)| e.own);
    let options = text::format_map(own.map(|(k, e)| (k.as_str(), e.value.clone().unwrap_or_default())));
    json!({ "name": name, "partitions": partitions, "options": options })
}

async fn after(client: &mut Client, names: &BTreeSet<String>) -> Refused<Value> {
    let cluster = client.cluster().await.map_err(from_client)?;
    shown(client, &cluster, names).await
}

async fn add(handle: &Handle, client: &mut Client, params: &Params) -> Refused<Value> {
    let names = names(params)?;
    let config = text::map(params.get("options").unwrap_or_default()).map_err(Problem::bad_request)?;
    let topic = Topic {
        partitions: params.number("partitions")?.unwrap_or(1),
        replication: params.number("replicas")?.unwrap_or(1),
        config: config.into_iter().map(|(k, v)| (k, v.as_str().into())).collect(),
    };
    if topic.partitions == 0 || topic.replication == 0 {
        return Err(Problem::bad_request("partitions and replicas are at least 1"));
    }
    let placed = match params.get("broker").filter(|b| b.trim() != "*") {
        None => Vec::new(),
        Some(brokers) => place(handle, &topic, brokers)?,
    };
    for name in &names {
        topic_name(name).map_err(Problem::bad_request)?;
        client.create_topic(name, &topic.new_topic(placed.clone())).await.map_err(from_client)?;
    }
    after(client, &names).await
}

/// Brokers of each partition, in turn.
fn place(handle: &Handle, topic: &Topic, brokers: &str) -> Refused<Vec<Vec<i32>>> {
    let published = handle.published();
    let target = options(&published)?.broker_ids();
    let ids = BROKERS.chosen(brokers, &target, &published.view)?;
    let ids: Vec<i32> = ids.into_iter().filter_map(|id| i32::try_from(id).ok()).collect();
    let copies = topic.replication as usize;
    if copies > ids.len() {
        return Err(Problem::bad_request(format!(
            "{copies} replicas need as many brokers, and `{brokers}` are {}",
            ids.len()
        )));
    }
    let partition = |n: usize| (0..copies).map(|r| ids[(n + r) % ids.len()]).collect();
    Ok((0..topic.partitions as usize).map(partition).collect())
}

async fn update(handle: &Handle, client: &mut Client, params: &Params) -> Refused<Value> {
    let names = names(params)?;
    let wanted = text::map(params.need("options")?).map_err(Problem::bad_request)?;
    let declared = options(&handle.published())?.topics;
    for name in &names {
        if declared.contains_key(name) {
            return Err(Problem::conflict(
                "topic-declared",
                format!("topic {name} is declared, and kept as declared"),
            )
            .hint("change the declaration: PATCH /v1/topics/{name}, or the stack file"));
        }
        let changes =
            wanted.iter().map(|(k, v)| (k.clone(), Some(v.clone()).filter(|v| !v.is_empty()))).collect();
        client.alter_topic(name, &changes).await.map_err(from_client)?;
    }
    after(client, &names).await
}

async fn delete(handle: &Handle, client: &mut Client, params: &Params) -> Refused<Value> {
    let cluster = client.cluster().await.map_err(from_client)?;
    let names = names(params)?;
    let gone =
        shown(client, &cluster, &names.iter().filter(|n| cluster.topics.contains_key(*n)).cloned().collect())
            .await?;
    for name in &names {
        drop_topic(handle, client, name).await?;
    }
    Ok(gone)
}

async fn rebalance(handle: &Handle, client: &mut Client, params: &Params) -> Refused<Value> {
    let moving = client.reassignments().await.map_err(from_client)?;
    let state = |left: &[cairn_kafka_client::Ongoing]| -> String {
        left.iter()
            .map(|o| format!("{}:{} {:?} -> {:?}", o.topic, o.partition, o.removing, o.adding))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let answer = |status: &str, state: String, error: &str| json!({ "status": status, "state": state, "error": error });
    let Some(topics) = params.get("topic") else {
        let status = if moving.is_empty() { "idle" } else { "running" };
        return Ok(answer(status, state(&moving), ""));
    };
    let timeout = params.timeout(Duration::ZERO)?;
    let cluster = client.cluster().await.map_err(from_client)?;
    let names = matching(&cluster, Some(topics));
    let copies = params.number::<i64>("replicas")?.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
    if let Err(problem) = spread_out(handle, client, &names, params.get("broker"), copies).await {
        return Ok(answer("failed", String::new(), &problem.detail));
    }
    if timeout.is_zero() {
        let left = client.reassignments().await.map_err(from_client)?;
        return Ok(answer("started", state(&left), ""));
    }
    let finished = async {
        loop {
            let left = client.reassignments().await.map_err(from_client)?;
            if !left.iter().any(|o| names.contains(&o.topic)) {
                return Ok::<_, Problem>(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    Ok(match tokio::time::timeout(timeout, finished).await {
        Ok(done) => done.map(|()| answer("completed", String::new(), ""))?,
        Err(_) => answer("timeout", String::new(), "the moves go on"),
    })
}

pub(super) async fn partitions(
    State(handle): State<Handle>,
    Path(verb): Path<String>,
    params: Params,
) -> Refused<Json<Value>> {
    if verb != "list" {
        return Err(Problem::not_found("unknown-verb", format!("there is no /api/partition/{verb}"))
            .hint("verbs: list"));
    }
    let mut client = client(&handle).await?;
    let cluster = client.cluster().await.map_err(from_client)?;
    let names = matching(&cluster, params.get("topic"));
    let mut topics = Map::new();
    for name in names {
        let partitions = cluster.topics.get(&name).map(|t| t.partitions.clone()).unwrap_or_default();
        let shown: Vec<Value> = partitions
            .iter()
            .map(|(id, p)| {
                json!({
                    "id": id, "leader": p.leader.unwrap_or(-1), "expectedLeader": p.replicas.first(),
                    "replicas": p.replicas, "isr": p.isr,
                })
            })
            .collect();
        topics.insert(name, shown.into());
    }
    Ok(Json(json!({ "topics": topics })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_kafka_client::{PartitionState, TopicState};

    #[test]
    fn topics_look_as_they_used_to() {
        let mut cluster = Cluster::default();
        let p =
            |replicas: &[i32]| PartitionState { replicas: replicas.to_vec(), ..PartitionState::default() };
        let partitions = [(0, p(&[0, 1])), (1, p(&[1, 0]))].into();
        cluster.topics.insert("logs-a".into(), TopicState { internal: false, partitions });
        cluster.topics.insert("other".into(), TopicState::default());
        let entry = |own| ConfigEntry { value: Some("5".into()), own };
        let configs = [("retention.ms".to_owned(), entry(true)), ("default".to_owned(), entry(false))].into();
        assert_eq!(
            topic(&cluster, "logs-a", &configs),
            json!({ "name": "logs-a", "partitions": { "0": [0, 1], "1": [1, 0] }, "options": "retention.ms=5" })
        );
        assert_eq!(matching(&cluster, Some("logs-*")).into_iter().collect::<Vec<_>>(), ["logs-a"]);
        assert_eq!(matching(&cluster, None).len(), 2);
    }
}

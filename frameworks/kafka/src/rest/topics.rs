//! `/v1/topics`. Topics that are declared in the options are changed there and kept as declared; all others belong to
//! whoever creates them: they are changed in Kafka itself, and never touched otherwise.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use cairn_framework::kit::{Scalar, Settings};
use cairn_framework::rest::{Api, Body, Problem, accepted};
use cairn_framework::{Handle, Refused};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::partitions::{View as PartitionView, views};
use super::problems::from_client;
use super::{client, options};
use crate::broker::BROKERS;
use crate::options::{Options, Topic, topic_name};
use cairn_kafka_client::declared::{Change, changes, differs};
use cairn_kafka_client::reassign::{Brokers, current, spread};
use cairn_kafka_client::{Assignment, Client, Cluster, ConfigEntry, NewTopic};

pub(super) fn api(api: Api) -> Api {
    let made = "Create one: {name, partitions?, replication?, config?}";
    let changed = "Change partitions (up), replication, config (null resets)";
    let gone = "Delete a topic that is not declared, with all its records";
    let shown = "A topic with its partitions";
    let spread = "Spread it evenly: {brokers?, replication?}";
    api.at("/v1/topics", get(list).post(create), &[("get", "All topics"), ("post", made)])
        .at(
            "/v1/topics/{name}",
            get(show).patch(patch).delete(delete),
            &[("get", shown), ("patch", changed), ("delete", gone)],
        )
        .at("/v1/topics/{name}/rebalance", post(rebalance), &[("post", spread)])
}

/// A topic.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    name: String,
    partitions: usize,
    replication: usize,
    /// It is Kafka's own.
    internal: bool,
    /// The options declare it, and it is kept so.
    declared: bool,
    /// How it differs from its declaration, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    differs: Option<String>,
    under_replicated: usize,
    /// Settings that were set for it.
    config: BTreeMap<String, String>,
    /// In detail, where one topic was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    assignment: Option<Vec<PartitionView>>,
}

fn view(
    name: &str,
    cluster: &Cluster,
    config: &BTreeMap<String, ConfigEntry>,
    declared: Option<&Topic>,
) -> View {
    let topic = cluster.topics.get(name).cloned().unwrap_or_default();
    let own = config.iter().filter(|(_, e)| e.own);
    View {
        name: name.to_owned(),
        partitions: topic.partitions.len(),
        replication: topic.replication(),
        internal: topic.internal,
        declared: declared.is_some(),
        differs: declared.and_then(|d| differs(&d.new_topic(Vec::new()), &topic)),
        under_replicated: topic.partitions.values().filter(|p| p.isr.len() < p.replicas.len()).count(),
        config: own.map(|(k, e)| (k.clone(), e.value.clone().unwrap_or_default())).collect(),
        assignment: None,
    }
}

async fn list(State(handle): State<Handle>) -> Refused<Json<Value>> {
    let declared = options(&handle.published())?.topics;
    let mut client = client(&handle).await?;
    let cluster = client.cluster().await.map_err(from_client)?;
    let names: BTreeSet<String> = cluster.topics.keys().cloned().collect();
    let configs = client.topic_configs(&names, None).await.map_err(from_client)?;
    let none = BTreeMap::new();
    let all: Vec<View> = names
        .iter()
        .map(|name| view(name, &cluster, configs.get(name).unwrap_or(&none), declared.get(name)))
        .collect();
    Ok(Json(json!({ "topics": all })))
}

async fn show(State(handle): State<Handle>, Path(name): Path<String>) -> Refused<Json<Value>> {
    let mut client = client(&handle).await?;
    Ok(Json(json!(one(&handle, &mut client, &name).await?)))
}

async fn one(handle: &Handle, client: &mut Client, name: &str) -> Refused<View> {
    let declared = options(&handle.published())?.topics;
    let cluster = existing(client, name).await?;
    let ongoing = client.reassignments().await.map_err(from_client)?;
    let configs = client.topic_configs(&[name.to_owned()].into(), None).await.map_err(from_client)?;
    let none = BTreeMap::new();
    let mut view = view(name, &cluster, configs.get(name).unwrap_or(&none), declared.get(name));
    view.assignment = Some(views(&cluster, &ongoing, |topic, _| topic == name));
    Ok(view)
}

/// The cluster, with this topic in it.
async fn existing(client: &mut Client, name: &str) -> Refused<Cluster> {
    let cluster = client.cluster().await.map_err(from_client)?;
    if cluster.topics.contains_key(name) {
        return Ok(cluster);
    }
    Err(Problem::not_found("unknown-topic", format!("there is no topic {name}"))
        .hint("GET /v1/topics lists them"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    #[serde(default = "one_of")]
    partitions: u32,
    #[serde(default = "one_of")]
    replication: u32,
    #[serde(default)]
    config: Settings,
}

fn one_of() -> u32 {
    1
}

async fn create(State(handle): State<Handle>, Body(new): Body<New>) -> Refused<Response> {
    topic_name(&new.name).map_err(Problem::bad_request)?;
    if new.partitions == 0 || new.replication == 0 {
        return Err(Problem::bad_request("`partitions` and `replication` are at least 1"));
    }
    let mut client = client(&handle).await?;
    let topic = Topic { partitions: new.partitions, replication: new.replication, config: new.config };
    client.create_topic(&new.name, &topic.new_topic(Vec::new())).await.map_err(from_client)?;
    let body = json!({ "name": new.name, "partitions": topic.partitions, "replication": topic.replication, "config": topic.config });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    partitions: Option<u32>,
    replication: Option<u32>,
    #[serde(default)]
    config: BTreeMap<String, Option<Scalar>>,
}

async fn patch(
    State(handle): State<Handle>,
    Path(name): Path<String>,
    Body(patch): Body<Patch>,
) -> Refused<Response> {
    let mut client = client(&handle).await?;
    let cluster = existing(&mut client, &name).await?;
    refuse_shrinking(&name, &patch, &cluster)?;
    reset(&mut client, &name, &patch).await?;
    if options(&handle.published())?.topics.contains_key(&name) {
        let declare = |o: &mut Options| declare(o.topics.get_mut(&name), &patch);
        return Ok(accepted(&handle.change_options(declare).await?));
    }
    change_in_kafka(&mut client, &name, &patch, cluster).await?;
    let done = one(&handle, &mut client, &name).await?;
    let code = if patch.replication.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((code, Json(done)).into_response())
}

fn refuse_shrinking(name: &str, patch: &Patch, cluster: &Cluster) -> Refused<()> {
    let has = cluster.topics.get(name).map_or(0, |t| t.partitions.len());
    match patch.partitions {
        Some(n) if (n as usize) < has => Err(Problem::conflict(
            "partitions-cannot-shrink",
            format!("topic {name} has {has} partitions, and Kafka cannot take any away"),
        )
        .hint("create another topic with fewer and copy what you need")),
        _ if patch.replication == Some(0) => Err(Problem::bad_request("`replication` is at least 1")),
        _ => Ok(()),
    }
}

/// Settings that go back to their defaults: also with a declared topic, whose declaration then no longer names them.
async fn reset(client: &mut Client, name: &str, patch: &Patch) -> Refused<()> {
    let reset: BTreeMap<String, Option<String>> =
        patch.config.iter().filter(|(_, v)| v.is_none()).map(|(k, _)| (k.clone(), None)).collect();
    if reset.is_empty() {
        return Ok(());
    }
    client.alter_topic(name, &reset).await.map_err(from_client)
}

fn declare(topic: Option<&mut Topic>, patch: &Patch) -> Refused<()> {
    let Some(topic) = topic else { return Ok(()) };
    topic.partitions = patch.partitions.unwrap_or(topic.partitions);
    topic.replication = patch.replication.unwrap_or(topic.replication);
    for (key, value) in &patch.config {
        match value {
            Some(value) => topic.config.insert(key.clone(), value.clone()),
            None => topic.config.remove(key),
        };
    }
    Ok(())
}

async fn change_in_kafka(client: &mut Client, name: &str, patch: &Patch, cluster: Cluster) -> Refused<()> {
    let there = cluster.topics.get(name).cloned().unwrap_or_default();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let wanted = NewTopic {
        partitions: patch.partitions.unwrap_or(count(there.partitions.len())),
        replication: patch.replication.unwrap_or(count(there.replication())),
        config: patch.config.iter().filter_map(|(k, v)| Some((k.clone(), v.as_ref()?.to_string()))).collect(),
        placed: Vec::new(),
    };
    if wanted.replication as usize > cluster.brokers.len() {
        let brokers = cluster.brokers.len();
        return Err(Problem::bad_request(format!(
            "replication {} needs as many brokers, and {brokers} serve",
            wanted.replication
        ))
        .hint("add brokers first: PUT /v1/brokers {\"count\": N}"));
    }
    let (cluster, ongoing) = match patch.replication {
        Some(_) => client.steady().await.map_err(from_client)?.ok_or_else(moving)?,
        None => (cluster, client.reassignments().await.map_err(from_client)?),
    };
    let configs = client.topic_configs(&[name.to_owned()].into(), None).await.map_err(from_client)?;
    for change in changes(name, &wanted, &cluster, configs.get(name), &ongoing) {
        // A topic that somebody deletes meanwhile is not made again.
        if change != Change::Create {
            client.carry_out(name, &wanted, &change).await.map_err(from_client)?;
        }
    }
    Ok(())
}

async fn delete(State(handle): State<Handle>, Path(name): Path<String>) -> Refused<Json<Value>> {
    let mut client = client(&handle).await?;
    drop_topic(&handle, &mut client, &name).await?;
    Ok(Json(json!({ "deleted": name })))
}

pub(super) async fn drop_topic(handle: &Handle, client: &mut Client, name: &str) -> Refused<()> {
    let cluster = existing(client, name).await?;
    if options(&handle.published())?.topics.contains_key(name) {
        return Err(Problem::conflict(
            "topic-declared",
            format!("topic {name} is declared and would be created again"),
        )
        .hint("take it out of `topics` first (in the stack file, or with PUT /v1/config), then delete it"));
    }
    if cluster.topics.get(name).is_some_and(|t| t.internal) {
        return Err(Problem::conflict("topic-internal", format!("topic {name} is Kafka's own")));
    }
    client.delete_topic(name).await.map_err(from_client)
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
    let declared = options(&handle.published())?.topics;
    if let (Some(copies), Some(topic)) = (body.replication, declared.get(&name))
        && copies != topic.replication
    {
        return Err(Problem::conflict(
            "topic-declared",
            format!("topic {name} is declared with replication {}", topic.replication),
        )
        .hint("change the declaration: PATCH /v1/topics/{name} {\"replication\": N}"));
    }
    let mut client = client(&handle).await?;
    existing(&mut client, &name).await?;
    let moves =
        spread_out(&handle, &mut client, &[name].into(), body.brokers.as_deref(), body.replication).await?;
    let shown: Vec<Value> = moves
        .iter()
        .map(|m| json!({ "topic": m.topic, "partition": m.partition, "replicas": m.replicas }))
        .collect();
    let code = if moves.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((code, Json(json!({ "moves": shown, "watch": "/v1/partitions" }))).into_response())
}

/// Spreads topics evenly over brokers; what moves.
pub(super) async fn spread_out(
    handle: &Handle,
    client: &mut Client,
    topics: &BTreeSet<String>,
    brokers: Option<&str>,
    replication: Option<u32>,
) -> Refused<Vec<Assignment>> {
    let steady = client.steady().await.map_err(from_client)?;
    let (cluster, ongoing) = steady.ok_or_else(moving)?;
    if let Some(busy) = ongoing.iter().find(|o| topics.contains(&o.topic)) {
        return Err(Problem::conflict(
            "rebalance-running",
            format!("partitions of topic {} are moving already", busy.topic),
        )
        .hint("GET /v1/partitions shows how far it is"));
    }
    let over = over(handle, &cluster, brokers)?;
    let of_topics: Vec<Assignment> =
        current(&cluster, &ongoing).into_iter().filter(|a| topics.contains(&a.topic)).collect();
    let moves = spread(&of_topics, &over, replication.map(|n| n as usize)).map_err(|e| {
        Problem::conflict("too-few-brokers", e.to_string()).hint("add brokers, or lower the replication")
    })?;
    if moves.is_empty() {
        let mut led: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        of_topics.iter().for_each(|a| led.entry(a.topic.clone()).or_default().push(a.partition));
        client.elect_preferred(&led).await.map_err(from_client)?;
    } else {
        client.reassign(&moves).await.map_err(from_client)?;
    }
    Ok(moves)
}

fn moving() -> Problem {
    Problem::conflict("rebalance-running", "partitions are moving right now")
        .hint("GET /v1/partitions shows how far it is")
}

/// The brokers to spread over: those of the target that serve, or what the request names of them.
fn over(handle: &Handle, cluster: &Cluster, brokers: Option<&str>) -> Refused<Brokers> {
    let published = handle.published();
    let target = options(&published)?.broker_ids();
    let meant = BROKERS.chosen(brokers.unwrap_or("*"), &target, &published.view)?;
    let live =
        cluster.brokers.iter().filter(|(id, _)| u32::try_from(**id).is_ok_and(|id| meant.contains(&id)));
    Ok(live.map(|(id, node)| (*id, node.rack.clone())).collect())
}

//! `/v1/brokers`.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use cairn_framework::rest::{Body, Problem, accepted};
use cairn_framework::{Command, Handle, Phase, Published, Refused};
use cairn_units::Size;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{chosen, cluster_if_there, edit, known_ids, options};
use crate::broker::{Broker, instance_name};
use crate::client::Cluster;
use crate::ids::Ids;
use crate::options::{Options, Settings};
use crate::task::CLIENT_PORT;

pub(super) fn routes() -> Router<Handle> {
    Router::new()
        .route("/v1/brokers", get(list).put(resize).post(add))
        .route("/v1/brokers/{ids}", get(show).patch(patch).delete(remove))
        .route("/v1/brokers/{ids}/{verb}", post(act))
}

/// A broker, as configured and as it is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    id: u32,
    instance: String,
    phase: Phase,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    hostname: Option<String>,
    /// `host:port` for clients.
    endpoint: Option<String>,
    name: String,
    attributes: BTreeMap<String, String>,
    task_id: Option<String>,
    failures: u32,
    needs_restart: bool,
    /// It is the active controller; absent while the cluster does not answer.
    controller: Option<bool>,
    /// Copies of partitions it holds.
    partitions: Option<usize>,
    /// Partitions it leads.
    leads: Option<usize>,
    /// Partitions it holds without being in sync.
    out_of_sync: Option<usize>,
    cpus: f64,
    mem: Size,
    heap: Size,
    disk: Size,
    constraints: Vec<String>,
    options: Settings,
    jvm_options: Vec<String>,
}

fn view(published: &Published, options: &Options, cluster: Option<&Cluster>, id: u32) -> View {
    let instance = instance_name(id);
    let broker = Broker::of(options, id);
    let status = published.view.instances.get(&instance).cloned().unwrap_or_default();
    let idle = options.idle.contains(&id);
    let message = if idle { "configured, not started yet".into() } else { status.message };
    let place = status.placement;
    let number = i32::try_from(id).unwrap_or(i32::MAX);
    let count = |which: fn(i32, &crate::client::PartitionState) -> bool| {
        cluster.map(|c| c.partitions_on(number).filter(|(_, _, p)| which(number, p)).count())
    };
    View {
        id,
        phase: if idle { Phase::Stopped } else { status.phase },
        message,
        hostname: place.as_ref().map(|p| p.hostname.clone()),
        endpoint: place.as_ref().and_then(|p| p.endpoint(CLIENT_PORT)),
        name: published.view.dns(&instance),
        attributes: place.map(|p| p.attributes).unwrap_or_default(),
        task_id: status.task_id,
        failures: status.failures,
        needs_restart: status.needs_restart,
        controller: cluster.map(|c| c.controller == Some(number)),
        partitions: count(|_, _| true),
        leads: count(|id, p| p.leader == Some(id)),
        out_of_sync: count(|id, p| !p.isr.contains(&id)),
        cpus: broker.cpus,
        mem: broker.mem,
        heap: broker.heap,
        disk: options.disk,
        constraints: broker.constraints,
        options: broker.options,
        jvm_options: broker.jvm_options,
        instance,
    }
}

async fn list(State(handle): State<Handle>) -> Refused<Json<Value>> {
    let cluster = cluster_if_there(&handle).await;
    let published = handle.published();
    let options = options(&published)?;
    let all: Vec<View> = known_ids(&published, &options)
        .into_iter()
        .map(|id| view(&published, &options, cluster.as_ref(), id))
        .collect();
    Ok(Json(json!({ "brokers": all })))
}

/// One broker as itself, several as a list.
async fn show(State(handle): State<Handle>, Path(text): Path<String>) -> Refused<Json<Value>> {
    let cluster = cluster_if_there(&handle).await;
    let published = handle.published();
    let options = options(&published)?;
    let ids = chosen(&published, &text, &known_ids(&published, &options))?;
    let mut views: Vec<View> =
        ids.into_iter().map(|id| view(&published, &options, cluster.as_ref(), id)).collect();
    if text.trim().parse::<u32>().is_ok() && views.len() == 1 {
        return Ok(Json(json!(views.remove(0))));
    }
    Ok(Json(json!({ "brokers": views })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    count: u32,
}

async fn resize(State(handle): State<Handle>, Body(body): Body<Count>) -> Refused<Response> {
    Ok(accepted(&edit::change(&handle, |o| edit::set_count(o, body.count)).await?))
}

async fn add(State(handle): State<Handle>, Body(body): Body<Value>) -> Refused<Response> {
    let mut body = body;
    let id = body.as_object_mut().and_then(|fields| fields.remove("id"));
    let id = match id {
        None | Some(Value::Null) => None,
        Some(id) => Some(read_id(&id)?),
    };
    let done = edit::change(&handle, |options| {
        let mut ids = options.broker_ids();
        let id = id.unwrap_or_else(|| edit::free_id(options, &ids));
        if !ids.insert(id) || options.idle.contains(&id) {
            return Err(Problem::conflict("broker-exists", format!("there is a broker {id} already"))
                .hint("leave `id` out to take the next free one"));
        }
        options.set_broker_ids(ids);
        let one: Ids = id.to_string().parse().map_err(Problem::bad_request)?;
        edit::patch(options, &one, one.named(), &body)
    });
    Ok(accepted(&done.await?))
}

fn read_id(id: &Value) -> Refused<u32> {
    let number = match id {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|n| u32::try_from(n).ok()),
    };
    number.ok_or_else(|| {
        Problem::bad_request(format!("{id} is not a broker id")).hint("a whole number from 0 to 999")
    })
}

async fn patch(
    State(handle): State<Handle>,
    Path(text): Path<String>,
    Body(body): Body<Value>,
) -> Refused<Response> {
    let ids: Ids = text.parse().map_err(Problem::bad_request)?;
    let published = handle.published();
    let chosen = chosen(&published, &text, &configured(&options(&published)?))?;
    Ok(accepted(&edit::change(&handle, |options| edit::patch(options, &ids, &chosen, &body)).await?))
}

/// Brokers that are there to be changed: those on their way out are not.
fn configured(options: &Options) -> std::collections::BTreeSet<u32> {
    let mut ids = options.broker_ids();
    ids.extend(&options.idle);
    ids
}

async fn remove(State(handle): State<Handle>, Path(text): Path<String>) -> Refused<Response> {
    let published = handle.published();
    let leaving = chosen(&published, &text, &configured(&options(&published)?))?;
    Ok(accepted(&edit::change(&handle, |options| edit::remove(options, &leaving)).await?))
}

#[derive(Deserialize)]
struct Force {
    #[serde(default)]
    force: bool,
}

async fn act(
    State(handle): State<Handle>,
    Path((text, verb)): Path<(String, String)>,
    Query(query): Query<Force>,
) -> Refused<Response> {
    let published = handle.published();
    let options = options(&published)?;
    let ids = chosen(&published, &text, &configured(&options))?;
    if verb == "start" {
        return Ok(accepted(&start(&handle, &options, &ids).await?));
    }
    let instances = ids.difference(&options.idle).map(|id| instance_name(*id)).collect();
    let command = match verb.as_str() {
        "stop" => Command::Stop { instances, force: query.force },
        "restart" => Command::Restart(instances),
        _ => {
            return Err(Problem::not_found("unknown-verb", format!("there is no verb {verb}"))
                .hint("verbs: start, stop, restart"));
        }
    };
    Ok(accepted(&handle.command(command).await?))
}

/// Starts brokers, also those that were configured only.
pub(super) async fn start(
    handle: &Handle,
    options: &Options,
    ids: &std::collections::BTreeSet<u32>,
) -> Refused<cairn_framework::Accepted> {
    if options.idle.iter().any(|id| ids.contains(id)) {
        edit::change(handle, |options| {
            let mut running = options.broker_ids();
            running.extend(options.idle.iter().filter(|id| ids.contains(id)));
            options.idle.retain(|id| !ids.contains(id));
            options.set_broker_ids(running);
            Ok(())
        })
        .await?;
    }
    handle.command(Command::Start(ids.iter().map(|id| instance_name(*id)).collect())).await
}

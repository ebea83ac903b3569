//! `/v1/nodes`, under the name that the service gives its nodes: served by the SDK for every framework that has
//! [`crate::Service::nodes`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use cairn_units::Size;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::skeleton::{unknown_verb, verb_command};
use super::{Body, Problem, Refused, accepted};
use crate::kit::{Ids, Nodes, idle};
use crate::{Accepted, Command, Handle, Phase, Published, Service};

/// How long a listing waits for what the service itself says; then it goes without.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Serving {
    service: Arc<dyn Service>,
    handle: Handle,
    nodes: Nodes,
}

/// The routes of all kinds of nodes that a service has.
pub(crate) fn routes(service: &Arc<dyn Service>, handle: &Handle) -> Router {
    service.nodes().into_iter().fold(Router::new(), |router, nodes| {
        let path = format!("/v1/{}", nodes.many);
        let serving = Serving { service: Arc::clone(service), handle: handle.clone(), nodes };
        let routes = Router::new()
            .route(&path, get(list).put(resize).post(add))
            .route(&format!("{path}/{{ids}}"), get(show).patch(patch).delete(remove))
            .route(&format!("{path}/{{ids}}/{{verb}}"), post(act))
            .with_state(serving);
        router.merge(routes)
    })
}

/// The same for `/openapi.json`: method, path, what it does.
pub(crate) fn resources(nodes: &Nodes) -> Vec<(&'static str, String, String)> {
    let Nodes { many, overrides, .. } = nodes;
    let (all, some) = (format!("/v1/{many}"), format!("/v1/{many}/{{ids}}"));
    let fields = overrides.iter().map(|f| format!(", {f}?")).collect::<String>();
    let mut resources = vec![
        ("get", all.clone(), format!("All {many}")),
        ("put", all.clone(), "Set their number: {count}".to_owned()),
        ("post", all, format!("Add one: {{id?{fields}}}")),
        ("get", some.clone(), format!("Some {many}: 0 or 0,2 or 0..4 or * or 0..4[rack=r1]")),
        ("delete", some.clone(), "Take them out when that is safe; their volumes stay".to_owned()),
        ("post", format!("{some}/{{verb}}"), "start, stop?force=true, restart, replace".to_owned()),
    ];
    if !overrides.is_empty() {
        let text = format!("Change {}; null resets; * is for those to come too", overrides.join(", "));
        resources.push(("patch", some, text));
    }
    resources
}

impl Serving {
    fn known(&self, published: &Published) -> BTreeSet<u32> {
        self.nodes.listed(&published.config.options, &published.status.instances)
    }

    /// Nodes that are there to be changed.
    fn chosen(&self, text: &str) -> Refused<BTreeSet<u32>> {
        let published = self.handle.published();
        let known = self.nodes.configured(&published.config.options, &published.view);
        self.nodes.chosen(text, &known, &published.view)
    }

    /// Everything about these nodes.
    async fn views(&self, published: &Published, ids: &BTreeSet<u32>) -> Vec<Value> {
        let describe = self.service.describe(&published.config, &published.view);
        let described = tokio::time::timeout(PATIENCE, describe).await.unwrap_or_default();
        let model = self.service.model(&published.config).unwrap_or_default();
        let idle = idle(&published.config.options);
        let view = |id: &u32| {
            let name = self.nodes.instance(*id);
            let mut fields = general(&self.nodes, published, *id, idle.contains(id));
            if let Some(spec) = model.instances.iter().find(|i| i.name == name) {
                fields.insert("cpus".into(), spec.cpus.into());
                fields.insert("mem".into(), spec.mem.into());
                let disk = Some(spec.volumes.iter().map(|volume| volume.size).sum()).filter(|disk| *disk > 0);
                fields.extend(disk.map(|disk| ("disk".to_owned(), json!(Size::from_mib(disk)))));
            }
            for own in [Some((self.nodes.shown)(&published.config, *id)).as_ref(), described.get(&name)] {
                fields.extend(own.and_then(Value::as_object).cloned().unwrap_or_default());
            }
            published.secrets.mask(&Value::Object(fields))
        };
        ids.iter().map(view).collect()
    }
}

/// What the SDK knows about a node.
fn general(nodes: &Nodes, published: &Published, id: u32, idle: bool) -> Map<String, Value> {
    let name = nodes.instance(id);
    let status = published.view.instances.get(&name).cloned().unwrap_or_default();
    let place = status.placement.unwrap_or_default();
    let message = if idle { "configured, not started yet" } else { &status.message };
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let fields = json!({
        "id": id,
        "instance": name,
        "phase": if idle { Phase::Stopped } else { status.phase },
        "message": message,
        "hostname": filled(&place.hostname),
        "address": filled(&place.address),
        "ports": place.ports,
        "endpoint": place.endpoint(nodes.port),
        "name": published.view.dns(&name),
        "attributes": place.attributes,
        "taskId": status.task_id,
        "failures": status.failures,
        "needsRestart": status.needs_restart,
    });
    match fields {
        Value::Object(mut fields) => {
            fields.retain(|key, value| key != "message" || value != "");
            fields
        }
        _ => Map::new(),
    }
}

async fn list(State(serving): State<Serving>) -> Json<Value> {
    let published = serving.handle.published();
    let all = serving.views(&published, &serving.known(&published)).await;
    Json(BTreeMap::from([(serving.nodes.many, all)]).into_iter().collect())
}

/// One node as itself, several as a list.
async fn show(State(serving): State<Serving>, Path(text): Path<String>) -> Refused<Json<Value>> {
    let published = serving.handle.published();
    let ids = serving.nodes.chosen(&text, &serving.known(&published), &published.view)?;
    let mut views = serving.views(&published, &ids).await;
    if text.trim().parse::<u32>().is_ok() && views.len() == 1 {
        return Ok(Json(views.remove(0)));
    }
    Ok(Json(BTreeMap::from([(serving.nodes.many, views)]).into_iter().collect()))
}

/// The body of `PUT` where a number of nodes is set: `{"count": 3}`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// How many there are to be.
    pub count: u32,
}

async fn resize(State(serving): State<Serving>, Body(body): Body<Count>) -> Refused<Response> {
    let Serving { handle, nodes, .. } = serving;
    let done = handle.edit(|view, options| nodes.resize(options, view, body.count)).await?;
    Ok(accepted(&done))
}

async fn add(State(serving): State<Serving>, Body(body): Body<Value>) -> Refused<Response> {
    let Serving { handle, nodes, .. } = serving;
    let mut fields = body;
    let id = fields.as_object_mut().and_then(|fields| fields.remove("id")).unwrap_or_default();
    let id = if id.is_null() { None } else { Some(read_id(&id, &nodes)?) };
    let done = handle.edit(|view, options| nodes.add(options, view, id, &fields).map(drop)).await?;
    Ok(accepted(&done))
}

fn read_id(id: &Value, nodes: &Nodes) -> Refused<u32> {
    let number = match id {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|n| u32::try_from(n).ok()),
    };
    number.filter(|id| *id >= nodes.first).ok_or_else(|| {
        Problem::bad_request(format!("{id} is not the id of a {}", nodes.one))
            .hint(format!("a whole number from {} on", nodes.first))
    })
}

async fn patch(
    State(serving): State<Serving>,
    Path(text): Path<String>,
    Body(fields): Body<Value>,
) -> Refused<Response> {
    let ids: Ids = text.parse().map_err(Problem::bad_request)?;
    let chosen = serving.chosen(&text)?;
    let Serving { handle, nodes, .. } = serving;
    let done = handle.edit(|_, options| nodes.patch(options, &ids, &chosen, &fields)).await?;
    Ok(accepted(&done))
}

async fn remove(State(serving): State<Serving>, Path(text): Path<String>) -> Refused<Response> {
    let leaving = serving.chosen(&text)?;
    let Serving { handle, nodes, .. } = serving;
    let done = handle.edit(|view, options| nodes.remove(options, view, &leaving)).await?;
    Ok(accepted(&done))
}

#[derive(Deserialize)]
struct Force {
    #[serde(default)]
    force: bool,
}

async fn act(
    State(serving): State<Serving>,
    Path((text, verb)): Path<(String, String)>,
    Query(query): Query<Force>,
) -> Refused<Response> {
    let ids = serving.chosen(&text)?;
    let Serving { handle, nodes, .. } = serving;
    if verb == "start" {
        return Ok(accepted(&start(&handle, &nodes, &ids).await?));
    }
    let idle = idle(&handle.published().config.options);
    let mut instances: Vec<String> = ids.difference(&idle).map(|id| nodes.instance(*id)).collect();
    let command = match verb.as_str() {
        "replace" if instances.len() == 1 => Command::Replace(instances.remove(0)),
        "replace" => {
            return Err(Problem::bad_request(format!("`{text}` is not one {}", nodes.one))
                .hint("its data is given up, so each is replaced by itself"));
        }
        other => verb_command(other, instances, query.force)
            .ok_or_else(|| unknown_verb(other, "start, stop, restart, replace"))?,
    };
    Ok(accepted(&handle.command(command).await?))
}

/// Starts nodes, also those that were only configured.
///
/// # Errors
/// The scheduler refuses the change of its options, or the command.
pub async fn start(handle: &Handle, nodes: &Nodes, ids: &BTreeSet<u32>) -> Refused<Accepted> {
    if !idle(&handle.published().config.options).is_disjoint(ids) {
        handle.edit(|view, options| nodes.wake(options, view, ids)).await?;
    }
    handle.command(Command::Start(ids.iter().map(|id| nodes.instance(*id)).collect())).await
}

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
    let named = if nodes.groups { ", or instances of groups: hot-0" } else { "" };
    let mut resources = vec![
        ("get", all.clone(), format!("All {many}")),
        ("put", all.clone(), "Set their number: {count}".to_owned()),
        ("post", all, format!("Add one: {{id?{fields}}}")),
        ("get", some.clone(), format!("Some {many}: 0 or 0,2 or 0..4 or * or 0..4[rack=r1]{named}")),
        ("delete", some.clone(), "Take them out when that is safe; their volumes stay".to_owned()),
        ("post", format!("{some}/{{verb}}"), "start, stop?force=true, restart, replace".to_owned()),
    ];
    if !overrides.is_empty() {
        let text = format!("Change {}; null resets; * is for those to come too", overrides.join(", "));
        resources.push(("patch", some, text));
    }
    resources
}

/// Nodes that are meant: numbered ones by id, those in groups by instance.
type Meant = (BTreeSet<u32>, BTreeSet<String>);

impl Serving {
    /// All that is listed.
    fn known(&self, published: &Published) -> Meant {
        let instances = &published.status.instances;
        let grouped = self.nodes.in_groups(instances.iter().map(|instance| &instance.name));
        (self.nodes.listed(&published.config.options, instances), grouped)
    }

    /// Numbered nodes that are there to be changed.
    fn chosen(&self, text: &str) -> Refused<BTreeSet<u32>> {
        let published = self.handle.published();
        self.without_groups(text)?;
        let known = self.nodes.configured(&published.config.options, &published.view);
        self.nodes.chosen(text, &known, &published.view)
    }

    /// 409 if it names nodes of groups: those are as their group is.
    fn without_groups(&self, text: &str) -> Refused<()> {
        let named = Ids::with_instances(text).ok().filter(|_| self.nodes.groups);
        let Some(instance) = named.and_then(|ids| ids.instances().first().cloned()) else { return Ok(()) };
        let what = format!("{instance} is as its group is, and changes with that");
        let problem = Problem::conflict(&format!("{}-of-a-group", self.nodes.one), what);
        Err(problem.hint("change the option `groups`, in the stack's file or by PUT /v1/config"))
    }

    /// All that are there to be told something, with the names of their instances.
    fn meant(&self, text: &str) -> Refused<Meant> {
        let published = self.handle.published();
        let known = self.nodes.configured(&published.config.options, &published.view);
        let grouped = self.nodes.in_groups(&published.view.target);
        self.nodes.chosen_of_all(text, &known, &grouped, &published.view)
    }

    /// Everything about these nodes.
    async fn views(&self, published: &Published, (ids, grouped): &Meant) -> Vec<Value> {
        let describe = self.service.describe(&published.config, &published.view);
        let described = tokio::time::timeout(PATIENCE, describe).await.unwrap_or_default();
        let model = self.service.model(&published.config).unwrap_or_default();
        let idle = idle(&published.config.options);
        let view = |name: String, idle: bool| {
            let mut fields = general(&self.nodes, published, &name, idle);
            if let Some(spec) = model.instances.iter().find(|i| i.name == name) {
                fields.insert("cpus".into(), spec.cpus.into());
                fields.insert("mem".into(), spec.mem.into());
                let disk = Some(spec.volumes.iter().map(|volume| volume.size).sum()).filter(|disk| *disk > 0);
                fields.extend(disk.map(|disk| ("disk".to_owned(), json!(Size::from_mib(disk)))));
            }
            for own in [Some((self.nodes.shown)(&published.config, &name)).as_ref(), described.get(&name)] {
                fields.extend(own.and_then(Value::as_object).cloned().unwrap_or_default());
            }
            published.secrets.mask(&Value::Object(fields))
        };
        let numbered = ids.iter().map(|id| (self.nodes.instance(*id), idle.contains(id)));
        let all = numbered.chain(grouped.iter().map(|name| (name.clone(), false)));
        all.map(|(name, idle)| view(name, idle)).collect()
    }
}

/// What the SDK knows about a node.
fn general(nodes: &Nodes, published: &Published, name: &str, idle: bool) -> Map<String, Value> {
    let id = nodes.id(name);
    let status = published.view.instances.get(name).cloned().unwrap_or_default();
    let place = status.placement.unwrap_or_default();
    let message = if idle { "configured, not started yet" } else { &status.message };
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let fields = json!({
        "id": id,
        "group": if id.is_none() { name.rsplit_once('-').map(|(group, _)| group) } else { None },
        "instance": name,
        "phase": if idle { Phase::Stopped } else { status.phase },
        "message": message,
        "hostname": filled(&place.hostname),
        "address": filled(&place.address),
        "ports": place.ports,
        "endpoint": place.endpoint(nodes.port),
        "name": published.view.dns(name),
        "attributes": place.attributes,
        "taskId": status.task_id,
        "failures": status.failures,
        "needsRestart": status.needs_restart,
    });
    match fields {
        Value::Object(mut fields) => {
            fields.retain(|key, value| match key.as_str() {
                "message" => value != "",
                "group" => !value.is_null(),
                _ => true,
            });
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
    let (ids, grouped) = serving.known(&published);
    let meant = serving.nodes.chosen_of_all(&text, &ids, &grouped, &published.view)?;
    let mut views = serving.views(&published, &meant).await;
    let is_one = text.trim().parse::<u32>().is_ok() || grouped.contains(text.trim());
    if is_one && views.len() == 1 {
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
    let chosen = serving.chosen(&text)?;
    let ids: Ids = text.parse().map_err(Problem::bad_request)?;
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
    let (ids, grouped) = serving.meant(&text)?;
    let Serving { handle, nodes, .. } = serving;
    if verb == "start" {
        return Ok(accepted(&start(&handle, &nodes, &ids, grouped).await?));
    }
    let idle = idle(&handle.published().config.options);
    let numbered = ids.difference(&idle).map(|id| nodes.instance(*id));
    let mut instances: Vec<String> = numbered.chain(grouped).collect();
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

/// Starts nodes, also those that were only configured: numbered ones by id, those in groups by instance.
///
/// # Errors
/// The scheduler refuses the change of its options, or the command.
pub async fn start(
    handle: &Handle,
    nodes: &Nodes,
    ids: &BTreeSet<u32>,
    grouped: BTreeSet<String>,
) -> Refused<Accepted> {
    if !idle(&handle.published().config.options).is_disjoint(ids) {
        handle.edit(|view, options| nodes.wake(options, view, ids)).await?;
    }
    let instances = ids.iter().map(|id| nodes.instance(*id)).chain(grouped);
    handle.command(Command::Start(instances.collect())).await
}

#[cfg(test)]
mod tests {
    use tokio::sync::{mpsc, watch};

    use super::*;
    use crate::driver::handle::Request;
    use crate::rest::stub::Stub;
    use crate::{InstanceSpec, InstanceStatus, Model, View};

    /// What serves `node-0`, `hot-0` and `hot-1`, of which the last is on its way out, and what it asks the core for.
    fn serving() -> (Serving, mpsc::Receiver<Request>) {
        let instance = |name: &str| InstanceStatus { name: name.into(), ..InstanceStatus::default() };
        let mut published = Published::default();
        published.status.instances = ["hot-0", "hot-1", "node-0"].map(instance).into();
        let target = ["node-0", "hot-0"].map(str::to_owned).into();
        published.view = View { target, ..View::default() }.into();
        let (requests, asked) = mpsc::channel(8);
        let (_, published) = watch::channel(Arc::new(published));
        let handle = Handle { requests, published, board: Arc::default(), lateness: Arc::default() };
        let nodes = Nodes { groups: true, gaps: true, ..Nodes::new("node", "nodes") };
        let hot = InstanceSpec { name: "hot-0".into(), mem: 512.0, ..InstanceSpec::default() };
        let model = Model { instances: vec![hot], ..Model::default() };
        (Serving { service: Arc::new(Stub { model, nodes: Vec::new() }), handle, nodes }, asked)
    }

    #[tokio::test]
    async fn nodes_of_groups_are_listed_and_shown_by_name() {
        let (serving, _asked) = serving();
        let Json(listed) = list(State(serving.clone())).await;
        let each: Vec<_> = listed["nodes"].as_array().unwrap().iter().collect();
        let of = |node: &Value| json!([node["instance"], node["id"], node.get("group")]);
        let expected = json!([["node-0", 0, null], ["hot-0", null, "hot"], ["hot-1", null, "hot"]]);
        assert_eq!(each.iter().map(|node| of(node)).collect::<Value>(), expected);
        let one = async |text: &str| show(State(serving.clone()), Path(text.to_owned())).await;
        let Json(hot) = one("hot-0").await.unwrap();
        assert_eq!((&hot["instance"], &hot["mem"]), (&json!("hot-0"), &json!(512.0)));
        let Json(both) = one("0,hot-0").await.unwrap();
        assert_eq!(both["nodes"].as_array().map(Vec::len), Some(2));
        assert_eq!(one("cold-0").await.unwrap_err().status, 404);
    }

    #[tokio::test]
    async fn they_are_told_what_to_do_and_changed_with_their_group() {
        let (serving, mut asked) = serving();
        let mut told = async |text: &str, verb: &str| {
            let act = act(
                State(serving.clone()),
                Path((text.to_owned(), verb.to_owned())),
                Query(Force { force: false }),
            );
            let heard = async {
                match asked.recv().await {
                    Some(Request::Command(command, _)) => format!("{command:?}"),
                    _ => "nothing".to_owned(),
                }
            };
            tokio::select! {
                biased;
                command = heard => command,
                answer = act => format!("{answer:?}"),
            }
        };
        assert_eq!(told("hot-0", "replace").await, r#"Replace("hot-0")"#);
        assert_eq!(told("*", "start").await, r#"Start(["node-0", "hot-0"])"#);
        let restart = told("0,hot-0", "restart").await;
        assert!(restart.contains(r#"["node-0", "hot-0"]"#), "{restart}");
        let change = Body(json!({ "mem": 1 }));
        let refused = patch(State(serving.clone()), Path("hot-0".to_owned()), change).await.unwrap_err();
        assert_eq!((refused.status, refused.kind.as_str()), (409, "node-of-a-group"));
        let refused = remove(State(serving), Path("0,hot-0".to_owned())).await.unwrap_err();
        assert_eq!(refused.kind, "node-of-a-group");
    }
}

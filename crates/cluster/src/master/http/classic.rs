//! The endpoints from before the v1 API that tools still ask: state, its parts, metrics.
//!
//! They are made from what the operator API shows, so both always say the same.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use cairn_mesos::resources::Resources;
use cairn_mesos::v1::framework_info::capability;
use cairn_mesos::v1::master::response::{self, get_agents, get_frameworks};
use cairn_mesos::v1::master::{Call, call};
use cairn_mesos::v1::{AgentInfo, Resource, Task, TimeInfo, agent_info};
use serde_json::{Map, Value, json};

use super::Web;
use crate::classic;
use crate::master::{PROTOCOL_VERSION, Reply};
use crate::web::body::{self, Refusal};

/// What masters can do.
const CAPABILITIES: [&str; 3] = ["AGENT_UPDATE", "AGENT_DRAINING", "QUOTA_V2"];

/// States that summaries count.
const STATES: [&str; 10] = [
    "TASK_STAGING",
    "TASK_STARTING",
    "TASK_RUNNING",
    "TASK_KILLING",
    "TASK_FINISHED",
    "TASK_KILLED",
    "TASK_FAILED",
    "TASK_LOST",
    "TASK_ERROR",
    "TASK_UNREACHABLE",
];

pub(crate) fn version() -> Response {
    Json(json!({ "version": PROTOCOL_VERSION, "build_user": "cairn" })).into_response()
}

/// Where the leading master is: where this request came.
pub(crate) fn redirect(headers: &HeaderMap) -> Response {
    let host = body::header_text(headers, header::HOST).unwrap_or_default();
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, format!("//{host}"))]).into_response()
}

/// What comes after the question mark.
type Asked = BTreeMap<String, String>;

/// How many tasks are shown unless somebody asks for more, as by Mesos.
const TASKS: usize = 100;

/// Whether a thing with this id is asked for: if no one is, all are.
fn is_asked(asked: &Asked, name: &str, id: &str) -> bool {
    asked.get(name).is_none_or(|wanted| wanted == id)
}

/// The answer to a path; `None` when it is none of these.
pub(crate) async fn get(web: Web, uri: &Uri, path: &str) -> Result<Option<Response>, Refusal> {
    let Query(asked) = Query::<Asked>::try_from_uri(uri)
        .map_err(|error| Refusal::bad_request(format!("Cannot read the query: {error}")))?;
    let shown = match path {
        "/state" | "/state.json" => state(&web).await?,
        "/state-summary" => summary(&web).await?,
        "/slaves" => slaves(&web, &asked).await?,
        "/frameworks" => frameworks(&web, &asked).await?,
        "/tasks" | "/tasks.json" => tasks(&web, &asked).await?,
        "/roles" | "/roles.json" => roles(&web).await?,
        "/flags" => json!({ "flags": flags(&web).await? }),
        "/weights" => weights(&web).await?,
        "/quota" => json!(ask(&web, call::Type::GetQuota).await?.get_quota.unwrap_or_default().status),
        "/maintenance/schedule" => {
            json!(
                ask(&web, call::Type::GetMaintenanceSchedule)
                    .await?
                    .get_maintenance_schedule
                    .map(|s| s.schedule)
            )
        }
        "/maintenance/status" => {
            json!(ask(&web, call::Type::GetMaintenanceStatus).await?.get_maintenance_status.map(|s| s.status))
        }
        "/metrics/snapshot" => snapshot(&web).await?,
        "/files/debug" => json!({}),
        _ => return Ok(None),
    };
    Ok(Some(Json(shown).into_response()))
}

async fn ask(web: &Web, kind: call::Type) -> Result<cairn_mesos::v1::master::Response, Refusal> {
    let call = Call { r#type: Some(kind as i32), ..Call::default() };
    match web.operate(call, None).await? {
        Reply::Operator(answer) => Ok(*answer),
        _ => Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "The master did not tell its state")),
    }
}

/// The whole state, ready to be shown in parts.
struct State {
    frameworks: response::GetFrameworks,
    agents: response::GetAgents,
    executors: response::GetExecutors,
    /// Of each framework: tasks, unreachable ones, completed ones.
    tasks: BTreeMap<String, [Vec<Task>; 3]>,
}

async fn look(web: &Web) -> Result<State, Refusal> {
    let state = ask(web, call::Type::GetState).await?.get_state.unwrap_or_default();
    let all = state.get_tasks.unwrap_or_default();
    let mut tasks: BTreeMap<String, [Vec<Task>; 3]> = BTreeMap::new();
    for (place, list) in [all.tasks, all.unreachable_tasks, all.completed_tasks].into_iter().enumerate() {
        for task in list {
            tasks.entry(task.framework_id.value.clone()).or_default()[place].push(task);
        }
    }
    Ok(State {
        frameworks: state.get_frameworks.unwrap_or_default(),
        agents: state.get_agents.unwrap_or_default(),
        executors: state.get_executors.unwrap_or_default(),
        tasks,
    })
}

fn seconds(time: Option<&TimeInfo>) -> f64 {
    // JSON has no more than that.
    time.map_or(0.0, |time| time.nanoseconds as f64 / 1e9)
}

async fn state(web: &Web) -> Result<Value, Refusal> {
    let state = look(web).await?;
    let master = ask(web, call::Type::GetMaster).await?.get_master.unwrap_or_default();
    let info = master.master_info.unwrap_or_default();
    let active = state.agents.agents.iter().filter(|agent| agent.active).count();
    Ok(json!({
        "version": PROTOCOL_VERSION,
        "build_user": "cairn",
        "start_time": master.start_time,
        "elected_time": master.elected_time,
        "id": info.id,
        "pid": info.pid,
        "hostname": info.hostname,
        "capabilities": CAPABILITIES,
        "activated_slaves": active,
        "deactivated_slaves": state.agents.agents.len() - active,
        "unreachable_slaves": number(web, "master/slaves_unreachable").await?,
        "leader": info.pid,
        "leader_info": { "id": info.id, "pid": info.pid, "port": info.port, "hostname": info.hostname },
        "flags": flags(web).await?,
        "slaves": state.agents.agents.iter().map(agent).collect::<Vec<_>>(),
        "recovered_slaves": recovered(&state.agents.recovered_agents),
        "frameworks": state.frameworks.frameworks.iter().map(|one| full_framework(one, &state)).collect::<Vec<_>>(),
        "completed_frameworks":
            state.frameworks.completed_frameworks.iter().map(|one| full_framework(one, &state)).collect::<Vec<_>>(),
        "orphan_tasks": [],
        "unregistered_frameworks": [],
    }))
}

async fn number(web: &Web, name: &str) -> Result<f64, Refusal> {
    let metrics = ask(web, call::Type::GetMetrics).await?.get_metrics.unwrap_or_default().metrics;
    Ok(metrics.iter().find(|metric| metric.name == name).map_or(0.0, |metric| metric.value()))
}

async fn flags(web: &Web) -> Result<Value, Refusal> {
    let flags = ask(web, call::Type::GetFlags).await?.get_flags.unwrap_or_default().flags;
    Ok(flags.into_iter().map(|flag| (flag.name, json!(flag.value))).collect::<Map<_, _>>().into())
}

fn agent(agent: &get_agents::Agent) -> Value {
    let info = &agent.agent_info;
    let capability = |can: &agent_info::Capability| {
        agent_info::capability::Type::try_from(can.r#type?).ok().map(|can| can.as_str_name())
    };
    let mut shown = json!({
        "id": info.id.as_ref().map(|id| &id.value),
        "hostname": info.hostname,
        "port": info.port,
        "attributes": classic::attributes(&info.attributes),
        "pid": agent.pid,
        "registered_time": seconds(agent.registered_time.as_ref()),
        "resources": classic::amounts(&agent.total_resources),
        "used_resources": classic::amounts(&agent.allocated_resources),
        "offered_resources": classic::amounts(&agent.offered_resources),
        "reserved_resources": classic::reserved(&agent.total_resources),
        "unreserved_resources": classic::amounts(&classic::unreserved(&agent.total_resources)),
        "active": agent.active,
        "deactivated": agent.deactivated,
        "version": agent.version,
        "capabilities": agent.capabilities.iter().filter_map(capability).collect::<Vec<_>>(),
    });
    let again = agent.reregistered_time.as_ref().map(|time| seconds(Some(time)));
    let drain = agent.drain_info.map_or(Value::Null, |drain| json!(drain));
    let began = agent.estimated_drain_start_time.as_ref().map(|time| seconds(Some(time)));
    let optional = [
        ("reregistered_time", json!(again)),
        ("domain", json!(info.domain)),
        ("drain_info", drain),
        ("estimated_drain_start_time_seconds", json!(began)),
    ];
    classic::put(&mut shown, optional);
    shown
}

fn recovered(agents: &[AgentInfo]) -> Vec<Value> {
    agents
        .iter()
        .map(|info| json!({ "id": info.id.as_ref().map(|id| &id.value), "hostname": info.hostname }))
        .collect()
}

/// What summaries tell of a framework as well.
fn framework(framework: &get_frameworks::Framework) -> Value {
    let info = &framework.framework_info;
    let capabilities = info
        .capabilities
        .iter()
        .filter_map(|can| capability::Type::try_from(can.r#type?).ok().map(|can| can.as_str_name()));
    json!({
        "id": id_of(framework),
        "name": info.name,
        "used_resources": classic::amounts(&framework.allocated_resources),
        "offered_resources": classic::amounts(&framework.offered_resources),
        "capabilities": capabilities.collect::<Vec<_>>(),
        "hostname": info.hostname(),
        "webui_url": info.webui_url(),
        "active": framework.active,
        "connected": framework.connected,
        "recovered": framework.recovered,
    })
}

fn id_of(framework: &get_frameworks::Framework) -> &str {
    framework.framework_info.id.as_ref().map_or("", |id| id.value.as_str())
}

fn full_framework(one: &get_frameworks::Framework, state: &State) -> Value {
    let info = &one.framework_info;
    let none = Default::default();
    let [tasks, unreachable, completed] = state.tasks.get(id_of(one)).unwrap_or(&none);
    let list = |tasks: &[Task]| tasks.iter().map(classic::task).collect::<Vec<_>>();
    let all: Vec<Resource> = one.allocated_resources.iter().chain(&one.offered_resources).cloned().collect();
    let executors = state.executors.executors.iter().filter(|executor| {
        executor.executor_info.framework_id.as_ref().map(|id| id.value.as_str()) == Some(id_of(one))
    });
    let executor = |executor: &response::get_executors::Executor| {
        json!({
            "executor_id": executor.executor_info.executor_id.value,
            "name": executor.executor_info.name(),
            "framework_id": id_of(one),
            "slave_id": executor.agent_id.value,
            "source": executor.executor_info.source(),
            "resources": classic::amounts(&executor.executor_info.resources),
        })
    };
    let offer = |offer: &cairn_mesos::v1::Offer| {
        json!({
            "id": offer.id.value,
            "framework_id": offer.framework_id.value,
            "allocation_info": offer.allocation_info,
            "slave_id": offer.agent_id.value,
            "resources": classic::amounts(&offer.resources),
        })
    };
    let mut shown = framework(one);
    let more = json!({
        "user": info.user,
        "failover_timeout": info.failover_timeout(),
        "checkpoint": info.checkpoint(),
        "registered_time": seconds(one.registered_time.as_ref()),
        "unregistered_time": seconds(one.unregistered_time.as_ref()),
        "resources": classic::amounts(&all),
        "tasks": list(tasks),
        "unreachable_tasks": list(unreachable),
        "completed_tasks": list(completed),
        "offers": one.offers.iter().map(offer).collect::<Vec<_>>(),
        "executors": executors.map(executor).collect::<Vec<_>>(),
        "offer_constraints": one.offer_constraints.clone().unwrap_or_default(),
    });
    if let (Some(shown), Value::Object(more)) = (shown.as_object_mut(), more) {
        shown.extend(more);
    }
    let reregistered = seconds(one.reregistered_time.as_ref());
    let again = reregistered > seconds(one.registered_time.as_ref());
    let roles = if info.roles.is_empty() { Value::Null } else { json!(info.roles) };
    let role = if info.roles.is_empty() { json!(info.role()) } else { Value::Null };
    let optional = [
        ("principal", json!(info.principal)),
        ("roles", roles),
        ("role", role),
        ("labels", classic::labels(info.labels.as_ref())),
        ("reregistered_time", json!(again.then_some(reregistered))),
    ];
    classic::put(&mut shown, optional);
    shown
}

/// How many tasks are in each state, and what they have in common.
fn count<'a>(
    shown: &mut Value,
    tasks: impl Iterator<Item = &'a Task>,
    key: &str,
    other: impl Fn(&Task) -> String,
) {
    let mut counts = STATES.map(|_| 0_u64);
    let mut others = BTreeSet::new();
    for task in tasks {
        if let Some(place) = STATES.iter().position(|state| *state == task.state().as_str_name()) {
            counts[place] += 1;
        }
        others.insert(other(task));
    }
    for (state, count) in STATES.into_iter().zip(counts) {
        shown[state] = count.into();
    }
    shown[key] = others.into_iter().collect();
}

async fn summary(web: &Web) -> Result<Value, Refusal> {
    let state = look(web).await?;
    let master = ask(web, call::Type::GetMaster).await?.get_master.unwrap_or_default();
    let all = || state.tasks.values().flatten().flatten();
    let agents = state.agents.agents.iter().map(|one| {
        let id = one.agent_info.id.clone().unwrap_or_default();
        let mut shown = agent(one);
        let here = all().filter(|task| task.agent_id == id);
        count(&mut shown, here, "framework_ids", |task| task.framework_id.value.clone());
        shown
    });
    let frameworks = state.frameworks.frameworks.iter().map(|one| {
        let mut shown = framework(one);
        let own = state.tasks.get(id_of(one)).into_iter().flatten().flatten();
        count(&mut shown, own, "slave_ids", |task| task.agent_id.value.clone());
        shown
    });
    Ok(json!({
        "hostname": master.master_info.unwrap_or_default().hostname,
        "slaves": agents.collect::<Vec<_>>(),
        "frameworks": frameworks.collect::<Vec<_>>(),
    }))
}

async fn slaves(web: &Web, asked: &Asked) -> Result<Value, Refusal> {
    let agents = ask(web, call::Type::GetAgents).await?.get_agents.unwrap_or_default();
    let full = |one: &get_agents::Agent| {
        let mut shown = agent(one);
        shown["reserved_resources_full"] = classic::reserved_full(&one.total_resources);
        shown["unreserved_resources_full"] = json!(classic::unreserved(&one.total_resources));
        shown["used_resources_full"] = json!(one.allocated_resources);
        shown["offered_resources_full"] = json!(one.offered_resources);
        shown
    };
    let is_wanted = |info: &AgentInfo| is_asked(asked, "slave_id", id(info));
    let away: Vec<AgentInfo> =
        agents.recovered_agents.iter().filter(|info| is_wanted(info)).cloned().collect();
    let here = agents.agents.iter().filter(|one| is_wanted(&one.agent_info));
    Ok(json!({
        "slaves": here.map(full).collect::<Vec<_>>(),
        "recovered_slaves": recovered(&away),
    }))
}

fn id(info: &AgentInfo) -> &str {
    info.id.as_ref().map_or("", |id| &id.value)
}

async fn frameworks(web: &Web, asked: &Asked) -> Result<Value, Refusal> {
    let state = look(web).await?;
    let shown = |list: &[get_frameworks::Framework]| {
        let id = |one: &get_frameworks::Framework| one.framework_info.id.clone().unwrap_or_default().value;
        let wanted = list.iter().filter(|one| is_asked(asked, "framework_id", &id(one)));
        wanted.map(|one| full_framework(one, &state)).collect::<Vec<_>>()
    };
    Ok(json!({
        "frameworks": shown(&state.frameworks.frameworks),
        "completed_frameworks": shown(&state.frameworks.completed_frameworks),
        "unregistered_frameworks": [],
    }))
}

/// Tasks, the newest first unless `order=asc`: as many as `limit` says, after `offset` others. As by Mesos, a negative limit
/// is none, and what is no number counts as not said.
async fn tasks(web: &Web, asked: &Asked) -> Result<Value, Refusal> {
    let number = |name: &str| asked.get(name).and_then(|text| text.parse::<i32>().ok());
    let limit = number("limit").map_or(TASKS, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let offset = number("offset").map_or(0, |offset| usize::try_from(offset).unwrap_or(usize::MAX));
    let tasks = ask(web, call::Type::GetTasks).await?.get_tasks.unwrap_or_default();
    let all = tasks.tasks.iter().chain(&tasks.unreachable_tasks).chain(&tasks.completed_tasks);
    let mut wanted: Vec<&Task> = all
        .filter(|task| is_asked(asked, "framework_id", &task.framework_id.value))
        .filter(|task| is_asked(asked, "task_id", &task.task_id.value))
        .collect();
    let began = |task: &Task| task.statuses.first().map_or(0.0, |status| status.timestamp());
    wanted.sort_by(|a, b| began(a).total_cmp(&began(b)));
    if asked.get("order").is_none_or(|order| order != "asc") {
        wanted.reverse();
    }
    let shown = wanted.into_iter().skip(offset).take(limit);
    Ok(json!({ "tasks": shown.map(classic::task).collect::<Vec<_>>() }))
}

async fn weights(web: &Web) -> Result<Value, Refusal> {
    let weights = ask(web, call::Type::GetWeights).await?.get_weights.unwrap_or_default();
    Ok(json!(weights.weight_infos))
}

/// Amounts by name: ports by their number.
fn by_name<'a>(resources: impl Iterator<Item = &'a Resource>) -> Value {
    let all: Vec<Resource> = resources.cloned().collect();
    let names: BTreeSet<&str> =
        all.iter().filter(|one| one.scalar.is_some()).map(|one| one.name.as_str()).collect();
    let sum = Resources::from(all.clone());
    let mut shown: Map<String, Value> =
        names.into_iter().map(|name| (name.to_owned(), sum.total(name).into())).collect();
    let ports = sum.total_ports().count();
    if ports > 0 {
        shown.insert("ports".to_owned(), ports.into());
    }
    Value::Object(shown)
}

async fn roles(web: &Web) -> Result<Value, Refusal> {
    let roles = ask(web, call::Type::GetRoles).await?.get_roles.unwrap_or_default().roles;
    let quota = ask(web, call::Type::GetQuota).await?.get_quota.unwrap_or_default().status.configs;
    let agents = ask(web, call::Type::GetAgents).await?.get_agents.unwrap_or_default().agents;
    let scalars = |amounts: Option<&BTreeMap<String, cairn_mesos::v1::value::Scalar>>| -> Value {
        let all = amounts.into_iter().flatten();
        all.map(|(name, scalar)| (name.clone(), scalar.value.into())).collect::<Map<_, _>>().into()
    };
    let shown = roles.iter().map(|role| {
        let of_role = |resource: &&Resource| {
            resource.allocation_info.as_ref().is_some_and(|info| info.role() == role.name)
        };
        let allocated = || agents.iter().flat_map(|agent| &agent.allocated_resources).filter(of_role);
        let offered = || agents.iter().flat_map(|agent| &agent.offered_resources).filter(of_role);
        let reserved = agents.iter().flat_map(|agent| &agent.total_resources).filter(|resource| {
            resource.reservations.last().is_some_and(|reservation| reservation.role() == role.name)
        });
        let config = quota.iter().find(|config| config.role == role.name);
        json!({
            "name": role.name,
            "weight": role.weight,
            "quota": {
                "role": role.name,
                "guarantee": scalars(config.map(|config| &config.guarantees)),
                "limit": scalars(config.map(|config| &config.limits)),
                "consumed": by_name(allocated().filter(|resource| resource.scalar.is_some())),
            },
            "resources": by_name(allocated().chain(offered())),
            "allocated": by_name(allocated()),
            "offered": by_name(offered()),
            "reserved": by_name(reserved),
            "frameworks": role.frameworks.iter().map(|id| &id.value).collect::<Vec<_>>(),
        })
    });
    Ok(json!({ "roles": shown.collect::<Vec<_>>() }))
}

async fn snapshot(web: &Web) -> Result<Value, Refusal> {
    let metrics = ask(web, call::Type::GetMetrics).await?.get_metrics.unwrap_or_default().metrics;
    Ok(metrics.into_iter().map(|metric| (metric.name, json!(metric.value))).collect::<Map<_, _>>().into())
}

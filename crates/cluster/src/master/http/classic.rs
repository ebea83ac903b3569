//! The endpoints from before the v1 API that tools still ask: version and state.

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cairn_mesos::resources::{Resources, format_attributes};
use cairn_mesos::v1::master::response::{GetState, get_agents, get_frameworks};
use cairn_mesos::v1::master::{Call, call};
use cairn_mesos::v1::{Resource, Task, TaskState};
use serde_json::{Value, json};

use super::Web;
use super::body::{self, Refusal};
use crate::master::driver::Command;
use crate::master::{PROTOCOL_VERSION, Reply};

pub(crate) fn version() -> Response {
    Json(json!({ "version": PROTOCOL_VERSION, "build_user": "cairn" })).into_response()
}

/// Where the leading master is: where this request came.
pub(crate) fn redirect(headers: &HeaderMap) -> Response {
    let host = body::header_text(headers, header::HOST).unwrap_or_default();
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, format!("//{host}"))]).into_response()
}

/// A short form of `/state`: who is there and what runs where.
pub(crate) async fn state(web: Web) -> Result<Response, Refusal> {
    let call = Box::new(Call { r#type: Some(call::Type::GetState as i32), ..Call::default() });
    let reply = web.ask(|answer| Command::Operator { call, answer }).await?;
    let Reply::Operator(answer) = reply else {
        return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "The master did not tell its state"));
    };
    Ok(Json(summary(&answer.get_state.unwrap_or_default())).into_response())
}

fn summary(state: &GetState) -> Value {
    let tasks = state.get_tasks.clone().unwrap_or_default();
    let frameworks = state.get_frameworks.clone().unwrap_or_default();
    let agents = state.get_agents.clone().unwrap_or_default();
    let show = |framework: &get_frameworks::Framework| {
        show_framework(framework, &tasks.tasks, &tasks.completed_tasks)
    };
    json!({
        "version": PROTOCOL_VERSION,
        "activated_slaves": agents.agents.iter().filter(|agent| agent.active).count(),
        "slaves": agents.agents.iter().map(show_agent).collect::<Vec<_>>(),
        "frameworks": frameworks.frameworks.iter().map(show).collect::<Vec<_>>(),
        "completed_frameworks": frameworks.completed_frameworks.iter().map(show).collect::<Vec<_>>(),
        "unregistered_frameworks": [],
    })
}

fn show_agent(agent: &get_agents::Agent) -> Value {
    json!({
        "id": agent.agent_info.id.as_ref().map(|id| &id.value),
        "hostname": agent.agent_info.hostname,
        "port": agent.agent_info.port,
        "pid": agent.pid,
        "active": agent.active,
        "attributes": format_attributes(&agent.agent_info.attributes),
        "resources": amounts(&agent.total_resources),
        "used_resources": amounts(&agent.allocated_resources),
        "offered_resources": amounts(&agent.offered_resources),
    })
}

fn show_framework(framework: &get_frameworks::Framework, tasks: &[Task], completed: &[Task]) -> Value {
    let id = framework.framework_info.id.clone().unwrap_or_default();
    let own = |tasks: &[Task]| -> Vec<Value> {
        tasks.iter().filter(|task| task.framework_id == id).map(show_task).collect()
    };
    json!({
        "id": id.value,
        "name": framework.framework_info.name,
        "roles": framework.framework_info.roles,
        "active": framework.active,
        "connected": framework.connected,
        "used_resources": amounts(&framework.allocated_resources),
        "offered_resources": amounts(&framework.offered_resources),
        "tasks": own(tasks),
        "completed_tasks": own(completed),
    })
}

fn show_task(task: &Task) -> Value {
    json!({
        "id": task.task_id.value,
        "name": task.name,
        "framework_id": task.framework_id.value,
        "executor_id": task.executor_id.as_ref().map_or("", |id| id.value.as_str()),
        "slave_id": task.agent_id.value,
        "state": TaskState::try_from(task.state).unwrap_or(TaskState::TaskUnknown).as_str_name(),
        "resources": amounts(&task.resources),
        "discovery": task.discovery,
        "labels": task.labels.clone().unwrap_or_default().labels,
    })
}

fn amounts(resources: &[Resource]) -> Value {
    let sum = Resources::from(resources);
    json!({
        "cpus": sum.total_cpus(),
        "mem": sum.total_mem(),
        "disk": sum.total_disk(),
        "ports": sum.total_ports().to_string(),
    })
}

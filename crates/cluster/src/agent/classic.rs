//! The agent's endpoints from before the v1 API: state, containers, metrics, files.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use cairn_mesos::v1::{FrameworkInfo, Resource};
use serde_json::{Map, Value, json};

use super::core::{ExecutorView, View};
use super::files;
use super::http::{Refusal, Web, look};
use super::metrics;
use super::operator::{self, blocking, frameworks_of, statistics};
use crate::classic;
use crate::master::{PROTOCOL_VERSION, format};

/// What agents can do, as masters read it.
const CAPABILITIES: [&str; 4] =
    ["MULTI_ROLE", "HIERARCHICAL_ROLE", "RESERVATION_REFINEMENT", "AGENT_DRAINING"];

pub(crate) async fn version() -> Response {
    Json(json!({ "version": PROTOCOL_VERSION, "build_user": "cairn" })).into_response()
}

pub(crate) async fn state(State(web): State<Web>) -> Result<Json<Value>, Refusal> {
    let view = look(&web).await?;
    let (alive, past) = frameworks_of(&view);
    let full = &format::both(format::refined(view.resources.clone()));
    let used: Vec<Resource> = view.executors.iter().flat_map(ExecutorView::resources).cloned().collect();
    let shown =
        |infos: &[FrameworkInfo]| -> Vec<Value> { infos.iter().map(|info| framework(info, &view)).collect() };
    Ok(Json(json!({
        "version": PROTOCOL_VERSION,
        "build_user": "cairn",
        "start_time": web.around.started,
        "id": view.info.id.as_ref().map(|id| &id.value),
        "pid": format!("slave(1)@{}:{}", view.ip, view.info.port.unwrap_or_default()),
        "hostname": view.info.hostname,
        "capabilities": CAPABILITIES,
        "resources": classic::amounts(full),
        "reserved_resources": classic::reserved(full),
        "unreserved_resources": classic::amounts(&classic::unreserved(full)),
        "reserved_resources_full": classic::reserved_full(full),
        "unreserved_resources_full": classic::unreserved(full),
        "reserved_resources_allocated": classic::reserved(&used),
        "unreserved_resources_allocated": classic::amounts(&classic::unreserved(&used)),
        "resource_providers": [],
        "attributes": classic::attributes(&view.info.attributes),
        "flags": flags_of(&view),
        "frameworks": shown(&alive),
        "completed_frameworks": shown(&past),
    })))
}

fn flags_of(view: &View) -> BTreeMap<String, String> {
    operator::flags(view).into_iter().collect()
}

pub(crate) async fn flags(State(web): State<Web>) -> Result<Json<Value>, Refusal> {
    Ok(Json(json!({ "flags": flags_of(&look(&web).await?) })))
}

fn framework(info: &FrameworkInfo, view: &View) -> Value {
    let own = |executors: &[ExecutorView]| -> Vec<Value> {
        executors.iter().filter(|one| one.framework.id == info.id).map(executor).collect()
    };
    let mut shown = json!({
        "id": info.id.as_ref().map(|id| &id.value),
        "name": info.name,
        "user": info.user,
        "failover_timeout": info.failover_timeout(),
        "checkpoint": info.checkpoint(),
        "hostname": info.hostname(),
        "executors": own(&view.executors),
        "completed_executors": own(&view.past),
    });
    let roles = if info.roles.is_empty() { Value::Null } else { json!(info.roles) };
    let role = if info.roles.is_empty() { json!(info.role()) } else { Value::Null };
    classic::put(&mut shown, [("principal", json!(info.principal)), ("roles", roles), ("role", role)]);
    shown
}

fn executor(executor: &ExecutorView) -> Value {
    let list = |tasks: &[cairn_mesos::v1::Task]| -> Vec<Value> { tasks.iter().map(classic::task).collect() };
    let tasks: Vec<Value> = executor.launched.iter().chain(&executor.terminated).map(classic::task).collect();
    let all: Vec<Resource> = executor.resources().cloned().collect();
    let mut shown = json!({
        "id": executor.info.executor_id.value,
        "name": executor.info.name(),
        "source": executor.info.source(),
        "container": executor.container.value,
        "directory": executor.directory,
        "resources": classic::amounts(&all),
        "tasks": tasks,
        "queued_tasks": list(&executor.queued),
        "completed_tasks": list(&executor.completed),
    });
    let optional =
        [("role", json!(classic::role_of(&all))), ("labels", classic::labels(executor.info.labels.as_ref()))];
    classic::put(&mut shown, optional);
    shown
}

fn monitored(executor: &ExecutorView) -> Value {
    json!({
        "executor_id": executor.info.executor_id.value,
        "executor_name": executor.info.name(),
        "framework_id": executor.framework.id.as_ref().map(|id| &id.value),
        "source": executor.info.source(),
        "statistics": statistics(executor),
    })
}

pub(crate) async fn containers(State(web): State<Web>) -> Result<Json<Value>, Refusal> {
    let view = look(&web).await?;
    let one = |executor: &ExecutorView| {
        let mut shown = monitored(executor);
        shown["container_id"] = json!(executor.container.value);
        let mut status = executor.status.clone();
        status.network_infos.clear();
        shown["status"] = json!(status);
        shown
    };
    Ok(Json(view.executors.iter().map(one).collect()))
}

pub(crate) async fn monitor(State(web): State<Web>) -> Result<Json<Value>, Refusal> {
    Ok(Json(look(&web).await?.executors.iter().map(monitored).collect()))
}

pub(crate) async fn snapshot(State(web): State<Web>) -> Result<Json<Value>, Refusal> {
    let values = metrics::of(&look(&web).await?, &web.around);
    Ok(Json(values.into_iter().map(|(name, value)| (name, value.into())).collect::<Map<_, _>>().into()))
}

/// What comes after the question mark.
type Asked = Query<BTreeMap<String, String>>;

/// Which file or directory is asked for.
fn path_of(asked: &Asked) -> Result<String, Refusal> {
    let path = asked.get("path").filter(|path| !path.is_empty());
    path.cloned().ok_or((StatusCode::BAD_REQUEST, "Expecting 'path=value' in query.\n".to_owned()))
}

/// A number that may be left out, or be -1, which is the same.
fn number_of(asked: &Asked, name: &str) -> Result<Option<u64>, Refusal> {
    let Some(text) = asked.get(name).filter(|text| text.as_str() != "-1") else { return Ok(None) };
    let bad = |why: String| (StatusCode::BAD_REQUEST, why);
    let number: i64 = text.parse().map_err(|error| bad(format!("Failed to parse {name}: {error}.\n")))?;
    u64::try_from(number).map(Some).map_err(|_| bad(format!("Negative {name} provided: {number}.\n")))
}

pub(crate) async fn read(State(web): State<Web>, asked: Asked) -> Result<Response, Refusal> {
    let path = path_of(&asked)?;
    let (offset, length) = (number_of(&asked, "offset")?, number_of(&asked, "length")?);
    let part = blocking(move || files::read(&web.work_dir, &path, offset, length)).await?;
    Ok(Json(part).into_response())
}

pub(crate) async fn browse(State(web): State<Web>, asked: Asked) -> Result<Json<Value>, Refusal> {
    let path = path_of(&asked)?;
    let infos = blocking(move || files::list(&web.work_dir, &path)).await?;
    let one = |info: cairn_mesos::v1::FileInfo| {
        let modified = info.mtime.map(|time| (time.nanoseconds / 1_000_000_000) as f64);
        json!({
            "path": info.path, "nlink": info.nlink, "size": info.size, "mtime": modified,
            "mode": files::mode_text(info.mode.unwrap_or_default()), "uid": info.uid, "gid": info.gid,
        })
    };
    Ok(Json(infos.into_iter().map(one).collect()))
}

pub(crate) async fn download(State(web): State<Web>, asked: Asked) -> Result<Response, Refusal> {
    let path = path_of(&asked)?;
    let name = path.rsplit('/').next().unwrap_or_default().replace(['"', '\\', '\n', '\r'], "_");
    let file = blocking(move || files::open(&web.work_dir, &path)).await?;
    let body =
        axum::body::Body::from_stream(tokio_util::io::ReaderStream::new(tokio::fs::File::from_std(file)));
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename={name}")),
    ];
    Ok((headers, body).into_response())
}

/// Nothing is attached by other names.
pub(crate) async fn debug() -> Json<Value> {
    Json(json!({}))
}

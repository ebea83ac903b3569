//! The agent's operator API: `POST /api/v1`.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cairn_mesos::codec::MediaType;
use cairn_mesos::v1::agent::{self, call, response};
use cairn_mesos::v1::{Flag, FrameworkInfo, ResourceStatistics, VersionInfo};

use super::core::{ExecutorView, View};
use super::entry::Visitor;
use super::http::{Refusal, Web, decoded, look, whole};
use super::media::{self, Accept, Sent};
use super::metrics::{self, Around};
use super::{files, nested, usage};
use crate::master::PROTOCOL_VERSION;
use crate::metric;

pub(crate) async fn handle(State(web): State<Web>, request: Request) -> Response {
    let visitor = match web.entry.visitor(request.headers()) {
        Ok(visitor) => visitor,
        Err(unknown) => return unknown.into_response(),
    };
    let forms =
        media::sent(request.headers()).and_then(|sent| Ok((sent, media::accepted(request.headers())?)));
    let answered = match forms {
        Err(refusal) => Err(refusal),
        Ok((Sent::Records(media), accept)) => speak(&web, media, accept, request.into_body(), &visitor).await,
        Ok((Sent::Message(_), accept)) => {
            let headers = request.headers().clone();
            match whole(request).await {
                Ok(body) => answer(&web, &headers, &body, accept, &visitor).await,
                Err(refusal) => Err(refusal),
            }
        }
    };
    answered.unwrap_or_else(IntoResponse::into_response)
}

/// The one call whose body is a stream.
async fn speak(
    web: &Web,
    media: MediaType,
    accept: Accept,
    body: Body,
    visitor: &Visitor,
) -> Result<Response, Refusal> {
    if matches!(accept, Accept::Records(_)) {
        return Err(no_stream(call::Type::AttachContainerInput));
    }
    nested::attach(&web.nested, media, body, |path| allow(visitor, path)).await
}

fn no_stream(kind: call::Type) -> Refusal {
    let why = format!("Streaming response is not supported for {} call", kind.as_str_name());
    (StatusCode::NOT_ACCEPTABLE, why)
}

/// Operators may do everything with nested containers, executors what is in their own.
fn allow(visitor: &Visitor, path: &nested::Path) -> Result<(), Refusal> {
    match visitor {
        Visitor::Executor(claims) if claims.cid != path.root() => {
            let why = format!("Container {path} is not within that of the executor, {}", claims.cid);
            Err((StatusCode::FORBIDDEN, why))
        }
        _ => Ok(()),
    }
}

/// What a call about nested containers asks for, if it is one.
fn nested_request(kind: call::Type, call: &agent::Call) -> Result<Option<nested::Request>, Refusal> {
    nested::read(kind, call).map_err(|problem| match problem {
        nested::Problem::Invalid(why) => bad(format!("Failed to validate agent::Call: {why}")),
        nested::Problem::Standalone => {
            let why = format!(
                "Call {} is not supported for containers without parent: tasks are the only ones",
                kind.as_str_name()
            );
            (StatusCode::NOT_IMPLEMENTED, why)
        }
    })
}

/// What operators may ask, and executors that want to know their neighbours or to have containers within their own.
async fn answer(
    web: &Web,
    headers: &HeaderMap,
    body: &Bytes,
    accept: Accept,
    visitor: &Visitor,
) -> Result<Response, Refusal> {
    let call: agent::Call = decoded(headers, body).await?;
    let Some(kind) = call.r#type.and_then(|kind| call::Type::try_from(kind).ok()) else {
        return Err(bad("Failed to validate agent::Call: Expecting 'type' to be present".to_owned()));
    };
    check(kind, &call)?;
    let streams = [call::Type::LaunchNestedContainerSession, call::Type::AttachContainerOutput];
    if matches!(accept, Accept::Records(_)) && !streams.contains(&kind) {
        return Err(no_stream(kind));
    }
    if let Some(request) = nested_request(kind, &call)? {
        allow(visitor, request.path())?;
        let request = match visitor {
            Visitor::Operator => request,
            Visitor::Executor(_) => request.of_executor(),
        };
        return nested::answer(&web.nested, request, accept).await;
    }
    if matches!(visitor, Visitor::Executor(_)) && kind != call::Type::GetFrameworks {
        let why = format!("An executor may not call {}", kind.as_str_name());
        return Err((StatusCode::FORBIDDEN, why));
    }
    let media = accept.message();
    let response = match kind {
        call::Type::AttachContainerInput => {
            let why = "Expecting 'Content-Type' to be application/recordio for ATTACH_CONTAINER_INPUT call";
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, why.to_owned()));
        }
        call::Type::SetLoggingLevel => return Ok(StatusCode::OK.into_response()),
        call::Type::ListFiles => list_files(web, call.list_files.unwrap_or_default().path).await?,
        call::Type::ReadFile => read_file(web, call.read_file.unwrap_or_default()).await?,
        kind => show(kind, &look(web).await?, &web.around).ok_or_else(|| {
            let why = format!("Call {} is not supported", kind.as_str_name());
            (StatusCode::NOT_IMPLEMENTED, why)
        })?,
    };
    let body = media.encode(&response).map_err(|e| (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, media.as_str())], body).into_response())
}

fn bad(why: String) -> Refusal {
    (StatusCode::BAD_REQUEST, why)
}

fn check(kind: call::Type, call: &agent::Call) -> Result<(), Refusal> {
    let (present, name) = match kind {
        call::Type::GetMetrics => (call.get_metrics.is_some(), "get_metrics"),
        call::Type::SetLoggingLevel => (call.set_logging_level.is_some(), "set_logging_level"),
        call::Type::ListFiles => (call.list_files.is_some(), "list_files"),
        call::Type::ReadFile => (call.read_file.is_some(), "read_file"),
        call::Type::Unknown => (false, "type"),
        _ => return Ok(()),
    };
    if present {
        return Ok(());
    }
    Err(bad(format!("Failed to validate agent::Call: Expecting '{name}' to be present")))
}

fn of(kind: response::Type) -> agent::Response {
    agent::Response { r#type: Some(kind as i32), ..agent::Response::default() }
}

/// The answer to a call that asks for what the agent has and does.
fn show(kind: call::Type, view: &View, around: &Around) -> Option<agent::Response> {
    use call::Type;
    use response::Type as Kind;
    Some(match kind {
        Type::GetHealth => {
            agent::Response { get_health: Some(response::GetHealth { healthy: true }), ..of(Kind::GetHealth) }
        }
        Type::GetFlags => {
            let flags = flags(view).into_iter().map(|(name, value)| Flag { name, value: Some(value) });
            let get_flags = Some(response::GetFlags { flags: flags.collect() });
            agent::Response { get_flags, ..of(Kind::GetFlags) }
        }
        Type::GetVersion => {
            let version_info = VersionInfo { version: PROTOCOL_VERSION.to_owned(), ..VersionInfo::default() };
            let get_version = Some(response::GetVersion { version_info });
            agent::Response { get_version, ..of(Kind::GetVersion) }
        }
        Type::GetMetrics => {
            let metrics = metric::listed(metrics::of(view, around));
            let get_metrics = Some(response::GetMetrics { metrics });
            agent::Response { get_metrics, ..of(Kind::GetMetrics) }
        }
        Type::GetLoggingLevel => agent::Response {
            get_logging_level: Some(response::GetLoggingLevel { level: 0 }),
            ..of(Kind::GetLoggingLevel)
        },
        Type::GetState => {
            let get_state = Some(response::GetState {
                get_tasks: Some(tasks(view)),
                get_executors: Some(executors(view)),
                get_frameworks: Some(frameworks(view)),
            });
            agent::Response { get_state, ..of(Kind::GetState) }
        }
        Type::GetContainers => {
            let containers = view.executors.iter().map(container).collect();
            let get_containers = Some(response::GetContainers { containers });
            agent::Response { get_containers, ..of(Kind::GetContainers) }
        }
        Type::GetFrameworks => {
            agent::Response { get_frameworks: Some(frameworks(view)), ..of(Kind::GetFrameworks) }
        }
        Type::GetExecutors => {
            agent::Response { get_executors: Some(executors(view)), ..of(Kind::GetExecutors) }
        }
        Type::GetOperations => {
            let get_operations = Some(response::GetOperations::default());
            agent::Response { get_operations, ..of(Kind::GetOperations) }
        }
        Type::GetTasks => agent::Response { get_tasks: Some(tasks(view)), ..of(Kind::GetTasks) },
        Type::GetAgent => {
            let agent_info = Some(view.info.clone());
            let get_agent =
                Some(response::GetAgent { agent_info, drain_config: view.draining, ..Default::default() });
            agent::Response { get_agent, ..of(Kind::GetAgent) }
        }
        Type::GetResourceProviders => {
            let get_resource_providers = Some(response::GetResourceProviders::default());
            agent::Response { get_resource_providers, ..of(Kind::GetResourceProviders) }
        }
        _ => return None,
    })
}

fn tasks(view: &View) -> response::GetTasks {
    let mut shown = response::GetTasks { completed_tasks: view.completed.clone(), ..Default::default() };
    for executor in view.executors.iter().chain(&view.past) {
        shown.queued_tasks.extend(executor.queued.iter().cloned());
        shown.launched_tasks.extend(executor.launched.iter().cloned());
        shown.terminated_tasks.extend(executor.terminated.iter().cloned());
    }
    shown
}

fn executors(view: &View) -> response::GetExecutors {
    let shown = |executors: &[ExecutorView]| {
        let one = |executor: &ExecutorView| response::get_executors::Executor {
            executor_info: executor.info.clone(),
        };
        executors.iter().map(one).collect()
    };
    response::GetExecutors { executors: shown(&view.executors), completed_executors: shown(&view.past) }
}

/// Frameworks with something alive, and those of which only the past is left.
pub(crate) fn frameworks_of(view: &View) -> (Vec<FrameworkInfo>, Vec<FrameworkInfo>) {
    let mut alive: Vec<FrameworkInfo> = Vec::new();
    let mut past: Vec<FrameworkInfo> = Vec::new();
    let pending = view.past.iter().filter(|executor| !executor.terminated.is_empty());
    for executor in view.executors.iter().chain(pending) {
        if !alive.iter().any(|known| known.id == executor.framework.id) {
            alive.push(executor.framework.clone());
        }
    }
    for executor in &view.past {
        if !alive.iter().chain(&past).any(|known| known.id == executor.framework.id) {
            past.push(executor.framework.clone());
        }
    }
    (alive, past)
}

fn frameworks(view: &View) -> response::GetFrameworks {
    let (alive, past) = frameworks_of(view);
    let shown = |infos: Vec<FrameworkInfo>| {
        let one = |framework_info| response::get_frameworks::Framework { framework_info };
        infos.into_iter().map(one).collect()
    };
    response::GetFrameworks { frameworks: shown(alive), completed_frameworks: shown(past) }
}

fn container(executor: &ExecutorView) -> response::get_containers::Container {
    let mut status = executor.status.clone();
    status.network_infos.clear();
    response::get_containers::Container {
        framework_id: executor.framework.id.clone(),
        executor_id: Some(executor.info.executor_id.clone()),
        executor_name: Some(executor.info.name().to_owned()),
        container_id: executor.container.clone(),
        container_status: Some(status),
        resource_statistics: Some(statistics(executor)),
    }
}

/// What the executor and its tasks may use, and what its process has used.
pub(crate) fn statistics(executor: &ExecutorView) -> ResourceStatistics {
    const MIB: f64 = 1024.0 * 1024.0;
    // As Mesos counts: the executor of a command has the resources of its task as well.
    let sum = cairn_mesos::resources::Resources::from(executor.used().cloned().collect::<Vec<_>>());
    // A cast of a float saturates.
    let limit = Some((sum.total_mem() * MIB) as u64);
    let used = executor.status.executor_pid.and_then(usage::of);
    ResourceStatistics {
        timestamp: now().as_secs_f64(),
        cpus_user_time_secs: used.map(|used| used.user),
        cpus_system_time_secs: used.map(|used| used.system),
        cpus_soft_limit: Some(sum.total_cpus()),
        mem_rss_bytes: used.map(|used| used.resident),
        mem_limit_bytes: limit,
        mem_soft_limit_bytes: limit,
        ..ResourceStatistics::default()
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement is made now")]
pub(crate) fn now() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// How the agent was set up.
pub(crate) fn flags(view: &View) -> Vec<(String, String)> {
    let port = view.info.port.unwrap_or_default().to_string();
    let resources = cairn_mesos::resources::Resources::from(view.info.resources.clone());
    let attributes = cairn_mesos::resources::format_attributes(&view.info.attributes);
    let own = [
        ("attributes", attributes),
        ("containerizers", "mesos".to_owned()),
        ("hostname", view.info.hostname.clone()),
        ("ip", view.ip.clone()),
        ("launcher", "posix".to_owned()),
        ("port", port),
        ("resources", resources.to_string()),
        // Where tools look for sandboxes.
        ("work_dir", view.work_dir.display().to_string()),
    ];
    let all = own.into_iter().chain(view.timeouts.clone());
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}

async fn list_files(web: &Web, path: String) -> Result<agent::Response, Refusal> {
    let work_dir = web.work_dir.clone();
    let file_infos = blocking(move || files::list(&work_dir, &path)).await?;
    let list_files = Some(response::ListFiles { file_infos });
    Ok(agent::Response { list_files, ..of(response::Type::ListFiles) })
}

async fn read_file(web: &Web, call: call::ReadFile) -> Result<agent::Response, Refusal> {
    let work_dir = web.work_dir.clone();
    let (size, data) =
        blocking(move || files::read_bytes(&work_dir, &call.path, call.offset, call.length)).await?;
    let read_file = Some(response::ReadFile { size, data });
    Ok(agent::Response { read_file, ..of(response::Type::ReadFile) })
}

/// Work on files, beside everything else.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, files::ReadError> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(files::ReadError::NotFound)) => Err((StatusCode::NOT_FOUND, String::new())),
        Ok(Err(error)) => Err(bad(format!("{error}\n"))),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))),
    }
}

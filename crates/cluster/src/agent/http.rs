//! The agent's HTTP side: the executor API, files of sandboxes, health.

use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use cairn_mesos::codec::{CodecError, MediaType};
use cairn_mesos::recordio;
use cairn_mesos::v1::executor::{Call, Event, call, event};
use cairn_mesos::v1::task_status::Source;
use cairn_mesos::v1::{TaskState, agent};
use futures_util::stream;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::core::Key;
use super::driver::Input;
use super::files;

/// How often a quiet executor is told that its agent is there, as with Mesos.
const HEARTBEAT: Duration = Duration::from_secs(30 * 60);
/// Largest request of an executor.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// What the handlers need.
#[derive(Debug, Clone)]
pub(crate) struct Web {
    pub(crate) agent: mpsc::Sender<Input>,
    pub(crate) work_dir: PathBuf,
}

/// Serves until `closing` is dropped or used.
pub(crate) async fn serve(listener: TcpListener, web: Web, closing: oneshot::Receiver<()>) {
    let router = Router::new()
        .route("/api/v1/executor", post(executor))
        .route("/slave(1)/api/v1/executor", post(executor))
        .route("/api/v1", post(operator))
        .route("/slave(1)/api/v1", post(operator))
        .route("/files/read", get(read))
        .route("/health", get(async || StatusCode::OK))
        .route("/slave(1)/health", get(async || StatusCode::OK))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(web);
    let closing = async {
        let _ = closing.await;
    };
    // Events are small and follow each other: waiting to fill packets would cost 40 ms each.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(closing).await {
        tracing::error!(%error, "the agent's HTTP server ended");
    }
}

type Refusal = (StatusCode, String);

async fn executor(State(web): State<Web>, headers: HeaderMap, body: Bytes) -> Response {
    match take_call(&web, &headers, &body).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn take_call(web: &Web, headers: &HeaderMap, body: &Bytes) -> Result<Response, Refusal> {
    let sent = content_type(headers)?;
    let call: Call =
        sent.decode(body).map_err(|e| (StatusCode::BAD_REQUEST, format!("Failed to parse body: {e}")))?;
    let key = Key { framework: call.framework_id.value.clone(), executor: call.executor_id.value.clone() };
    check(&call, &key)?;
    if call.r#type() == call::Type::Subscribe {
        return subscribe(web, accepted(headers)?, key, call).await;
    }
    if call.r#type() == call::Type::Heartbeat {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    let (reply, answer) = oneshot::channel();
    ask(web, Input::Call(key, Box::new(call), reply)).await?;
    match answer.await {
        Ok(true) => Ok(StatusCode::ACCEPTED.into_response()),
        Ok(false) => Err((StatusCode::BAD_REQUEST, "Executor cannot be found".to_owned())),
        Err(_) => Err(gone()),
    }
}

async fn subscribe(web: &Web, media: MediaType, key: Key, call: Call) -> Result<Response, Refusal> {
    let (reply, answer) = oneshot::channel();
    ask(web, Input::Subscribe(key, Box::new(call), reply)).await?;
    let events = answer
        .await
        .map_err(|_| gone())?
        .ok_or((StatusCode::BAD_REQUEST, "Executor cannot be found".to_owned()))?;
    let records = stream::unfold(events, move |mut events| async move {
        let event = match tokio::time::timeout(HEARTBEAT, events.recv()).await {
            Ok(event) => event?,
            Err(_) => Event { r#type: Some(event::Type::Heartbeat as i32), ..Event::default() },
        };
        Some((record(media, &event), events))
    });
    Ok(([(header::CONTENT_TYPE, media.as_str())], Body::from_stream(records)).into_response())
}

async fn ask(web: &Web, input: Input) -> Result<(), Refusal> {
    web.agent.send(input).await.map_err(|_| gone())
}

fn gone() -> Refusal {
    (StatusCode::SERVICE_UNAVAILABLE, "Agent has not finished recovery".to_owned())
}

fn record(media: MediaType, event: &Event) -> Result<Bytes, CodecError> {
    let mut record = Vec::new();
    recordio::encode(&media.encode(event)?, &mut record);
    Ok(record.into())
}

fn content_type(headers: &HeaderMap) -> Result<MediaType, Refusal> {
    headers.get(header::CONTENT_TYPE).and_then(|v| MediaType::from_content_type(v.to_str().ok()?)).ok_or_else(
        || {
            let types = [MediaType::Json, MediaType::Protobuf];
            (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!("Expecting 'Content-Type' of {} or {}", types[0], types[1]),
            )
        },
    )
}

fn accepted(headers: &HeaderMap) -> Result<MediaType, Refusal> {
    let value = headers.get(header::ACCEPT).map(|v| v.to_str().unwrap_or_default());
    MediaType::from_accept(value).ok_or_else(|| {
        let types = [MediaType::Json, MediaType::Protobuf];
        (StatusCode::NOT_ACCEPTABLE, format!("Expecting 'Accept' to allow {} or {}", types[0], types[1]))
    })
}

/// The checks of Mesos, in its words.
fn check(call: &Call, key: &Key) -> Result<(), Refusal> {
    let refuse =
        |why: String| Err((StatusCode::BAD_REQUEST, format!("Failed to validate Executor::Call: {why}")));
    match call.r#type() {
        call::Type::Unknown => refuse("Expecting 'type' to be present".to_owned()),
        call::Type::Subscribe if call.subscribe.is_none() => {
            refuse("Expecting 'subscribe' to be present".to_owned())
        }
        call::Type::Message if call.message.is_none() => {
            refuse("Expecting 'message' to be present".to_owned())
        }
        call::Type::Update => {
            let Some(update) = &call.update else {
                return refuse("Expecting 'update' to be present".to_owned());
            };
            let status = &update.status;
            let who = format!("executor {} of framework {}", key.executor, key.framework);
            if status.uuid().len() != 16 {
                return refuse("Expecting 'uuid' to be present".to_owned());
            }
            if status.source.is_none() || status.source() != Source::Executor {
                return refuse(format!(
                    "Received Call from {who} with invalid source, expecting 'SOURCE_EXECUTOR'"
                ));
            }
            if status.state() == TaskState::TaskStaging {
                return refuse(format!("Received TASK_STAGING from {who} which is not allowed"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

async fn operator(State(web): State<Web>, headers: HeaderMap, body: Bytes) -> Response {
    match answer(&web, &headers, &body).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

/// What operators, and executors that want to know their neighbours, may ask.
async fn answer(web: &Web, headers: &HeaderMap, body: &Bytes) -> Result<Response, Refusal> {
    let sent = content_type(headers)?;
    let media = accepted(headers)?;
    let call: agent::Call =
        sent.decode(body).map_err(|e| (StatusCode::BAD_REQUEST, format!("Failed to parse body: {e}")))?;
    let mut response = agent::Response::default();
    match call.r#type() {
        agent::call::Type::GetHealth => {
            response.set_type(agent::response::Type::GetHealth);
            response.get_health = Some(agent::response::GetHealth { healthy: true });
        }
        agent::call::Type::GetFrameworks => {
            response.set_type(agent::response::Type::GetFrameworks);
            response.get_frameworks = Some(frameworks(web).await?);
        }
        other => {
            let why = format!("This agent does not answer {}", other.as_str_name());
            return Err((StatusCode::NOT_IMPLEMENTED, why));
        }
    }
    let body = media.encode(&response).map_err(|e| (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, media.as_str())], body).into_response())
}

async fn frameworks(web: &Web) -> Result<agent::response::GetFrameworks, Refusal> {
    let (reply, answer) = oneshot::channel();
    ask(web, Input::Frameworks(reply)).await?;
    let infos = answer.await.map_err(|_| gone())?;
    let framework = |framework_info| agent::response::get_frameworks::Framework { framework_info };
    Ok(agent::response::GetFrameworks {
        frameworks: infos.into_iter().map(framework).collect(),
        completed_frameworks: Vec::new(),
    })
}

/// Which part of which file.
#[derive(Debug, Deserialize)]
pub(crate) struct ReadQuery {
    path: String,
    offset: Option<i64>,
    length: Option<u64>,
}

async fn read(State(web): State<Web>, Query(query): Query<ReadQuery>) -> Response {
    let work = move || files::read(&web.work_dir, &query.path, query.offset.unwrap_or(-1), query.length);
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(part)) => axum::Json(part).into_response(),
        Ok(Err(files::ReadError::NotFound)) => StatusCode::NOT_FOUND.into_response(),
        Ok(Err(error)) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

//! The agent's HTTP side: the executor API, files of sandboxes, health.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use cairn_mesos::codec::{self, CodecError, MediaType};
use cairn_mesos::recordio;
use cairn_mesos::v1::TaskState;
use cairn_mesos::v1::executor::{Call, Event, call, event};
use cairn_mesos::v1::task_status::Source;
use futures_util::stream;
use tokio::sync::{mpsc, oneshot};

use super::core::{Denial, Key, View};
use super::driver::{Caller, Input};
use super::entry::Entry;
use super::metrics::Around;
use super::nested::Nested;
use super::{classic, operator};
use crate::listen::Listener;
use crate::update_id;
use crate::web::body::{self, accepted};
use crate::web::method::allow;
use crate::web::{gzip, system};

/// How often a quiet executor is told that its agent is there, as with Mesos.
const HEARTBEAT: Duration = Duration::from_secs(30 * 60);
/// Largest request of an executor.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// What the handlers need.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) agent: mpsc::Sender<Input>,
    pub(crate) work_dir: PathBuf,
    pub(crate) around: Around,
    /// Who may come in.
    pub(crate) entry: Arc<Entry>,
    /// What has been started within tasks.
    pub(crate) nested: Arc<Nested>,
}

/// Serves until `closing` is dropped or used.
pub(crate) async fn serve(listener: Listener, web: Web, closing: oneshot::Receiver<()>) {
    crate::serve::serve(listener, router(web), async move {
        let _ = closing.await;
    })
    .await;
}

/// The paths of Apache Mesos. Where it does not look at the method, any will do.
fn router(web: Web) -> Router {
    let readers = || middleware::from_fn_with_state(web.clone(), read_only);
    let own = Router::new()
        .route("/state", any(classic::state))
        .route("/state.json", any(classic::state))
        .route("/flags", get(classic::flags).fallback(only_get))
        .route("/containers", get(classic::containers).fallback(only_get))
        .route("/monitor/statistics", get(classic::monitor).fallback(only_get))
        .route("/monitor/statistics.json", get(classic::monitor).fallback(only_get))
        .route_layer(readers())
        .route("/api/v1", post(operator::handle).fallback(only_post))
        // What is below is the same; some clients ask `/api/v1/operator`.
        .route("/api/v1/{*below}", post(operator::handle).fallback(only_post))
        .route("/api/v1/executor", post(executor).fallback(only_post))
        .route("/health", any(async || StatusCode::OK));
    let named = Router::new()
        .route("/files/read", any(classic::read))
        .route("/files/read.json", any(classic::read))
        .route("/files/browse", any(classic::browse))
        .route("/files/browse.json", any(classic::browse))
        .route("/files/download", any(classic::download))
        .route("/files/download.json", any(classic::download))
        .route("/files/debug", any(classic::debug))
        .route("/metrics/snapshot", any(classic::snapshot))
        .route("/system/stats.json", any(system::stats))
        .route_layer(readers())
        .route("/version", any(classic::version))
        // Everything of the agent itself has two names, one of which some clients write with its brackets encoded.
        .merge(own.clone())
        .nest("/slave(1)", own.clone())
        .nest("/slave%281%29", own)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(web);
    // A router looks at the path before its layers do, so another one stands before it.
    Router::new()
        .fallback_service(named)
        .layer(middleware::map_request(without_slash))
        .layer(middleware::from_fn(gzip::answers))
}

/// A slash at the end of a path means nothing.
async fn without_slash(mut request: Request) -> Request {
    let path = request.uri().path();
    let kept = path.trim_end_matches('/');
    if kept.len() == path.len() || kept.is_empty() {
        return request;
    }
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(uri) = format!("{kept}{query}").parse() {
        *request.uri_mut() = uri;
    }
    request
}

async fn only_get(method: Method) -> Response {
    allow(&method, &[Method::GET]).into_response()
}

async fn only_post(method: Method) -> Response {
    allow(&method, &[Method::POST]).into_response()
}

pub(crate) type Refusal = (StatusCode, String);

/// What only shows is for whom the agent knows.
async fn read_only(State(web): State<Web>, request: Request, next: Next) -> Response {
    match web.entry.reader(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(unknown) => unknown.into_response(),
    }
}

async fn executor(State(web): State<Web>, request: Request) -> Response {
    let headers = request.headers().clone();
    match whole(request).await {
        Ok(body) => take_call(&web, &headers, &body).await.unwrap_or_else(|refused| refused),
        Err(refusal) => refusal.into_response(),
    }
}

/// All of a body, if it is no longer than it may be, whether it says how long it is or not.
pub(crate) async fn whole(request: Request) -> Result<Bytes, Refusal> {
    Bytes::from_request(request, &()).await.map_err(|refused| match refused.status() {
        StatusCode::PAYLOAD_TOO_LARGE => body::too_long(MAX_BODY).into(),
        status => (status, refused.body_text()),
    })
}

async fn take_call(web: &Web, headers: &HeaderMap, body: &Bytes) -> Result<Response, Response> {
    let proved = web.entry.executor(headers).map_err(IntoResponse::into_response)?;
    let taken = async {
        let call = read_call(headers, body).await?;
        let key =
            Key { framework: call.framework_id.value.clone(), executor: call.executor_id.value.clone() };
        carry_out(web, headers, Caller { key, proved }, call).await
    };
    taken.await.map_err(|refusal: Refusal| refusal.into_response())
}

async fn read_call(headers: &HeaderMap, body: &Bytes) -> Result<Call, Refusal> {
    let call: Call = decoded(headers, body).await?;
    check(&call)?;
    Ok(call)
}

/// The call that a body says.
pub(crate) async fn decoded<M: codec::Body>(headers: &HeaderMap, body: &Bytes) -> Result<M, Refusal> {
    let sent = body::content_type(headers)?;
    let plain = body::plain(headers, body.clone(), MAX_BODY).await?;
    Ok(body::decode(sent, &plain)?)
}

async fn carry_out(web: &Web, headers: &HeaderMap, caller: Caller, call: Call) -> Result<Response, Refusal> {
    if call.r#type() == call::Type::Subscribe {
        return subscribe(web, accepted(headers)?, caller, call).await;
    }
    let (reply, answer) = oneshot::channel();
    ask(web, Input::Call(caller, Box::new(call), reply)).await?;
    answer.await.map_err(|_| gone())?.map_err(denied)?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// What Mesos answers.
fn denied(denial: Denial) -> Refusal {
    match denial {
        Denial::NoFramework => (StatusCode::BAD_REQUEST, "Framework cannot be found".to_owned()),
        Denial::NoExecutor => (StatusCode::BAD_REQUEST, "Executor cannot be found".to_owned()),
        Denial::Foreign(missing) => (StatusCode::FORBIDDEN, missing),
        Denial::NotSubscribed => (StatusCode::FORBIDDEN, "Executor is not subscribed".to_owned()),
        Denial::NotBack => gone(),
    }
}

async fn subscribe(web: &Web, media: MediaType, caller: Caller, call: Call) -> Result<Response, Refusal> {
    let (reply, answer) = oneshot::channel();
    ask(web, Input::Subscribe(caller, Box::new(call), reply)).await?;
    let events = answer.await.map_err(|_| gone())?.map_err(denied)?;
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

/// What the agent has and does, at this moment.
pub(crate) async fn look(web: &Web) -> Result<View, Refusal> {
    let (reply, answer) = oneshot::channel();
    ask(web, Input::Look(reply)).await?;
    answer.await.map_err(|_| gone())
}

fn gone() -> Refusal {
    (StatusCode::SERVICE_UNAVAILABLE, "Agent has not finished recovery".to_owned())
}

fn record(media: MediaType, event: &Event) -> Result<Bytes, CodecError> {
    let mut record = Vec::new();
    recordio::encode(&media.encode(event)?, &mut record);
    Ok(record.into())
}

/// The checks of Mesos, in its words.
fn check(call: &Call) -> Result<(), Refusal> {
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
            let who = format!("executor {} of framework {}", call.executor_id.value, call.framework_id.value);
            if status.uuid.is_none() {
                return refuse("Expecting 'uuid' to be present".to_owned());
            }
            if !update_id::is_valid(status.uuid()) {
                return refuse(update_id::INVALID.to_owned());
            }
            if let Some(id) = status.executor_id.as_ref().filter(|id| **id != call.executor_id) {
                return refuse(format!(
                    "ExecutorID in Call: {} does not match ExecutorID in TaskStatus: {}",
                    call.executor_id.value, id.value
                ));
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

#[cfg(test)]
mod tests {
    use cairn_mesos::v1::{ExecutorId, FrameworkId, TaskStatus};

    use super::*;

    #[tokio::test]
    async fn a_body_that_turns_out_to_be_too_long_is_told_how_long_it_may_be() {
        let pieces = (0..9).map(|_| Ok::<_, std::convert::Infallible>(vec![b' '; 1 << 20]));
        let request = Request::new(Body::from_stream(stream::iter(pieces)));
        let refused = whole(request).await.unwrap_err();
        assert_eq!(refused, (StatusCode::PAYLOAD_TOO_LARGE, "The body exceeds 8388608 bytes".to_owned()));
    }

    #[test]
    fn an_update_is_of_the_executor_that_sends_it() {
        let id = |value: &str| ExecutorId { value: value.into() };
        let refused = |executor: Option<ExecutorId>| {
            let status = TaskStatus {
                uuid: Some(vec![0x44; 16]),
                source: Some(Source::Executor as i32),
                state: TaskState::TaskRunning as i32,
                executor_id: executor,
                ..TaskStatus::default()
            };
            let framework_id = FrameworkId { value: "F".into() };
            let (r#type, update) = (Some(call::Type::Update as i32), Some(call::Update { status }));
            check(&Call { r#type, framework_id, executor_id: id("e"), update, ..Call::default() }).err()
        };
        assert_eq!((refused(None), refused(Some(id("e")))), (None, None));
        let text = "Failed to validate Executor::Call: ExecutorID in Call: e does not match ExecutorID in TaskStatus: x";
        assert_eq!(refused(Some(id("x"))), Some((StatusCode::BAD_REQUEST, text.to_owned())));
    }
}

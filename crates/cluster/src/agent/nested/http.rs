//! Answers to calls about nested containers.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cairn_mesos::codec::{CodecError, MediaType};
use cairn_mesos::recordio;
use cairn_mesos::v1::DurationInfo;
use cairn_mesos::v1::agent::{self, ProcessIo, process_io, response};
use futures_util::{Stream, stream};
use tokio::sync::mpsc;

use super::denied::Denied;
use super::request::{Launch, Request};
use super::shell::{Launched, Nested, Session};
use super::switch::Piece;
use crate::agent::http::Refusal;
use crate::agent::media::{Accept, MESSAGE_CONTENT_TYPE};

/// How often a listener to whom nothing is said hears that the agent is there, as with Mesos (`--http_heartbeat_interval`).
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Does what is asked for.
///
/// # Errors
/// It cannot be done.
pub(crate) async fn answer(
    nested: &Arc<Nested>,
    request: Request,
    accept: Accept,
) -> Result<Response, Refusal> {
    match request {
        Request::Launch(asked) => match launch(nested, *asked).await? {
            Launched::Already => Ok(StatusCode::ACCEPTED.into_response()),
            Launched::New(None) => Ok(StatusCode::OK.into_response()),
            Launched::New(Some(session)) => Ok(conversation(accept, talk(session))),
        },
        Request::Wait { path, nested: of_nested } => ended(accept, of_nested, nested.wait(&path).await?),
        Request::Kill { path, signal } => {
            nested.kill(&path, signal).await?;
            Ok(StatusCode::OK.into_response())
        }
        Request::Remove(path) => {
            nested.remove(&path).await?;
            Ok(StatusCode::OK.into_response())
        }
        Request::Output(path) => {
            let heard = nested.listen(&path).await?;
            Ok(conversation(accept, pieces(heard, |heard| heard)))
        }
    }
}

/// In a task of its own: a client that hangs up meanwhile must not leave half a container.
async fn launch(nested: &Arc<Nested>, asked: Launch) -> Result<Launched, Denied> {
    let nested = Arc::clone(nested);
    let launched = tokio::spawn(async move { nested.launch(asked).await }).await;
    launched.unwrap_or_else(|error| Err(Denied::Failed(error.to_string())))
}

fn ended(accept: Accept, of_nested: bool, exit_status: Option<i32>) -> Result<Response, Refusal> {
    let response = if of_nested {
        agent::Response {
            r#type: Some(response::Type::WaitNestedContainer as i32),
            wait_nested_container: Some(response::WaitNestedContainer { exit_status, ..Default::default() }),
            ..agent::Response::default()
        }
    } else {
        agent::Response {
            r#type: Some(response::Type::WaitContainer as i32),
            wait_container: Some(response::WaitContainer { exit_status, ..Default::default() }),
            ..agent::Response::default()
        }
    };
    let media = accept.message();
    let body = media.encode(&response).map_err(|e| (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, media.as_str())], body).into_response())
}

fn talk(session: Session) -> impl Stream<Item = ProcessIo> + Send + 'static {
    pieces(session, |session| &mut session.heard)
}

/// What is heard, with a sign of life where it is silent for long. Whatever it is heard by is held until the end.
fn pieces<T: Send + 'static>(
    holder: T,
    heard: fn(&mut T) -> &mut mpsc::Receiver<Piece>,
) -> impl Stream<Item = ProcessIo> + Send + 'static {
    stream::unfold(holder, move |mut holder| async move {
        let said = match tokio::time::timeout(HEARTBEAT, heard(&mut holder).recv()).await {
            Ok(piece) => data(piece?),
            Err(_) => heartbeat(),
        };
        Some((said, holder))
    })
}

fn data(piece: Piece) -> ProcessIo {
    let data = process_io::Data { r#type: Some(piece.from as i32), data: Some(piece.data.into()) };
    ProcessIo { r#type: Some(process_io::Type::Data as i32), data: Some(data), ..ProcessIo::default() }
}

fn heartbeat() -> ProcessIo {
    let nanoseconds = i64::try_from(HEARTBEAT.as_nanos()).unwrap_or(i64::MAX);
    let control = process_io::Control {
        r#type: Some(process_io::control::Type::Heartbeat as i32),
        heartbeat: Some(process_io::control::Heartbeat { interval: Some(DurationInfo { nanoseconds }) }),
        ..process_io::Control::default()
    };
    ProcessIo {
        r#type: Some(process_io::Type::Control as i32),
        control: Some(control),
        ..ProcessIo::default()
    }
}

fn conversation(accept: Accept, said: impl Stream<Item = ProcessIo> + Send + 'static) -> Response {
    use futures_util::StreamExt;
    let media = accept.message();
    let body = Body::from_stream(said.map(move |said| record(media, &said)));
    let mut response = ([(header::CONTENT_TYPE, accept.content_type())], body).into_response();
    if let Accept::Records(media) = accept {
        let name = HeaderName::from_static(MESSAGE_CONTENT_TYPE);
        response.headers_mut().insert(name, HeaderValue::from_static(media.as_str()));
    }
    response
}

fn record(media: MediaType, said: &ProcessIo) -> Result<Bytes, CodecError> {
    let mut record = Vec::new();
    recordio::encode(&media.encode(said)?, &mut record);
    Ok(record.into())
}

//! The last line of defence: no answer holds a secret, whatever a service or a message puts into it.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Problem;
use crate::Handle;

/// Longest answer that is text; what is longer is no answer of a scheduler.
const TEXT_LIMIT: usize = 64 << 20;

/// Middleware: replaces secrets in answers that are text. Programs and archives pass untouched.
pub(crate) async fn scrub(State(handle): State<Handle>, request: Request, next: Next) -> Response {
    let answer = next.run(request).await;
    let secrets = handle.published().secrets.clone();
    if secrets.is_empty() || !is_text(answer.headers().get(header::CONTENT_TYPE)) {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let Ok(bytes) = to_bytes(body, TEXT_LIMIT).await else {
        let detail = "the answer is too long";
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "answer-too-long", detail).into_response();
    };
    let Ok(text) = std::str::from_utf8(&bytes) else { return Response::from_parts(parts, bytes.into()) };
    let scrubbed = secrets.scrub(text).into_owned();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(scrubbed))
}

/// Streams of events are not: they never end, and schedulers have none.
fn is_text(kind: Option<&HeaderValue>) -> bool {
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.contains("json") || (kind.starts_with("text/") && !kind.starts_with("text/event-stream"))
}

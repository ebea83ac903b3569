//! The REST of a child scheduler, through the controller: one address and one token for everything.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cairn_framework::rest::Problem;
use futures_util::{Stream, StreamExt};

use super::services::unknown;
use super::{Answer, App};
use crate::http::reason;
use crate::model::API;

/// Until the child's answer begins; it may hold a long poll back for half a minute.
const PATIENCE: Duration = Duration::from_secs(120);
const REQUEST_LIMIT: usize = 16 * 1024 * 1024;
const RESPONSE_LIMIT: usize = 256 * 1024 * 1024;
const TO_CHILD: [HeaderName; 3] = [header::CONTENT_TYPE, header::ACCEPT, header::IF_NONE_MATCH];
const FROM_CHILD: [HeaderName; 5] =
    [header::CONTENT_TYPE, header::LOCATION, header::ETAG, header::CACHE_CONTROL, header::RETRY_AFTER];

/// `ANY /v1/stacks/{stack}/services/{service}/proxy/{*path}`
pub(crate) async fn forward(
    State(app): State<App>,
    Path((stack, service, _)): Path<(String, String, String)>,
    request: Request,
) -> Answer<Response> {
    let endpoint = endpoint(&app, &stack, &service)?;
    // The path as it came: what is escaped in it stays escaped.
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().splitn(8, '/').nth(7).unwrap_or_default();
    let query = parts.uri.query().map(|q| format!("?{q}")).unwrap_or_default();
    let call = app
        .shared
        .client
        .request(parts.method, format!("http://{endpoint}/{path}{query}"))
        .headers(pick(&parts.headers, &TO_CHILD))
        .bearer_auth(app.shared.settings.key.for_stack(&stack).reveal())
        .body(reqwest::Body::wrap_stream(limited(body.into_data_stream(), REQUEST_LIMIT)));
    let unreachable = |why: String| {
        Problem::new(
            StatusCode::BAD_GATEWAY,
            "scheduler-unreachable",
            format!("the scheduler of {stack}/{service} at {endpoint} does not answer: {why}"),
        )
        .hint(format!("look at the state of {stack}/{service}; its scheduler may be starting"))
    };
    let answer = tokio::time::timeout(PATIENCE, call.send())
        .await
        .map_err(|_| unreachable(format!("nothing within {} s", PATIENCE.as_secs())))?
        .map_err(|e| unreachable(reason(e)))?;
    let headers = pick(answer.headers(), &FROM_CHILD);
    let status = answer.status();
    let body = Body::from_stream(limited(answer.bytes_stream(), RESPONSE_LIMIT));
    Ok((status, headers, body).into_response())
}

fn endpoint(app: &App, stack: &str, service: &str) -> Answer<String> {
    let (published, options) = app.now()?;
    let stored = options.stacks.get(stack).filter(|s| s.service(service).is_some());
    let stored = stored.ok_or_else(|| unknown(app, stack, service))?;
    let instance = published.view.instances.get(&stored.instance(service)).filter(|i| i.task_id.is_some());
    let endpoint = instance.and_then(|i| i.placement.as_ref()?.endpoint(API));
    endpoint.ok_or_else(|| {
        let why = instance.map(|i| i.message.clone()).filter(|m| !m.is_empty());
        let why = why.map(|w| format!(": {w}")).unwrap_or_default();
        Problem::unavailable(format!("the scheduler of {stack}/{service} is not running{why}")).into()
    })
}

fn pick(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    names.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect()
}

#[derive(Debug, thiserror::Error)]
enum Cut<E> {
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    #[error(transparent)]
    Broken(#[from] E),
}

/// The same stream; an error in place of what goes beyond the limit.
fn limited<B, E>(
    stream: impl Stream<Item = Result<B, E>> + Send + 'static,
    limit: usize,
) -> impl Stream<Item = Result<B, Cut<E>>> + Send + 'static
where
    B: AsRef<[u8]> + Send + 'static,
    E: std::error::Error + Send + 'static,
{
    let mut left = limit;
    stream.map(move |piece| {
        let piece = piece?;
        left = left.checked_sub(piece.as_ref().len()).ok_or(Cut::TooLong(limit))?;
        Ok(piece)
    })
}

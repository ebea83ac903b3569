//! The REST of a child scheduler, through the controller: one address and one token for everything.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cairn_framework::rest::{MEANT, Problem};
use futures_util::{Stream, StreamExt};

use super::services::unknown;
use super::{Answer, App};
use crate::model::API;
use crate::token::Secret;
use cairn_framework::http::reason;

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
    let (framework, endpoint) = scheduler(&app, &stack, &service)?;
    let token = app.shared.settings.key.for_stack(&stack);
    pass_on(&app.shared.client, &framework, &endpoint, &token, request).await.map_err(|why| {
        let detail = format!("the scheduler of {stack}/{service} at {endpoint} does not answer: {why}");
        Problem::new(StatusCode::BAD_GATEWAY, "scheduler-unreachable", detail)
            .hint(format!("look at the state of {stack}/{service}; its scheduler may be starting"))
            .into()
    })
}

/// Sends a request on with the child's token in place of the caller's. Another child that has this endpoint by now refuses it.
async fn pass_on(
    client: &reqwest::Client,
    framework: &str,
    endpoint: &str,
    token: &Secret,
    request: Request,
) -> Result<Response, String> {
    // The path as it came: what is escaped in it stays escaped.
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().splitn(8, '/').nth(7).unwrap_or_default();
    let query = parts.uri.query().map(|q| format!("?{q}")).unwrap_or_default();
    let call = client
        .request(parts.method, format!("http://{endpoint}/{path}{query}"))
        .headers(pick(&parts.headers, &TO_CHILD))
        .header(MEANT, framework)
        .bearer_auth(token.reveal())
        .body(reqwest::Body::wrap_stream(limited(body.into_data_stream(), REQUEST_LIMIT)));
    let answer = tokio::time::timeout(PATIENCE, call.send())
        .await
        .map_err(|_| format!("nothing within {} s", PATIENCE.as_secs()))?
        .map_err(reason)?;
    let headers = pick(answer.headers(), &FROM_CHILD);
    let status = answer.status();
    let body = Body::from_stream(limited(answer.bytes_stream(), RESPONSE_LIMIT));
    Ok((status, headers, body).into_response())
}

/// The framework of a service, and where its scheduler serves.
fn scheduler(app: &App, stack: &str, service: &str) -> Answer<(String, String)> {
    let (published, options) = app.now()?;
    let stored = options.stacks.get(stack).filter(|s| s.service(service).is_some());
    let stored = stored.ok_or_else(|| unknown(app, stack, service))?;
    let framework = stored.instance(service);
    let instance = published.view.instances.get(&framework);
    let endpoint = instance.filter(|i| i.task_id.is_some()).and_then(|i| i.placement.as_ref()?.endpoint(API));
    endpoint.map(|endpoint| (framework, endpoint)).ok_or_else(|| {
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

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::to_bytes;
    use axum::http::Method;
    use axum::routing::any;

    use super::*;
    use crate::testing::serve;

    /// A child that tells what it was asked.
    async fn child() -> String {
        let tell = async |request: Request| {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, 1024).await.unwrap_or_default();
            let header =
                |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("-").to_owned();
            let told = format!(
                "{} {} meant={} auth={} type={} cookie={} body={}",
                parts.method,
                parts.uri,
                header("cairn-framework"),
                header("authorization"),
                header("content-type"),
                header("cookie"),
                String::from_utf8_lossy(&body)
            );
            (StatusCode::IM_A_TEAPOT, [("content-type", "text/x"), ("set-cookie", "a=b")], told)
        };
        serve(Router::new().fallback(any(tell))).await
    }

    fn request(method: Method, uri: &str, body: &str) -> Request {
        Request::builder()
            .method(method)
            .uri(uri)
            .header("authorization", "Bearer caller")
            .header("content-type", "application/json")
            .header("cookie", "c=d")
            .body(Body::from(body.to_owned()))
            .unwrap()
    }

    async fn ask(endpoint: &str, request: Request) -> Result<Response, String> {
        let client = cairn_framework::http::client().unwrap();
        pass_on(&client, "demo-kafka", endpoint, &Secret::new("child"), request).await
    }

    #[tokio::test]
    async fn everything_but_the_callers_secrets_is_passed_on() {
        let child = child().await;
        let uri = "/v1/stacks/demo/services/kafka/proxy/v1/topics/a%2Fb?x=1&y=%20";
        let answer = ask(&child, request(Method::PATCH, uri, "{}")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::IM_A_TEAPOT);
        assert_eq!(answer.headers()["content-type"], "text/x");
        assert!(!answer.headers().contains_key("set-cookie"));
        let body = to_bytes(answer.into_body(), 1024).await.unwrap();
        assert_eq!(
            String::from_utf8_lossy(&body),
            "PATCH /v1/topics/a%2Fb?x=1&y=%20 meant=demo-kafka auth=Bearer child type=application/json cookie=- body={}"
        );
    }

    #[tokio::test]
    async fn a_child_that_is_away_is_told_with_the_reason() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let closed = listener.local_addr().unwrap().to_string();
        drop(listener);
        let uri = "/v1/stacks/demo/services/kafka/proxy/v1/topics";
        let error = ask(&closed, request(Method::GET, uri, "")).await.unwrap_err();
        assert!(error.contains("refused"), "{error}");
    }

    #[tokio::test]
    async fn what_is_too_long_is_cut_with_an_error() {
        let pieces = ["abc", "def"].map(|p| Ok::<_, std::convert::Infallible>(axum::body::Bytes::from(p)));
        let all: Vec<_> = limited(futures_util::stream::iter(pieces), 5).collect().await;
        assert!(all[0].is_ok());
        assert_eq!(all[1].as_ref().unwrap_err().to_string(), "the body is longer than 5 bytes");
    }
}

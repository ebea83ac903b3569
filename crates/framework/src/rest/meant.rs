//! Addresses are given again: a request can reach another scheduler than it was sent to. Who knows whom it means says so, and
//! anybody else refuses.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Problem;

/// Name of the framework whose scheduler is meant.
pub const MEANT: HeaderName = HeaderName::from_static("cairn-framework");

/// Middleware: lets requests pass that mean this framework, or nobody in particular.
pub(crate) async fn only_if_meant(
    State(framework): State<Arc<str>>,
    request: Request,
    next: Next,
) -> Response {
    match request.headers().get(&MEANT).filter(|meant| meant.as_bytes() != framework.as_bytes()) {
        None => next.run(request).await,
        Some(meant) => {
            let meant = String::from_utf8_lossy(meant.as_bytes());
            misdirected(&meant, &framework).into_response()
        }
    }
}

fn misdirected(meant: &str, framework: &str) -> Problem {
    let detail = format!("this is the scheduler of {framework}, and {meant} is meant");
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "another-scheduler", detail).hint(format!(
        "ask again in a moment: the scheduler of {meant} has another address by now, or is being started"
    ))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::post;
    use tokio::net::TcpListener;

    use super::*;
    use crate::rest::Server;

    #[tokio::test]
    async fn what_another_is_asked_is_refused() {
        let app = Router::new()
            .route("/v1/destroy", post(async || "it is done"))
            .layer(from_fn_with_state(Arc::from("demo-kafka"), only_if_meant));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/v1/destroy", listener.local_addr().unwrap());
        let _server = Server::start(listener, app).unwrap();
        let ask = || crate::http::client().unwrap().post(&url);
        let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status().as_u16();
        assert_eq!(status(ask().header(MEANT, "demo-zookeeper")).await, 421);
        assert_eq!(status(ask().header(MEANT, "demo-kafka")).await, 200);
        assert_eq!(status(ask()).await, 200);
    }
}

//! The master's HTTP: paths, methods, and what has its own file.

mod agent;
mod body;
mod classic;
mod operator;
mod scheduler;
mod validate;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use self::body::Refusal;
use super::driver::Command;

/// What every handler has.
#[derive(Debug, Clone)]
pub(crate) struct Web {
    pub(crate) master: mpsc::Sender<Command>,
}

impl Web {
    /// Give the master a command and wait for its answer.
    async fn ask<A>(&self, command: impl FnOnce(oneshot::Sender<A>) -> Command) -> Result<A, Refusal> {
        let (sender, answer) = oneshot::channel();
        let gone = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "The master is shutting down");
        self.master.send(command(sender)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

/// Serve until `closing` is dropped or fires.
pub(crate) async fn serve(listener: TcpListener, web: Web, closing: oneshot::Receiver<()>) {
    let router = axum::Router::new().fallback(handle).with_state(web);
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        let _ = closing.await;
    });
    if let Err(error) = server.await {
        tracing::error!(%error, "the master's HTTP server has ended");
    }
}

async fn handle(State(web): State<Web>, request: Request) -> Response {
    route(web, request).await.unwrap_or_else(IntoResponse::into_response)
}

/// Paths are those of Apache Mesos: with or without `/master`, with or without a slash at the end.
async fn route(web: Web, request: Request) -> Result<Response, Refusal> {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    let path = path.strip_prefix("/master").unwrap_or(&path);
    match path {
        "/api/v1/scheduler" => {
            allow(&request, &[Method::POST])?;
            scheduler::handle(web, request).await
        }
        "/health" => Ok(StatusCode::OK.into_response()),
        "/version" => Ok(classic::version()),
        // There is one master, so the leader is whoever is asked.
        "/redirect" => Ok(classic::redirect(request.headers())),
        "/state" => {
            allow(&request, &[Method::GET])?;
            classic::state(web).await
        }
        crate::link::PATH => {
            allow(&request, &[Method::POST])?;
            agent::handle(web, request).await
        }
        _ if path == "/api/v1" || path.starts_with("/api/v1/") => {
            allow(&request, &[Method::POST])?;
            operator::handle(web, request).await
        }
        _ => Err(Refusal::new(StatusCode::NOT_FOUND, "404 Not Found.")),
    }
}

fn allow(request: &Request, methods: &[Method]) -> Result<(), Refusal> {
    if methods.contains(request.method()) {
        return Ok(());
    }
    let quoted: Vec<String> = methods.iter().map(|method| format!("'{method}'")).collect();
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let text = format!(
        "405 Method Not Allowed. Expecting one of {{ {} }}, but received '{}'.",
        quoted.join(", "),
        request.method()
    );
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, text);
    Err(refusal.with(header::ALLOW, &names.join(", ")))
}

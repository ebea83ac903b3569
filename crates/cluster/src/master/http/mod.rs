//! The master's HTTP: paths, methods, and what has its own file.

mod agent;
mod answer;
mod change;
mod classic;
mod operator;
mod scheduler;
mod validate;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use cairn_mesos::v1::Metric;
use cairn_mesos::v1::master::Call;
use tokio::sync::{mpsc, oneshot};

use super::Reply;
use super::driver::Command;
use super::measured::Measured;
use crate::listen::Listener;
use crate::metric::{self, number};
use crate::security::{Acls, Credentials};
use crate::web::body::{self, Refusal};
use crate::web::method::allow;
use crate::web::{gzip, system};

/// Realms of HTTP authentication.
const READ_ONLY: &str = "mesos-master-readonly";
const READ_WRITE: &str = "mesos-master-readwrite";

/// What every handler has.
#[derive(Debug, Clone)]
pub(crate) struct Web {
    pub(crate) master: mpsc::Sender<Command>,
    pub(crate) measured: Measured,
    /// Who may ask; `None`: everybody.
    pub(crate) credentials: Option<Arc<Credentials>>,
    /// Who may bring agents; `None`: whoever may ask.
    pub(crate) acls: Option<Arc<Acls>>,
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

impl Web {
    /// Give the master a call of the operator API.
    async fn operate(&self, call: Call, principal: Option<String>) -> Result<Reply, Refusal> {
        let call = Box::new(call);
        let mut reply = self.ask(|answer| Command::Operator { call, principal, answer }).await?;
        if let Reply::Operator(answer) = &mut reply
            && let Some(shown) = &mut answer.get_metrics
        {
            shown.metrics.extend(self.around_the_master());
        }
        Ok(reply)
    }

    /// Metrics of what the master itself does not know.
    fn around_the_master(&self) -> Vec<Metric> {
        let waiting = number(self.master.max_capacity() - self.master.capacity());
        let queues = [
            ("master/event_queue_dispatches", waiting),
            // Requests and messages wait in the same line.
            ("master/event_queue_http_requests", 0.0),
            ("master/event_queue_messages", 0.0),
            // Who may be offered what is looked at within the step that changes it.
            ("allocator/event_queue_dispatches", 0.0),
            ("allocator/mesos/event_queue_dispatches", 0.0),
        ];
        let queues = queues.map(|(name, value)| (name.to_owned(), value));
        metric::listed(queues.into_iter().chain(system::metrics()).chain(self.measured.metrics()))
    }
}

impl Web {
    /// Who asks. `None`: nobody has to say.
    fn authenticate(&self, request: &Request, realm: &str) -> Result<Option<String>, Refusal> {
        let Some(credentials) = &self.credentials else { return Ok(None) };
        let given = body::header_text(request.headers(), header::AUTHORIZATION);
        match credentials.check(given) {
            Some(principal) => Ok(Some(principal.to_owned())),
            None => {
                let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "401 Unauthorized.");
                Err(refusal.with(header::WWW_AUTHENTICATE, &format!("Basic realm=\"{realm}\"")))
            }
        }
    }
}

/// Serve until `closing` is dropped or fires.
pub(crate) async fn serve(listener: Listener, web: Web, closing: oneshot::Receiver<()>) {
    let router =
        axum::Router::new().fallback(handle).layer(middleware::from_fn(gzip::answers)).with_state(web);
    crate::serve::serve(listener, router, async move {
        let _ = closing.await;
    })
    .await;
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
            allow(request.method(), &[Method::POST])?;
            let principal = web.authenticate(&request, "mesos-master-scheduler")?;
            scheduler::handle(web, request, principal).await
        }
        "/health" => Ok(StatusCode::OK.into_response()),
        "/version" => Ok(classic::version()),
        // There is one master, so the leader is whoever is asked.
        "/redirect" => Ok(classic::redirect(request.headers())),
        crate::link::PATH => {
            allow(request.method(), &[Method::POST])?;
            let principal = web.authenticate(&request, "mesos-master-agent")?;
            agent::handle(web, request, principal.as_deref()).await
        }
        _ if path == "/api/v1" || path.starts_with("/api/v1/") => {
            allow(request.method(), &[Method::POST])?;
            let principal = web.authenticate(&request, READ_WRITE)?;
            operator::handle(web, request, principal).await
        }
        "/system/stats.json" => {
            web.authenticate(&request, READ_ONLY)?;
            Ok(system::stats().await)
        }
        _ => classic(web, request, path).await,
    }
}

/// What there was before the v1 API.
async fn classic(web: Web, request: Request, path: &str) -> Result<Response, Refusal> {
    let methods = change::methods(path);
    if let Some(methods) = &methods {
        allow(request.method(), methods)?;
        if request.method() != Method::GET {
            let principal = web.authenticate(&request, READ_WRITE)?;
            return change::handle(web, request, path, principal).await;
        }
    }
    web.authenticate(&request, READ_ONLY)?;
    let nothing = || Refusal::new(StatusCode::NOT_FOUND, "404 Not Found.");
    classic::get(web, request.uri(), path).await?.ok_or_else(nothing)
}

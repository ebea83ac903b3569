//! Agents that are processes of their own: see [`crate::link`].

use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Web;
use crate::link::{CONTENT_TYPE, carry, outgoing};
use crate::master::driver::Command;
use crate::web::body::Refusal;
use crate::wire::{self, AgentLink};

pub(crate) async fn handle(web: Web, request: Request, principal: Option<&str>) -> Result<Response, Refusal> {
    if web.acls.as_ref().is_some_and(|acls| !acls.allow_agent(principal)) {
        let who = principal
            .map_or_else(|| "without a principal".to_owned(), |name| format!("of principal '{name}'"));
        let text = format!("An agent {who} may not register: no rule of `register_agents` in --acls says so");
        return Err(Refusal::new(StatusCode::FORBIDDEN, text));
    }
    let (agent, master) = wire::link();
    let AgentLink { to_master, from_master } = agent;
    let gone = |_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "The master is shutting down");
    web.master.send(Command::Attach(master)).await.map_err(gone)?;
    tokio::spawn(async move {
        // Ends with the request, or when the master closes the link.
        if let Err(why) = carry(request.into_body().into_data_stream(), to_master).await {
            tracing::warn!(%why, "the link to an agent is broken");
        }
    });
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], Body::from_stream(outgoing(from_master))).into_response())
}

//! A scheduler whose state is in ZooKeeper stands by until it leads, and says meanwhile who does.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use cairn_mesos::client::ZooKeeperAddress;
use serde_json::json;
use tokio::sync::watch;

use super::RunError;
use super::start::serving;
use crate::rest::{Problem, Server};
use crate::store::{Candidate, StoreError, ZooKeeperStore};

/// Between two attempts to have a session with ZooKeeper.
const AGAIN: Duration = Duration::from_secs(1);
/// Clients may ask again after so many seconds.
const ASK_AGAIN: &str = "1";

/// What is known while standing by.
#[derive(Debug, Clone, Default, PartialEq)]
struct Standing {
    /// Where the leader is, or was until a moment ago.
    leader: Option<String>,
    /// Why this one cannot even stand by.
    trouble: Option<String>,
}

/// Waits until this scheduler leads; `url` is where the others send clients then. Meanwhile REST answers that it does not.
///
/// # Errors
/// When the state is not for this program, or REST cannot be served.
pub(crate) async fn lead(
    address: &ZooKeeperAddress,
    url: &str,
    listener: &TcpListener,
) -> Result<ZooKeeperStore, RunError> {
    let (tell, standing) = watch::channel(Standing::default());
    let failed = |e: std::io::Error| RunError::Listen { address: url.to_owned(), reason: e.to_string() };
    let server = Server::start(serving(listener)?, router(standing)).map_err(failed)?;
    let store = election(address, url, &tell).await?;
    tracing::info!(state = %address, "leads from now on");
    drop(server);
    Ok(store)
}

async fn election(
    address: &ZooKeeperAddress,
    url: &str,
    tell: &watch::Sender<Standing>,
) -> Result<ZooKeeperStore, StoreError> {
    loop {
        match candidacy(address, url, tell).await {
            Err(error @ (StoreError::Unreachable { .. } | StoreError::Fenced { .. })) => {
                tracing::warn!(%error, "cannot stand by; tried again");
                tell.send_modify(|s| s.trouble = Some(error.to_string()));
                tokio::time::sleep(AGAIN).await;
            }
            ended => return ended,
        }
    }
}

async fn candidacy(
    address: &ZooKeeperAddress,
    url: &str,
    tell: &watch::Sender<Standing>,
) -> Result<ZooKeeperStore, StoreError> {
    let candidate = Candidate::stand(address).await?;
    let follow = candidate.follow(|leader| {
        if let Some(leader) = leader.as_ref().filter(|leader| leader.as_str() != url) {
            tracing::info!(leader, "stands by");
        }
        tell.send_replace(Standing { leader, trouble: None });
    });
    tokio::select! {
        store = candidate.elected(url) => store,
        error = follow => Err(error),
    }
}

fn router(standing: watch::Receiver<Standing>) -> Router {
    Router::new().fallback(not_leader).with_state(Arc::new(standing))
}

/// A problem document with the leader's URL beside the usual fields.
async fn not_leader(State(standing): State<Arc<watch::Receiver<Standing>>>) -> Response {
    let Standing { leader, trouble } = standing.borrow().clone();
    let (detail, hint) = match (&leader, trouble) {
        (_, Some(trouble)) => (format!("this scheduler does not lead: {trouble}"), None),
        (Some(leader), None) => {
            (format!("this scheduler stands by; {leader} leads"), Some(format!("ask {leader}")))
        }
        (None, None) => ("this scheduler stands by; nobody leads yet".to_owned(), None),
    };
    let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-leader", detail);
    problem.hint = hint.or_else(|| Some("ask again in a moment".into()));
    let mut body = json!(problem);
    body["leader"] = json!(leader);
    let headers = [(header::RETRY_AFTER, ASK_AGAIN), (header::CONTENT_TYPE, "application/problem+json")];
    (StatusCode::SERVICE_UNAVAILABLE, headers, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(standing: Standing) -> (u16, String, serde_json::Value) {
        let (_tell, standing) = watch::channel(standing);
        let answer = not_leader(State(Arc::new(standing))).await;
        let kind = answer.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
        (status, kind, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn who_stands_by_says_who_leads() {
        let leader = Some("http://127.0.0.1:7070".to_owned());
        let (status, kind, body) = answer(Standing { leader, trouble: None }).await;
        assert_eq!((status, kind.as_str()), (503, "application/problem+json"));
        assert_eq!((&body["type"], &body["leader"]), (&json!("not-leader"), &json!("http://127.0.0.1:7070")));
        assert_eq!(body["hint"], "ask http://127.0.0.1:7070");
        let trouble = Some("zk://h:1/x cannot be reached".to_owned());
        let (_, _, body) = answer(Standing { leader: None, trouble }).await;
        assert!(body["detail"].as_str().unwrap().contains("cannot be reached"), "{body}");
        assert_eq!(body["leader"], json!(null));
    }
}

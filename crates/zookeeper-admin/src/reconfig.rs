//! Carries out changes of membership.

use std::fmt;
use std::time::Duration;

use zookeeper_client::{Client, EnsembleUpdate, Error};

use crate::members::ServerId;

/// Whoever asks has some 30 s; the rest is for looking again.
const LIMIT: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(5);

/// One server joins or leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It joins, with this line.
    Add(ServerId, String),
    /// It leaves.
    Remove(ServerId),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(id, _) => write!(f, "adding server-{id}"),
            Self::Remove(id) => write!(f, "removing server-{id}"),
        }
    }
}

/// Why the membership is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReconfigError {
    /// The server that is asked cannot be reached.
    #[error("no connection to {0}: {1}")]
    Connect(String, Error),
    /// Somebody else was quicker.
    #[error("it has changed meanwhile; looking again")]
    Changed,
    /// The super user has another password there.
    #[error(
        "the servers refuse the credentials: a server that was started with another `superPassword` has to be restarted"
    )]
    Denied,
    /// In ZooKeeper's words.
    #[error("{0}")]
    Refused(Error),
    /// It may still happen.
    #[error("no answer within {} s", LIMIT.as_secs())]
    Timeout,
}

/// Changes the membership, if it still has this version, through the server at `endpoint` with the super user's password
/// there.
///
/// # Errors
/// Why it did not happen.
pub async fn reconfigure(
    endpoint: &str,
    password: &str,
    change: &Change,
    version: i64,
) -> Result<(), ReconfigError> {
    let sent = tokio::time::timeout(LIMIT, send(endpoint, password, change, version));
    sent.await.map_err(|_| ReconfigError::Timeout)?
}

async fn send(endpoint: &str, password: &str, change: &Change, version: i64) -> Result<(), ReconfigError> {
    let auth = format!("super:{password}");
    let client = Client::connector()
        .with_auth("digest", auth.as_bytes())
        .with_connection_timeout(CONNECT)
        .with_fail_eagerly()
        .connect(endpoint)
        .await
        .map_err(|source| ReconfigError::Connect(endpoint.to_owned(), source))?;
    let (joining, leaving) = match change {
        Change::Add(id, line) => (format!("server.{id}={line}"), String::new()),
        Change::Remove(id) => (String::new(), id.to_string()),
    };
    let update = EnsembleUpdate::Incremental {
        joinings: std::iter::once(joining.as_str()),
        leavings: std::iter::once(leaving.as_str()),
    };
    match client.update_ensemble(update, Some(version)).await {
        Ok(_) => Ok(()),
        Err(Error::BadVersion) => Err(ReconfigError::Changed),
        Err(Error::NoAuth | Error::AuthFailed) => Err(ReconfigError::Denied),
        Err(error) => Err(ReconfigError::Refused(error)),
    }
}

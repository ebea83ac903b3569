//! Carries out changes of membership.

use std::time::Duration;

use zookeeper_client::{Client, EnsembleUpdate, Error};

use crate::gate::{Change, What};
use crate::names::CLIENT;
use crate::options::Options;
use crate::secret;
use crate::survey::Survey;

/// A gate has 30 s; the rest is for looking again.
const LIMIT: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(5);

/// Why the membership is as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconfigError {
    #[error("the server to ask has gone")]
    Gone,
    #[error("no connection to {endpoint}: {source}")]
    Connect { endpoint: String, source: Error },
    #[error("it has changed meanwhile; looking again")]
    Changed,
    #[error(
        "the servers refuse the credentials: a server that was started with another `superPassword` has to be restarted"
    )]
    Denied,
    #[error("{0}")]
    Refused(Error),
    #[error("no answer within {} s", LIMIT.as_secs())]
    Timeout,
}

/// Changes the membership, if it is still the one that was looked at.
pub(crate) async fn apply(change: &Change, options: &Options, survey: &Survey) -> Result<(), ReconfigError> {
    tokio::time::timeout(LIMIT, send(change, options, survey)).await.map_err(|_| ReconfigError::Timeout)?
}

async fn send(change: &Change, options: &Options, survey: &Survey) -> Result<(), ReconfigError> {
    let place = &survey.servers.get(&change.via).ok_or(ReconfigError::Gone)?.place;
    let endpoint = place.endpoint(CLIENT).ok_or(ReconfigError::Gone)?;
    let auth = format!("super:{}", secret::password(options, place));
    let client = Client::connector()
        .with_auth("digest", auth.as_bytes())
        .with_connection_timeout(CONNECT)
        .with_fail_eagerly()
        .connect(&endpoint)
        .await
        .map_err(|source| ReconfigError::Connect { endpoint, source })?;
    let (joining, leaving) = match &change.what {
        What::Add(id, line) => (format!("server.{id}={line}"), String::new()),
        What::Remove(id) => (String::new(), id.to_string()),
    };
    let update = EnsembleUpdate::Incremental {
        joinings: std::iter::once(joining.as_str()),
        leavings: std::iter::once(leaving.as_str()),
    };
    match client.update_ensemble(update, Some(change.version)).await {
        Ok(_) => Ok(()),
        Err(Error::BadVersion) => Err(ReconfigError::Changed),
        Err(Error::NoAuth | Error::AuthFailed) => Err(ReconfigError::Denied),
        Err(error) => Err(ReconfigError::Refused(error)),
    }
}

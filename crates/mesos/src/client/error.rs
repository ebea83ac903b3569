//! What can go wrong when talking to a master or an agent.

use std::time::Duration;

use reqwest::Url;

use crate::codec::CodecError;
use crate::recordio::RecordError;

/// Why a call failed or a subscription ended.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The peer answered, and said no.
    #[error("{url} refused the call: HTTP {status}: {body}")]
    Refused {
        /// Who answered.
        url: Url,
        /// The HTTP status.
        status: u16,
        /// The body of the answer, which says why.
        body: String,
    },
    /// No answer: no connection, or it broke.
    #[error("cannot reach {url}: {reason}; check that the address is right and the process runs")]
    Unreachable {
        /// Who was asked.
        url: Url,
        /// What failed, down to the cause.
        reason: String,
    },
    /// No answer in time. The call may have been carried out.
    #[error("{url} did not answer within {after:?}")]
    Timeout {
        /// Who was asked.
        url: Url,
        /// How long was waited.
        after: Duration,
    },
    /// The redirects lead nowhere.
    #[error("{url} redirects without end or to no address ({location:?})")]
    Redirect {
        /// Who redirected last.
        url: Url,
        /// Where to.
        location: String,
    },
    /// There is no subscription through which the call could be made. Wait for the next `Subscribed`.
    #[error("not subscribed; the call can be made once the subscription stands again")]
    NotSubscribed,
    /// The subscription's stream ended.
    #[error("{0} ended the stream")]
    StreamEnded(Url),
    /// Heartbeats failed to come.
    #[error("no event and no heartbeat for {0:?}")]
    Silent(Duration),
    /// The framing of the stream is broken.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A body is not what it should be.
    #[error("cannot read or write a body: {0}")]
    Codec(#[from] CodecError),
    /// An address cannot be used.
    #[error("bad address {address:?}: {reason}")]
    Address {
        /// As given.
        address: String,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// ZooKeeper does not say which master leads.
    #[error("cannot find the leading master through {address}: {reason}")]
    Detection {
        /// Where it was looked for.
        address: String,
        /// Why it was not found.
        reason: String,
    },
    /// Another master leads now.
    #[error("{0} does not lead any more")]
    Replaced(Url),
    /// The HTTP client could not be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Setup(String),
}

impl ClientError {
    /// The HTTP status of a refused call.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// An error with its causes, which reqwest keeps out of its own text.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

//! What can go wrong when talking to a master or an agent.

use std::fmt;
use std::time::Duration;

use reqwest::Url;

use super::access::{Access, Credentials};
use super::advice::advice;
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
    /// The peer does not let in who comes like this.
    #[error("{url} lets in only whom it knows, and refuses {given}")]
    Unauthorized {
        /// Who answered.
        url: Url,
        /// What the client said of itself.
        given: Given,
    },
    /// No answer: no connection, or it broke.
    #[error("cannot reach {url}: {reason}; {advice}")]
    Unreachable {
        /// Who was asked.
        url: Url,
        /// What failed, down to the cause.
        reason: String,
        /// What to do.
        advice: &'static str,
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

/// What a client has said of itself, without what is secret of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// Nothing.
    Nothing,
    /// A principal and its secret.
    Principal(String),
    /// A token.
    Token,
}

impl Given {
    fn of(access: &Access) -> Self {
        match &access.credentials {
            None => Self::Nothing,
            Some(Credentials::Basic { principal, .. }) => Self::Principal(principal.clone()),
            Some(Credentials::Bearer(_)) => Self::Token,
        }
    }
}

/// With what to do.
impl fmt::Display for Given {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => out.write_str(
                "a client without a credential; give --credential FILE, with a line `principal secret` that is among the \
                 cluster's --credentials",
            ),
            Self::Principal(principal) => write!(
                out,
                "the credential of `{principal}`; check that --credential has a principal and a secret that are among the \
                 cluster's --credentials"
            ),
            Self::Token => out.write_str(
                "the token of this executor; its agent signs tokens with another --executor-secret than when it started it",
            ),
        }
    }
}

impl ClientError {
    /// A peer has answered with another status than success.
    pub fn refused(url: Url, status: u16, body: String, access: &Access) -> Self {
        match status {
            401 => Self::Unauthorized { url, given: Given::of(access) },
            _ => Self::Refused { url, status, body },
        }
    }

    /// A peer has not answered.
    pub fn unreachable(url: &Url, error: &reqwest::Error) -> Self {
        Self::Unreachable { url: url.clone(), reason: with_causes(error), advice: advice(error) }
    }

    /// The HTTP status of a refused call.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Unauthorized { .. } => Some(401),
            _ => None,
        }
    }
}

/// An error with its causes, which reqwest keeps out of its own text.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

//! What can go wrong when a cluster is asked, in Kafka's own words.

use kafka_protocol::ResponseError;

use crate::reassign::TooFew;

/// An error of a conversation with a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens, or the connection broke.
    #[error("{endpoint}: {source}")]
    Io {
        /// `host:port`.
        endpoint: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// No answer in time.
    #[error("{endpoint}: no answer to {what} within {seconds} s")]
    Timeout {
        /// `host:port`.
        endpoint: String,
        /// What was asked.
        what: &'static str,
        /// How long was waited.
        seconds: u64,
    },
    /// The answer is not Kafka's protocol, or larger than anything sensible.
    #[error("{endpoint}: {reason}")]
    Protocol {
        /// `host:port`.
        endpoint: String,
        /// What is odd about it.
        reason: String,
    },
    /// A change has happened, and some brokers still do not know of it.
    #[error("topic {topic} is changed, but {} did not take it up yet", late.join(", "))]
    Late {
        /// Which topic.
        topic: String,
        /// Endpoints of the brokers.
        late: Vec<String>,
    },
    /// Nobody can be asked.
    #[error("{0}")]
    Nobody(String),
    /// Kafka says no.
    #[error("{what}: {}{}", kafka_name(*.code), .message.as_deref().map(|m| format!(": {m}")).unwrap_or_default())]
    Refused {
        /// What was asked of what: `topic logs`.
        what: String,
        /// Kafka's error.
        code: ResponseError,
        /// Kafka's explanation.
        message: Option<String>,
    },
    /// Partitions are moving, so that nothing can be planned for them.
    #[error("partitions are moving right now")]
    Busy,
    /// The same for those of one topic.
    #[error("partitions of topic {0} are moving already")]
    Moving(String),
    /// There are too few brokers for it.
    #[error(transparent)]
    TooFew(#[from] TooFew),
    /// A topic would have fewer partitions.
    #[error("topic {topic} has {has} partitions, and Kafka cannot take any away")]
    Shrinks {
        /// Which topic.
        topic: String,
        /// How many it has.
        has: usize,
    },
    /// More copies than brokers.
    #[error("replication {wanted} needs as many brokers, and {brokers} serve")]
    Crowded {
        /// Copies.
        wanted: u32,
        /// Brokers that serve.
        brokers: usize,
    },
    /// A topic is not anybody's to delete.
    #[error("topic {0} is Kafka's own")]
    Internal(String),
    /// What is asked for makes no sense.
    #[error("{0}")]
    Odd(String),
}

/// What kind of error it is, for whoever has to tell what can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Nobody answers, or nothing that makes sense.
    Silent,
    /// There is no such topic.
    UnknownTopic,
    /// There is one of this name.
    TopicExists,
    /// More copies than brokers, Kafka says.
    Copies,
    /// A setting that topics do not have, or not with this value.
    Setting,
    /// What is asked for makes no sense.
    Odd,
    /// It may work in a moment.
    Passing,
    /// Kafka says no for a reason of its own.
    Refused,
    /// Partitions are moving.
    Moving,
    /// Too few brokers for where partitions should be.
    TooFew,
    /// A topic would have fewer partitions.
    Shrinks,
    /// More copies than brokers that serve.
    Crowded,
    /// A topic is Kafka's own.
    Internal,
}

impl ClientError {
    /// Kafka's error, if it is one.
    pub fn code(&self) -> Option<ResponseError> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused { code, .. } => kind(*code),
            Self::Busy | Self::Moving(_) => ErrorKind::Moving,
            Self::TooFew(_) => ErrorKind::TooFew,
            Self::Shrinks { .. } => ErrorKind::Shrinks,
            Self::Crowded { .. } => ErrorKind::Crowded,
            Self::Internal(_) => ErrorKind::Internal,
            Self::Odd(_) => ErrorKind::Odd,
            Self::Io { .. }
            | Self::Timeout { .. }
            | Self::Protocol { .. }
            | Self::Late { .. }
            | Self::Nobody(_) => ErrorKind::Silent,
        }
    }

    /// Kafka would say the same of a topic next time.
    pub fn is_final(&self) -> bool {
        matches!(
            self.code(),
            Some(
                ResponseError::InvalidConfig
                    | ResponseError::InvalidPartitions
                    | ResponseError::InvalidTopicException
                    | ResponseError::PolicyViolation
                    | ResponseError::TopicAuthorizationFailed
                    | ResponseError::ClusterAuthorizationFailed
            )
        )
    }
}

fn kind(code: ResponseError) -> ErrorKind {
    match code {
        ResponseError::UnknownTopicOrPartition => ErrorKind::UnknownTopic,
        ResponseError::TopicAlreadyExists => ErrorKind::TopicExists,
        ResponseError::InvalidReplicationFactor => ErrorKind::Copies,
        ResponseError::InvalidConfig => ErrorKind::Setting,
        ResponseError::InvalidTopicException
        | ResponseError::InvalidPartitions
        | ResponseError::InvalidRequest => ErrorKind::Odd,
        code if code.is_retriable() => ErrorKind::Passing,
        _ => ErrorKind::Refused,
    }
}

/// `UNKNOWN_TOPIC_OR_PARTITION`: names as Kafka's documentation and logs have them.
pub(crate) fn kafka_name(code: ResponseError) -> String {
    if let ResponseError::Unknown(code) = code {
        return format!("error code {code}");
    }
    let mut name = String::new();
    for c in code.to_string().chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

/// `Err` for an error code.
pub(super) fn check(
    what: impl FnOnce() -> String,
    code: i16,
    message: Option<&str>,
) -> Result<(), ClientError> {
    match ResponseError::try_from_code(code) {
        None => Ok(()),
        Some(code) => Err(ClientError::Refused { what: what(), code, message: message.map(str::to_owned) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_follow_what_kafka_says() {
        for (code, expected) in [
            (ResponseError::UnknownTopicOrPartition, ErrorKind::UnknownTopic),
            (ResponseError::TopicAlreadyExists, ErrorKind::TopicExists),
            (ResponseError::InvalidConfig, ErrorKind::Setting),
            (ResponseError::NotController, ErrorKind::Passing),
            (ResponseError::PolicyViolation, ErrorKind::Refused),
        ] {
            assert_eq!(kind(code), expected, "{code}");
        }
        assert_eq!(ClientError::Nobody("x".into()).kind(), ErrorKind::Silent);
    }

    #[test]
    fn names_are_kafkas() {
        let error = check(|| "topic logs".into(), 3, Some("no such thing")).unwrap_err();
        assert_eq!(error.to_string(), "topic logs: UNKNOWN_TOPIC_OR_PARTITION: no such thing");
        assert_eq!(kafka_name(ResponseError::Unknown(999)), "error code 999");
        assert!(check(String::new, 0, None).is_ok());
    }
}

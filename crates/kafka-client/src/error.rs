//! What can go wrong when a cluster is asked, in Kafka's own words.

use kafka_protocol::ResponseError;

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
}

impl ClientError {
    /// Kafka's error, if it is one.
    pub fn code(&self) -> Option<ResponseError> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
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
    fn names_are_kafkas() {
        let error = check(|| "topic logs".into(), 3, Some("no such thing")).unwrap_err();
        assert_eq!(error.to_string(), "topic logs: UNKNOWN_TOPIC_OR_PARTITION: no such thing");
        assert_eq!(kafka_name(ResponseError::Unknown(999)), "error code 999");
        assert!(check(String::new, 0, None).is_ok());
    }
}

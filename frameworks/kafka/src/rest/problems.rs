//! What Kafka says, as problem documents.

use axum::http::StatusCode;
use cairn_framework::rest::Problem;

use cairn_kafka_client::{ClientError, ResponseError, Unmoved};

/// The problem document of an error of the client.
#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
pub(crate) fn from_client(error: ClientError) -> Problem {
    let text = error.to_string();
    let Some(code) = error.code() else {
        return Problem::unavailable(text).hint("GET /v1/plans/deploy shows what the brokers wait for");
    };
    match code {
        ResponseError::UnknownTopicOrPartition => {
            Problem::not_found("unknown-topic", text).hint("GET /v1/topics lists them")
        }
        ResponseError::TopicAlreadyExists => {
            Problem::conflict("topic-exists", text).hint("PATCH /v1/topics/{name} changes it")
        }
        ResponseError::InvalidReplicationFactor => Problem::bad_request(text)
            .hint("every replica is on a broker of its own; GET /v1/brokers lists them"),
        ResponseError::InvalidConfig => Problem::bad_request(text)
            .hint("Kafka's documentation lists the settings of topics under `topic configs`"),
        ResponseError::InvalidTopicException
        | ResponseError::InvalidPartitions
        | ResponseError::InvalidRequest => Problem::bad_request(text),
        code if code.is_retriable() => Problem::unavailable(text).hint("try again in a moment"),
        _ => Problem::new(StatusCode::CONFLICT, "refused-by-kafka", text),
    }
}

/// The problem document where partitions are not moved.
pub(crate) fn from_unmoved(error: Unmoved) -> Problem {
    let text = error.to_string();
    match error {
        Unmoved::Client(error) => from_client(error),
        Unmoved::TooFew(_) => {
            Problem::conflict("too-few-brokers", text).hint("add brokers, or lower the replication")
        }
        Unmoved::Busy | Unmoved::Moving(_) => {
            Problem::conflict("rebalance-running", text).hint("GET /v1/partitions shows how far it is")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_follow_what_kafka_says() {
        let refused = |code| ClientError::Refused { what: "topic t".into(), code, message: None };
        for (code, status) in [
            (ResponseError::UnknownTopicOrPartition, 404),
            (ResponseError::TopicAlreadyExists, 409),
            (ResponseError::InvalidConfig, 400),
            (ResponseError::NotController, 503),
            (ResponseError::PolicyViolation, 409),
        ] {
            assert_eq!(from_client(refused(code)).status, status, "{code}");
        }
        assert_eq!(from_client(ClientError::Nobody("x".into())).status, 503);
    }
}

//! Topics. Those that the options declare are kept as declared; all others belong to whoever makes them: they are changed in
//! Kafka itself, and never touched otherwise.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use cairn_framework::View;
use cairn_framework::kit::Kept;
use cairn_framework::kit::contents::{Asked, Held, Kind, Move, Spread, Spreads};
use cairn_framework::rest::Problem;
use cairn_kafka_admin::{
    Assignment, Client, ClientError, ErrorKind, ShownTopic, Topic, TopicPatch, is_topic_name,
};

use crate::service::{BROKERS, CLIENT};

/// All of them.
#[derive(Debug)]
pub(crate) struct Topics;

type Told<T> = Result<T, ClientError>;

#[async_trait]
impl Held for Topics {
    type Client = Client;
    type Error = ClientError;
    type One = Topic;
    type Patch = TopicPatch;
    type Shown = ShownTopic;
    type Moved = Assignment;

    const KIND: Kind = Kind {
        one: "topic",
        many: "topics",
        body: "{partitions?, replication?, config?}; brokers? where it is made",
        names: is_topic_name,
        help: "letters, digits, `.`, `_` and `-`, at most 249 of them, and not `.` or `..`",
    };
    const SPREADS: Spreads = Spreads { over: BROKERS, watch: "/v1/partitions" };

    async fn client(view: &View) -> Told<Client> {
        Client::connect(&view.serving(CLIENT)).await
    }

    fn problem(error: ClientError) -> Problem {
        let (status, kind, hint) = meaning(error.kind());
        Problem::advised(status, kind, error.to_string(), hint)
    }

    async fn shown(client: &mut Client, asked: Asked<'_, Topic>) -> Told<Vec<ShownTopic>> {
        client.topics(|name| (asked.which)(name), asked.declared, asked.detailed).await
    }

    async fn keep(client: &mut Client, declared: &BTreeMap<String, Topic>) -> Told<Kept> {
        let unmet = client.keep(declared).await?;
        Ok(Kept::of(unmet.refused, unmet.waits))
    }

    async fn make(client: &mut Client, name: &str, one: &Topic, on: Option<&BTreeSet<u32>>) -> Told<()> {
        client.make_topic(name, one, on).await
    }

    async fn change(client: &mut Client, name: &str, patch: &TopicPatch, declared: bool) -> Told<bool> {
        client.change_topic(name, patch, declared).await
    }

    async fn delete(client: &mut Client, name: &str) -> Told<()> {
        client.drop_topic(name).await
    }

    async fn spread(client: &mut Client, spread: Spread<'_>) -> Told<Vec<Assignment>> {
        client.spread_topics(spread.names, spread.over, spread.copies).await
    }

    async fn moving(client: &mut Client) -> Told<Vec<Move>> {
        let ongoing = client.reassignments().await?.into_iter();
        Ok(ongoing.map(|ongoing| Move { how: ongoing.to_string(), of: ongoing.topic }).collect())
    }
}

/// What an error of Kafka is as a problem document: its status, its type, and what to do about it.
fn meaning(kind: ErrorKind) -> (u16, &'static str, &'static str) {
    const BAD: &str = "bad-request";
    match kind {
        ErrorKind::Silent => (503, "unavailable", "GET /v1/plans/deploy shows what the brokers wait for"),
        ErrorKind::Passing => (503, "unavailable", "try again in a moment"),
        ErrorKind::UnknownTopic => (404, "unknown-topic", "GET /v1/topics lists them"),
        ErrorKind::TopicExists => (409, "topic-exists", "PATCH /v1/topics/{name} changes it"),
        ErrorKind::Copies => {
            (400, BAD, "every replica is on a broker of its own; GET /v1/brokers lists them")
        }
        ErrorKind::Setting => {
            (400, BAD, "Kafka's documentation lists the settings of topics under `topic configs`")
        }
        ErrorKind::Crowded => (400, BAD, "add brokers first: PUT /v1/brokers {\"count\": N}"),
        ErrorKind::Odd => (400, BAD, ""),
        ErrorKind::Refused => (409, "refused-by-kafka", ""),
        ErrorKind::Internal => (409, "topic-internal", ""),
        ErrorKind::Moving => (409, "rebalance-running", "GET /v1/partitions shows how far it is"),
        ErrorKind::TooFew => (409, "too-few-brokers", "add brokers, or lower the replication"),
        ErrorKind::Shrinks => {
            (409, "partitions-cannot-shrink", "create another topic with fewer and copy what you need")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kafka_says_comes_with_what_to_do() {
        let told = |error| {
            let Problem { status, kind, detail, hint, .. } = Topics::problem(error);
            (status, kind, detail, hint.unwrap_or_default())
        };
        let (status, kind, detail, hint) = told(ClientError::Nobody("no broker serves yet".into()));
        assert_eq!((status, kind.as_str(), detail.as_str()), (503, "unavailable", "no broker serves yet"));
        assert_eq!(hint, "GET /v1/plans/deploy shows what the brokers wait for");
        let (status, kind, ..) = told(ClientError::Moving("logs".into()));
        assert_eq!((status, kind.as_str()), (409, "rebalance-running"));
        let (status, kind, _, hint) = told(ClientError::Internal("__consumer_offsets".into()));
        assert_eq!((status, kind.as_str(), hint.as_str()), (409, "topic-internal", ""));
    }
}

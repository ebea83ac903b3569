//! Topics. Those that the options declare are kept as declared; all others belong to whoever makes them: they are changed in
//! Kafka itself, and never touched otherwise.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use cairn_framework::kit::contents::{Contents, Direct, Kind, Names};
use cairn_framework::kit::{Kept, Scalar};
use cairn_framework::rest::{Problem, parsed};
use cairn_framework::{Config, Published, Refused, View};
use cairn_kafka_client::declared::{Change, differs};
use cairn_kafka_client::{
    Client, ClientError, Cluster, ConfigEntry, NewTopic, Ongoing, TopicPatch, is_topic_name, placed,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::gate::serving_endpoints;
use crate::options::{Options, Topic};
use crate::rest::partitions::{Shown as Partition, partitions};
use crate::rest::problems::{from_client, from_unmoved};
use crate::rest::{brokers_of, client, options};

/// What topics are called.
pub(crate) const KIND: Kind = Kind {
    one: "topic",
    many: "topics",
    body: "{partitions?, replication?, config?}; brokers? where it is made",
    names: is_topic_name,
    help: "letters, digits, `.`, `_` and `-`, at most 249 of them, and not `.` or `..`",
};

/// All of them.
#[derive(Debug)]
pub(crate) struct Topics;

/// A topic as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    name: String,
    partitions: usize,
    replication: usize,
    /// It is Kafka's own.
    internal: bool,
    /// The options declare it, and it is kept so.
    declared: bool,
    /// How it differs from its declaration, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    differs: Option<String>,
    under_replicated: usize,
    /// Settings that were set for it.
    config: BTreeMap<String, String>,
    /// In detail, where one topic was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    assignment: Option<Vec<Partition>>,
}

fn shown(
    name: &str,
    cluster: &Cluster,
    config: Option<&BTreeMap<String, ConfigEntry>>,
    declared: Option<&Topic>,
    ongoing: Option<&[Ongoing]>,
) -> Shown {
    let topic = cluster.topics.get(name).cloned().unwrap_or_default();
    let own = config.into_iter().flatten().filter(|(_, entry)| entry.own);
    Shown {
        name: name.to_owned(),
        partitions: topic.partitions.len(),
        replication: topic.replication(),
        internal: topic.internal,
        declared: declared.is_some(),
        differs: declared.and_then(|d| differs(&d.new_topic(Vec::new()), &topic)),
        under_replicated: topic.partitions.values().filter(|p| p.isr.len() < p.replicas.len()).count(),
        config: own.map(|(k, e)| (k.clone(), e.value.clone().unwrap_or_default())).collect(),
        assignment: ongoing.map(|ongoing| partitions(cluster, ongoing, |topic, _| topic == name)),
    }
}

/// Topics of these names, in detail or not.
async fn all(published: &Published, which: &Names<'_>, detailed: bool) -> Refused<Vec<Shown>> {
    let declared = options(published)?.topics;
    let mut client = client(published).await?;
    let cluster = client.cluster().await.map_err(from_client)?;
    let names: BTreeSet<String> = cluster.topics.keys().filter(|name| which(name)).cloned().collect();
    let ongoing = if detailed { Some(client.reassignments().await.map_err(from_client)?) } else { None };
    let configs = client.topic_configs(&names, None).await.map_err(from_client)?;
    let topic = |n: &String| shown(n, &cluster, configs.get(n), declared.get(n), ongoing.as_deref());
    Ok(names.iter().map(topic).collect())
}

#[async_trait]
impl Contents for Topics {
    fn kind(&self) -> &Kind {
        &KIND
    }

    async fn list(&self, published: &Published) -> Refused<Value> {
        Ok(json!({ "topics": all(published, &|_| true, false).await? }))
    }

    async fn show(&self, published: &Published, name: &str) -> Refused<Value> {
        let mut found = self.described(published, &|other| other == name).await?;
        Ok(found.pop().unwrap_or_default())
    }

    async fn keep(&self, config: &Config, view: &View, kept: &mut Kept) {
        let declared = config.read::<Options>().unwrap_or_default().topics;
        if !declared.is_empty()
            && let Err(error) = keep(&declared, view, kept).await
        {
            kept.waits(error.to_string());
        }
    }

    fn direct(&self) -> Option<&dyn Direct> {
        Some(self)
    }
}

/// Brings topics in line with what is declared, a step at a time.
async fn keep(declared: &BTreeMap<String, Topic>, view: &View, kept: &mut Kept) -> Result<(), ClientError> {
    let new = |(name, topic): (&String, &Topic)| (name.clone(), topic.new_topic(Vec::new()));
    let topics: BTreeMap<String, NewTopic> = declared.iter().map(new).collect();
    let mut client = Client::connect(&serving_endpoints(view)).await?;
    let (cluster, ongoing) = (client.cluster().await?, client.reassignments().await?);
    let mut todo = client.todo(&topics, &cluster, &ongoing).await?;
    if todo.iter().any(|(_, change)| matches!(change, Change::Replicate(_))) {
        let Some((cluster, ongoing)) = client.steady().await? else {
            kept.waits("partitions are being moved");
            return Ok(());
        };
        todo = client.todo(&topics, &cluster, &ongoing).await?;
    }
    for (name, change) in todo {
        match change {
            Change::Wait(reason) => kept.waits(reason),
            Change::Refuse(reason) => kept.refused(reason),
            change => match client.carry_out(&name, &topics[&name], &change).await {
                Ok(()) => kept.waits(format!("topic {name}: {change}")),
                Err(error) if error.is_final() => kept.refused(error.to_string()),
                Err(error) => kept.waits(error.to_string()),
            },
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    partitions: Option<u32>,
    replication: Option<u32>,
    #[serde(default)]
    config: BTreeMap<String, Option<Scalar>>,
}

#[async_trait]
impl Direct for Topics {
    async fn described(&self, published: &Published, which: &Names<'_>) -> Refused<Vec<Value>> {
        Ok(all(published, which, true).await?.into_iter().map(|topic| json!(topic)).collect())
    }

    /// By Kafka's own choice of brokers, or on `brokers` in turn.
    async fn make(&self, published: &Published, name: &str, mut body: Value) -> Refused<Value> {
        let brokers = body.as_object_mut().and_then(|body| body.remove("brokers"));
        let topic: Topic = parsed(body)?;
        if topic.partitions == 0 || topic.replication == 0 {
            return Err(Problem::bad_request("`partitions` and `replication` are at least 1"));
        }
        let on = match brokers.as_ref().and_then(Value::as_str).filter(|brokers| brokers.trim() != "*") {
            None => Vec::new(),
            Some(text) => {
                let (copies, ids) = (topic.replication, brokers_of(published, text)?);
                let few =
                    || format!("{copies} replicas need as many brokers, and `{text}` are {}", ids.len());
                placed(topic.partitions, copies, &ids).ok_or_else(|| Problem::bad_request(few()))?
            }
        };
        let mut client = client(published).await?;
        client.create_topic(name, &topic.new_topic(on)).await.map_err(from_client)?;
        let Topic { partitions, replication, config } = topic;
        Ok(json!({ "name": name, "partitions": partitions, "replication": replication, "config": config }))
    }

    async fn change(
        &self,
        published: &Published,
        name: &str,
        patch: &Value,
        declared: bool,
    ) -> Refused<bool> {
        let Patch { partitions, replication, config } = parsed(patch.clone())?;
        let config = config.into_iter().map(|(key, value)| (key, value.map(|value| value.to_string())));
        let patch = TopicPatch { partitions, replication, config: config.collect() };
        let mut client = client(published).await?;
        let cluster = client.cluster().await.map_err(from_client)?;
        possible(name, &patch, &cluster, declared)?;
        client.reset_topic(name, &patch).await.map_err(from_client)?;
        if !declared {
            client.change_topic(name, &patch, cluster).await.map_err(from_unmoved)?;
        }
        Ok(replication.is_some())
    }

    async fn delete(&self, published: &Published, name: &str) -> Refused<()> {
        let mut client = client(published).await?;
        let cluster = client.cluster().await.map_err(from_client)?;
        if cluster.topics.get(name).is_some_and(|topic| topic.internal) {
            return Err(Problem::conflict("topic-internal", format!("topic {name} is Kafka's own")));
        }
        client.delete_topic(name).await.map_err(from_client)
    }
}

/// What Kafka can make of a topic.
fn possible(name: &str, patch: &TopicPatch, cluster: &Cluster, declared: bool) -> Refused<()> {
    let has = cluster.topics.get(name).map_or(0, |t| t.partitions.len());
    let brokers = cluster.brokers.len();
    if patch.partitions.is_some_and(|n| (n as usize) < has) {
        let what = format!("topic {name} has {has} partitions, and Kafka cannot take any away");
        let problem = Problem::conflict("partitions-cannot-shrink", what);
        return Err(problem.hint("create another topic with fewer and copy what you need"));
    }
    match patch.replication {
        Some(0) => Err(Problem::bad_request("`replication` is at least 1")),
        Some(n) if n as usize > brokers && !declared => {
            let what = format!("replication {n} needs as many brokers, and {brokers} serve");
            Err(Problem::bad_request(what).hint("add brokers first: PUT /v1/brokers {\"count\": N}"))
        }
        _ => Ok(()),
    }
}

//! Carries out what the plan says.

use std::collections::{BTreeMap, BTreeSet};

use cairn_framework::{Config, Verdict, View};
use futures_util::future::join_all;

use super::{Change, changes};
use crate::broker::broker_id;
use crate::gate::{listed, serving_endpoints};
use crate::options::{Options, Topic};
use cairn_kafka_client::{Client, ClientError, Cluster, Ongoing, ResponseError};

/// Brings the cluster in line with what is declared, a step at a time; `Go` once nothing is left to do.
pub(crate) async fn settle(config: &Config, view: &View) -> Verdict {
    let Ok(options) = Options::read(config) else {
        return Verdict::Wait("the configuration cannot be read".into());
    };
    keep(&options, view).await.unwrap_or_else(|e| Verdict::Wait(e.to_string()))
}

async fn keep(options: &Options, view: &View) -> Result<Verdict, ClientError> {
    let endpoints = serving_endpoints(view);
    let verdict = all_agree(view, &endpoints).await?;
    if verdict != Verdict::Go || options.topics.is_empty() {
        return Ok(verdict);
    }
    let mut client = Client::connect(&endpoints).await?;
    let cluster = client.cluster().await?;
    let ongoing = client.reassignments().await?;
    let mut todo = plan(&mut client, &options.topics, &cluster, &ongoing).await?;
    if todo.iter().any(|(_, change)| matches!(change, Change::Replicate(_))) {
        let Some((cluster, ongoing)) = client.steady().await? else {
            return Ok(Verdict::Wait("partitions are being moved".into()));
        };
        todo = plan(&mut client, &options.topics, &cluster, &ongoing).await?;
    }
    let mut waits = Vec::new();
    let mut refusals = Vec::new();
    for (name, change) in todo {
        let topic = &options.topics[name];
        match change {
            Change::Wait(reason) => waits.push(reason),
            Change::Refuse(reason) => refusals.push(reason),
            change => match carry_out(&mut client, name, topic, &change).await {
                Ok(()) => waits.push(format!("topic {name}: {}", told(&change))),
                Err(e) if final_answer(&e) => refusals.push(e.to_string()),
                Err(e) => waits.push(e.to_string()),
            },
        }
    }
    Ok(match (refusals.is_empty(), waits.is_empty()) {
        (false, _) => Verdict::Refuse(refusals.join("; ")),
        (true, false) => Verdict::Wait(listed(&waits)),
        (true, true) => Verdict::Go,
    })
}

/// Every broker, asked itself, lists all brokers of the target: only then any of them can be given to clients.
async fn all_agree(view: &View, endpoints: &[String]) -> Result<Verdict, ClientError> {
    let wanted: BTreeSet<i32> =
        view.target.iter().filter_map(|n| broker_id(n)).filter_map(|id| i32::try_from(id).ok()).collect();
    let seen = join_all(endpoints.iter().map(|e| async move {
        let mut client = Client::connect(std::slice::from_ref(e)).await?;
        Ok::<_, ClientError>((e, client.members().await?))
    }));
    for answer in seen.await {
        let (endpoint, members) = answer?;
        let missing: Vec<String> = wanted.difference(&members).map(ToString::to_string).collect();
        if !missing.is_empty() {
            return Ok(Verdict::Wait(format!(
                "the broker at {endpoint} does not list {} yet",
                listed(&missing)
            )));
        }
    }
    Ok(if endpoints.is_empty() { Verdict::Wait("no broker serves".into()) } else { Verdict::Go })
}

async fn plan<'a>(
    client: &mut Client,
    topics: &'a BTreeMap<String, Topic>,
    cluster: &Cluster,
    ongoing: &[Ongoing],
) -> Result<Vec<(&'a str, Change)>, ClientError> {
    let there: BTreeSet<String> =
        topics.keys().filter(|t| cluster.topics.contains_key(*t)).cloned().collect();
    let keys: BTreeSet<&str> = topics.values().flat_map(|t| t.config.keys().map(String::as_str)).collect();
    let keys: Vec<&str> = keys.into_iter().collect();
    let configs =
        if keys.is_empty() { BTreeMap::new() } else { client.topic_configs(&there, Some(&keys)).await? };
    let of = |(name, wanted): (&'a String, &Topic)| {
        let todo = changes(name, wanted, cluster, configs.get(name), ongoing);
        todo.into_iter().map(move |change| (name.as_str(), change))
    };
    Ok(topics.iter().flat_map(of).collect())
}

async fn carry_out(
    client: &mut Client,
    name: &str,
    topic: &Topic,
    change: &Change,
) -> Result<(), ClientError> {
    match change {
        Change::Create => client.create_topic(name, &topic.new_topic(Vec::new())).await,
        Change::Grow(count) => client.grow_topic(name, *count).await,
        Change::Configure(values) => client.alter_topic(name, values).await,
        Change::Replicate(moves) => client.reassign(moves).await,
        Change::Wait(_) | Change::Refuse(_) => Ok(()),
    }
}

fn told(change: &Change) -> String {
    match change {
        Change::Create => "is being created".into(),
        Change::Grow(count) => format!("grows to {count} partitions"),
        Change::Configure(values) => {
            format!("settings change: {}", listed(&values.keys().cloned().collect::<Vec<_>>()))
        }
        Change::Replicate(moves) => format!("{} partitions get another number of copies", moves.len()),
        Change::Wait(reason) | Change::Refuse(reason) => reason.clone(),
    }
}

/// Kafka would say the same next time.
fn final_answer(error: &ClientError) -> bool {
    matches!(
        error.code(),
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

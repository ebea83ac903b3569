//! Declared topics are kept as declared.

use std::collections::{BTreeMap, BTreeSet};

use cairn_framework::{Config, Verdict, View};
use futures_util::future::join_all;

use crate::broker::broker_id;
use crate::gate::{listed, serving_endpoints};
use crate::options::{Options, Topic};
use cairn_kafka_client::declared::Change;
use cairn_kafka_client::{Client, ClientError, NewTopic};

/// Brings the cluster in line with what is declared, a step at a time; `Go` once nothing is left to do.
pub(crate) async fn settle(config: &Config, view: &View) -> Verdict {
    let Ok(options) = config.read::<Options>() else {
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
    let new = |(name, topic): (&String, &Topic)| (name.clone(), topic.new_topic(Vec::new()));
    let topics: BTreeMap<String, NewTopic> = options.topics.iter().map(new).collect();
    let mut todo = client.todo(&topics, &cluster, &ongoing).await?;
    if todo.iter().any(|(_, change)| matches!(change, Change::Replicate(_))) {
        let Some((cluster, ongoing)) = client.steady().await? else {
            return Ok(Verdict::Wait("partitions are being moved".into()));
        };
        todo = client.todo(&topics, &cluster, &ongoing).await?;
    }
    let mut waits = Vec::new();
    let mut refusals = Vec::new();
    for (name, change) in todo {
        match change {
            Change::Wait(reason) => waits.push(reason),
            Change::Refuse(reason) => refusals.push(reason),
            change => match client.carry_out(&name, &topics[&name], &change).await {
                Ok(()) => waits.push(format!("topic {name}: {change}")),
                Err(e) if e.is_final() => refusals.push(e.to_string()),
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

//! REST resources of a Kafka cluster, beside the skeleton of every scheduler.

#![allow(clippy::result_large_err, reason = "problem documents are what the SDK takes, and rare")]

mod brokers;
mod edit;
mod legacy;
mod partitions;
mod problems;
mod topics;

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Router;
use cairn_framework::rest::{Problem, Resource};
use cairn_framework::{Handle, Published, Refused};

use crate::broker::{broker_id, instance_name};
use crate::client::{Client, Cluster};
use crate::gate::serving_endpoints;
use crate::ids::Ids;
use crate::options::Options;

/// How long a listing waits for the cluster before it goes without.
const PATIENCE: Duration = Duration::from_secs(3);

/// All resources.
pub(crate) fn routes(handle: Handle) -> Router {
    Router::new()
        .merge(brokers::routes())
        .merge(topics::routes())
        .merge(partitions::routes())
        .merge(legacy::routes())
        .with_state(handle)
}

/// The same for `/openapi.json`.
pub(crate) fn resources() -> Vec<Resource> {
    vec![
        ("get", "/v1/brokers", "All brokers"),
        ("put", "/v1/brokers", "Set their number: {count}"),
        (
            "post",
            "/v1/brokers",
            "Add one: {id?, cpus?, mem?, heap?, port?, options?, jvmOptions?, constraints?}",
        ),
        ("get", "/v1/brokers/{ids}", "Some brokers: 0 or 0,2 or 0..4 or * or 0..4[rack=r1]"),
        (
            "patch",
            "/v1/brokers/{ids}",
            "Change cpus, mem, heap, port, options, jvmOptions, constraints; null resets",
        ),
        ("delete", "/v1/brokers/{ids}", "Move their partitions away, then remove them; their volumes stay"),
        ("post", "/v1/brokers/{ids}/{verb}", "start, stop?force=true, restart"),
        ("get", "/v1/topics", "All topics"),
        ("post", "/v1/topics", "Create one: {name, partitions?, replication?, config?}"),
        ("get", "/v1/topics/{name}", "A topic with its partitions"),
        ("patch", "/v1/topics/{name}", "Change partitions (up), replication, config (null resets)"),
        ("delete", "/v1/topics/{name}", "Delete a topic that is not declared, with all its records"),
        ("post", "/v1/topics/{name}/rebalance", "Spread it evenly: {brokers?, replication?}"),
        ("get", "/v1/partitions", "All partitions; ?topic= ?broker= ?underReplicated=true"),
        (
            "post",
            "/api/broker/{verb}",
            "As the earlier framework had it: list add update start stop restart remove clone log",
        ),
        ("post", "/api/topic/{verb}", "As the earlier framework had it: list add update delete rebalance"),
        ("post", "/api/partition/list", "As the earlier framework had it"),
        ("get", "/health", "ok"),
    ]
}

fn options(published: &Published) -> Refused<Options> {
    Options::read(&published.config).map_err(Problem::invalid)
}

/// Brokers that should run, those that are configured only, and those on their way out.
fn known_ids(published: &Published, options: &Options) -> BTreeSet<u32> {
    let mut ids = options.broker_ids();
    ids.extend(&options.idle);
    ids.extend(published.view.instances.keys().filter_map(|name| broker_id(name)));
    ids
}

/// An attribute of the agent where a broker has its place.
fn attribute(published: &Published, id: u32, key: &str) -> Option<String> {
    let place = published.view.placement(&instance_name(id))?;
    if key == "hostname" { Some(place.hostname.clone()) } else { place.attributes.get(key).cloned() }
}

/// The brokers that `text` means, among `known`.
fn chosen(published: &Published, text: &str, known: &BTreeSet<u32>) -> Refused<BTreeSet<u32>> {
    let ids: Ids = text.parse().map_err(Problem::bad_request)?;
    ids.among(known, |id, key| attribute(published, id, key)).map_err(|why| {
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        Problem::not_found("unknown-broker", why).hint(format!("brokers: {}", known.join(", ")))
    })
}

async fn client(handle: &Handle) -> Refused<Client> {
    let endpoints = serving_endpoints(&handle.published().view);
    Client::connect(&endpoints).await.map_err(problems::from_client)
}

/// The cluster if it answers soon.
async fn cluster_if_there(handle: &Handle) -> Option<Cluster> {
    let ask = async { client(handle).await.ok()?.cluster().await.ok() };
    tokio::time::timeout(PATIENCE, ask).await.ok().flatten()
}

//! REST resources of a Kafka cluster, beside the skeleton of every scheduler.

#![allow(clippy::result_large_err, reason = "problem documents are what the SDK takes, and rare")]

mod brokers;
mod legacy;
mod partitions;
mod problems;
mod topics;

use std::time::Duration;

use axum::Router;
use cairn_framework::rest::{Problem, Resource};
use cairn_framework::{Handle, Published, Refused, View};

use crate::gate::serving_endpoints;
use crate::options::Options;
use cairn_kafka_client::{Client, Cluster};

/// How long a listing waits for the cluster before it goes without.
const PATIENCE: Duration = Duration::from_secs(3);

pub(crate) use brokers::describe;

/// All resources.
pub(crate) fn routes(handle: Handle) -> Router {
    Router::new()
        .merge(topics::routes())
        .merge(partitions::routes())
        .merge(legacy::routes())
        .with_state(handle)
}

/// The same for `/openapi.json`.
pub(crate) fn resources() -> Vec<Resource> {
    vec![
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

async fn client(handle: &Handle) -> Refused<Client> {
    let endpoints = serving_endpoints(&handle.published().view);
    Client::connect(&endpoints).await.map_err(problems::from_client)
}

/// The cluster if it answers soon.
async fn cluster_if_there(view: &View) -> Option<Cluster> {
    let ask = async { Client::connect(&serving_endpoints(view)).await.ok()?.cluster().await.ok() };
    tokio::time::timeout(PATIENCE, ask).await.ok().flatten()
}

//! REST resources of a Kafka cluster, beside the skeleton of every scheduler.

#![allow(clippy::result_large_err, reason = "problem documents are what the SDK takes, and rare")]

mod brokers;
mod legacy;
mod partitions;
mod problems;
mod topics;

use std::time::Duration;

use cairn_framework::rest::{Api, Problem};
use cairn_framework::{Handle, Published, Refused, View};

use crate::gate::serving_endpoints;
use crate::options::Options;
use cairn_kafka_client::{Client, Cluster};

/// How long a listing waits for the cluster before it goes without.
const PATIENCE: Duration = Duration::from_secs(3);

pub(crate) use brokers::describe;

/// All resources.
pub(crate) fn api() -> Api {
    legacy::api(partitions::api(topics::api(Api::default())))
}

fn options(published: &Published) -> Refused<Options> {
    published.config.read::<Options>().map_err(Problem::invalid)
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

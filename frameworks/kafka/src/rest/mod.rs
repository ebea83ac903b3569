//! REST resources of a Kafka cluster, beside those that the SDK serves.

mod brokers;
mod earlier;
pub(crate) mod partitions;
pub(crate) mod problems;
mod rebalance;

use std::time::Duration;

use cairn_framework::rest::{Api, Problem};
use cairn_framework::{Published, Refused, View};

use crate::broker::BROKERS;
use crate::gate::serving_endpoints;
use crate::options::Options;
use cairn_kafka_client::{Client, Cluster};

/// How long a listing waits for the cluster before it goes without.
const PATIENCE: Duration = Duration::from_secs(3);

pub(crate) use brokers::describe;

/// All resources.
pub(crate) fn api() -> Api {
    earlier::api(partitions::api(rebalance::api(Api::default())))
}

/// The options in effect.
pub(crate) fn options(published: &Published) -> Refused<Options> {
    published.config.read::<Options>().map_err(Problem::invalid)
}

/// The cluster, through any broker that serves.
pub(crate) async fn client(published: &Published) -> Refused<Client> {
    Client::connect(&serving_endpoints(&published.view)).await.map_err(problems::from_client)
}

/// Brokers of the target that a text names: `0,2` or `*`.
pub(crate) fn brokers_of(published: &Published, text: &str) -> Refused<Vec<i32>> {
    let ids = BROKERS.chosen(text, &options(published)?.broker_ids(), &published.view)?;
    Ok(ids.into_iter().filter_map(|id| i32::try_from(id).ok()).collect())
}

/// The cluster if it answers soon.
async fn cluster_if_there(view: &View) -> Option<Cluster> {
    let ask = async { Client::connect(&serving_endpoints(view)).await.ok()?.cluster().await.ok() };
    tokio::time::timeout(PATIENCE, ask).await.ok().flatten()
}

//! What is safe when: decisions from what was seen of the cluster, and the asking that leads to them.

mod ask;
mod quorum;
mod remove;
mod restart;

pub(crate) use cairn_kafka_client::listed;

pub(crate) use ask::{ask, serving_endpoints};
pub(crate) use remove::{Evacuation, evacuation};

#[cfg(test)]
mod tests;

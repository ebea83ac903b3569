//! A small client of Kafka's protocol: what a scheduler asks of a cluster and changes in it.

mod cluster;
mod configs;
mod connection;
mod error;
mod known;
mod quorum;
mod reassignments;
#[cfg(test)]
mod tests;
mod topics;

use std::collections::BTreeSet;

use futures_util::future::select_ok;
use kafka_protocol::messages::MetadataRequest;

#[cfg(test)]
pub(crate) use cluster::Node;
pub(crate) use cluster::{Cluster, PartitionState, TopicState};
pub(crate) use configs::ConfigEntry;
use connection::Connection;
pub(crate) use error::ClientError;
pub(crate) use quorum::Quorum;
pub(crate) use reassignments::{Assignment, Ongoing};

/// Time limit that Kafka is given for a change, milliseconds.
const CHANGE_MS: i32 = 8_000;
/// So many brokers are tried at the same time.
const TRIED: usize = 8;

/// A cluster that can be asked.
#[derive(Debug)]
pub(crate) struct Client {
    any: Connection,
    controller: Option<Connection>,
}

impl Client {
    /// Connects to whichever of the brokers answers first.
    ///
    /// # Errors
    /// The last broker's reason, when none does.
    pub(crate) async fn connect(bootstrap: &[String]) -> Result<Self, ClientError> {
        let tries: Vec<_> = bootstrap.iter().take(TRIED).map(|e| Box::pin(Connection::open(e))).collect();
        if tries.is_empty() {
            return Err(ClientError::Nobody("no broker serves yet".into()));
        }
        let (any, _) = select_ok(tries).await?;
        Ok(Self { any, controller: None })
    }

    /// Brokers and all topics, as the connected broker knows them.
    pub(crate) async fn cluster(&mut self) -> Result<Cluster, ClientError> {
        // No list of topics means all, from version 1 on.
        let request = MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(false);
        let answer = self.any.call(&request).await?;
        error::check(|| "Metadata".into(), answer.error_code, None)?;
        Ok(answer.into())
    }

    /// Ids of the brokers that the connected broker lists.
    pub(crate) async fn members(&mut self) -> Result<BTreeSet<i32>, ClientError> {
        let request = MetadataRequest::default().with_topics(Some(Vec::new()));
        let cluster: Cluster = self.any.call(&request).await?.into();
        Ok(cluster.brokers.into_keys().collect())
    }

    /// The line on which changes go.
    async fn controller(&mut self) -> Result<&mut Connection, ClientError> {
        let connection = match self.controller.take() {
            Some(connection) => connection,
            None => self.find_controller().await?,
        };
        Ok(self.controller.insert(connection))
    }

    async fn find_controller(&mut self) -> Result<Connection, ClientError> {
        let request = MetadataRequest::default().with_topics(Some(Vec::new()));
        let cluster: Cluster = self.any.call(&request).await?.into();
        let node = cluster.controller.and_then(|id| cluster.brokers.get(&id));
        let node =
            node.ok_or_else(|| ClientError::Nobody("the cluster has no active controller right now".into()))?;
        Connection::open(&node.endpoint).await
    }
}

//! What a scheduler asks of a Kafka cluster and changes in it. It knows nothing of Cairn.
//!
//! - [`Client`]: brokers, topics and their settings, moves of partitions, KRaft's quorum; [`Cluster`] is what it reads;
//! - [`Survey`]: how a cluster stands, and what can be said of its brokers by that: which can be missed, is back, holds nothing;
//!   [`Act`]: what is changed in it so that one can go or come;
//! - [`Topic`]: one as it should be, [`Client::keep`] brings those that are declared in line; [`TopicPatch`]: one that is to be
//!   otherwise; [`ShownTopic`], [`ShownPartition`] and [`Part`]: what people are shown;
//!   [`Wanted`]: a whole cluster as it should be, with what Kafka would not take, and what is usual for it;
//!   [`Identity`]: how a broker is told who it is;
//! - [`reassign`]: which brokers partitions should be on; [`evacuation()`]: what to do so that a broker holds none. Pure.

mod absence;
mod act;
mod change;
mod cluster;
mod configs;
mod connection;
mod declared;
mod error;
mod evacuation;
mod known;
mod properties;
mod quorum;
pub mod reassign;
mod reassignments;
mod shown;
mod survey;
#[cfg(test)]
mod tests;
mod topic;
mod topics;
mod wanted;

use std::collections::BTreeSet;

use futures_util::future::select_ok;
use kafka_protocol::messages::MetadataRequest;

pub use absence::MinIsr;
pub use act::{Act, Done};
pub use cluster::{Cluster, Node, PartitionState, TopicState};
pub use configs::{ConfigEntry, Configs};
use connection::Connection;
pub use declared::Unmet;
pub use error::{ClientError, ErrorKind};
pub use evacuation::{Evacuation, evacuation};
pub use properties::{Identity, Metadata, id_taken_ms};
pub use quorum::{Quorum, cluster_id};
pub use reassignments::{Assignment, Ongoing};
pub use shown::{Filter, ListedPartition, Part, ShownPartition, ShownTopic};
pub use survey::{Next, Step, Survey};
pub use topic::{Mistake, Topic, TopicPatch};
pub use topics::is_topic_name;
use topics::placed;
pub use wanted::{Mode, Wanted};

/// Time limit that Kafka is given for a change, milliseconds.
const CHANGE_MS: i32 = 8_000;
/// So many brokers are tried at the same time.
const TRIED: usize = 8;

/// A cluster that can be asked.
#[derive(Debug)]
pub struct Client {
    any: Connection,
    controller: Option<Connection>,
}

impl Client {
    /// Connects to whichever of the brokers answers first.
    ///
    /// # Errors
    /// The last broker's reason, when none does.
    pub async fn connect(bootstrap: &[String]) -> Result<Self, ClientError> {
        let tries: Vec<_> = bootstrap.iter().take(TRIED).map(|e| Box::pin(Connection::open(e))).collect();
        if tries.is_empty() {
            return Err(ClientError::Nobody("no broker serves yet".into()));
        }
        let (any, _) = select_ok(tries).await?;
        Ok(Self { any, controller: None })
    }

    /// Brokers and all topics, as the connected broker knows them.
    ///
    /// # Errors
    /// The broker does not answer, or refuses.
    pub async fn cluster(&mut self) -> Result<Cluster, ClientError> {
        // No list of topics means all, from version 1 on.
        let request = MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(false);
        let answer = self.any.call(&request).await?;
        error::check(|| "Metadata".into(), answer.error_code, None)?;
        Ok(answer.into())
    }

    /// Ids of the brokers that the connected broker lists.
    ///
    /// # Errors
    /// The broker does not answer.
    pub async fn members(&mut self) -> Result<BTreeSet<i32>, ClientError> {
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

/// At most so many names are listed in a reason.
const LISTED: usize = 5;

/// `a, b, c and 4 more`.
pub fn listed(names: &[String]) -> String {
    let shown = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

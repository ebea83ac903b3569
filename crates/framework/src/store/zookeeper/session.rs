//! A session with ZooKeeper, and the nodes of one state in it.

use std::time::Duration;

use cairn_mesos::client::ZooKeeperAddress;
use futures_util::{StreamExt, TryStreamExt, stream};
use zookeeper_client::{Acls, Client, CreateMode, CreateOptions, Error, Stat};

use super::super::{Layout, StoreError};

/// How long ZooKeeper waits for a sign of life before it lets another candidate lead.
pub(super) const SESSION: Duration = Duration::from_secs(6);
/// Reads that are under way at once.
const READS: usize = 64;

pub(super) const PERSISTENT: CreateOptions<'static> = CreateMode::Persistent.with_acls(Acls::anyone_all());

/// A session, and where in ZooKeeper the state is.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) address: ZooKeeperAddress,
}

impl Session {
    pub(super) async fn open(address: &ZooKeeperAddress) -> Result<Self, StoreError> {
        let connector = Client::connector().with_session_timeout(SESSION);
        let connected = connector.connect(&address.servers()).await;
        let client = connected.map_err(|e| failed(address, &e))?;
        Ok(Self { client, address: address.clone() })
    }

    pub(super) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.address.path())
    }

    pub(super) fn failed(&self, error: &Error) -> StoreError {
        failed(&self.address, error)
    }

    pub(super) fn broken(&self, reason: impl Into<String>) -> StoreError {
        StoreError::Broken { place: self.address.to_string(), reason: reason.into() }
    }

    /// Makes the nodes that are not there yet.
    pub(super) async fn prepare(&self) -> Result<(), StoreError> {
        for name in ["candidates", "entries", "journal", "leader"] {
            match self.client.mkdir(&self.path(name), &PERSISTENT).await {
                Ok(()) | Err(Error::NodeExists) => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Ok(())
    }

    /// The layout of the state.
    ///
    /// # Errors
    /// When a newer program wrote it.
    pub(super) async fn layout(&self) -> Result<Layout, StoreError> {
        let found = self.read("schema").await?;
        Layout::of(found.as_ref().map(|(found, _)| found.as_slice()), &self.address)
    }

    /// A node; none where there is none.
    pub(super) async fn read(&self, name: &str) -> Result<Option<(Vec<u8>, Stat)>, StoreError> {
        match self.client.get_data(&self.path(name)).await {
            Ok(found) => Ok(Some(found)),
            Err(Error::NoNode) => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// The names and the data of all nodes below one. Those that go away meanwhile are not there.
    pub(super) async fn read_below(&self, name: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let children = match self.client.list_children(&self.path(name)).await {
            Err(Error::NoNode) => return Ok(Vec::new()),
            children => children.map_err(|e| self.failed(&e))?,
        };
        let one = async |child: String| {
            let found = self.read(&format!("{name}/{child}")).await?;
            Ok::<_, StoreError>(found.map(|(data, _)| (child, data)))
        };
        let read: Vec<Option<_>> = stream::iter(children).map(one).buffered(READS).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }
}

fn failed(address: &ZooKeeperAddress, error: &Error) -> StoreError {
    let place = address.to_string();
    match error {
        Error::NoHosts | Error::Timeout | Error::ConnectionLoss | Error::Custom(_) => {
            StoreError::Unreachable { place, reason: error.to_string() }
        }
        Error::SessionExpired | Error::SessionMoved | Error::ClientClosed => StoreError::Fenced { place },
        other => StoreError::Broken { place, reason: other.to_string() },
    }
}

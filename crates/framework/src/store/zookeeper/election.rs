//! How one of several candidates comes to lead.

use cairn_mesos::client::ZooKeeperAddress;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use zookeeper_client::{Acls, Error, LockOptions, LockPrefix, MultiWriteError, OwnedLockClient};

use super::super::{Layout, SCHEMA, StoreError};
use super::lease::{Lease, now};
use super::session::{PERSISTENT, Session};
use super::{AGAIN, Held, ZooKeeperStore};

/// What the node `leader` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Leader {
    /// New for each term.
    id: String,
    /// Where its REST is.
    url: String,
}

/// A scheduler that is ready to lead.
#[derive(Debug)]
pub struct Candidate {
    session: Session,
}

impl Candidate {
    /// Opens a session.
    ///
    /// # Errors
    /// When ZooKeeper cannot be reached, or a newer program wrote the state.
    pub async fn stand(address: &ZooKeeperAddress) -> Result<Self, StoreError> {
        let session = Session::open(address).await?;
        session.prepare().await?;
        session.layout().await?;
        Ok(Self { session })
    }

    /// Tells who leads, at once and with every change, until the session ends.
    pub async fn follow(&self, tell: impl Fn(Option<String>)) -> StoreError {
        let path = self.session.path("leader");
        loop {
            match self.session.client.get_and_watch_data(&path).await {
                Ok((who, _, changes)) => {
                    tell(serde_json::from_slice::<Leader>(&who).ok().map(|leader| leader.url));
                    changes.changed().await;
                }
                Err(error) => match self.session.failed(&error) {
                    StoreError::Unreachable { .. } => tokio::time::sleep(AGAIN).await,
                    error => return error,
                },
            }
        }
    }

    /// Waits until this one leads; others are told that it is to be had at `url`.
    ///
    /// # Errors
    /// When the session ends before that: a new candidate has to stand.
    pub async fn elected(&self, url: &str) -> Result<ZooKeeperStore, StoreError> {
        let candidates = self.session.path("candidates");
        let prefix = LockPrefix::new_curator(&candidates, "lock-").map_err(|e| self.session.failed(&e))?;
        let options = LockOptions::new(Acls::anyone_all());
        let locked = self.session.client.lock(prefix, url.as_bytes(), options).await;
        let lock = locked.map_err(|e| self.session.failed(&e))?.into_owned();
        self.lead(lock, url).await
    }

    /// From the first transaction on nobody else can write.
    async fn lead(&self, lock: OwnedLockClient, url: &str) -> Result<ZooKeeperStore, StoreError> {
        let leader = Leader { id: uuid::Uuid::new_v4().to_string(), url: url.to_owned() };
        let me = serde_json::to_vec(&leader).map_err(|e| self.session.broken(e.to_string()))?;
        let term = self.session.client.session_timeout();
        let lease = Lease::new(term, now());
        let version = self.take(&lock, &me).await?;
        let store = ZooKeeperStore {
            session: self.session.clone(),
            me,
            lease,
            held: Mutex::default(),
            lock: Some(lock).into(),
            runtime: Handle::current(),
            #[cfg(test)]
            stop_after: u32::MAX.into(),
        };
        let mut held = Held { version, ..Held::default() };
        self.note_schema(&store, &mut held).await?;
        held.known = self.known().await?;
        store.finish_journal(&mut held).await?;
        *store.held.lock().await = held;
        Ok(store)
    }

    /// Writes the node `leader`, for as long as the lock is there; gives its version.
    async fn take(&self, lock: &OwnedLockClient, me: &[u8]) -> Result<i32, StoreError> {
        loop {
            let Some((_, stat)) = self.session.read("leader").await? else {
                return Err(self.session.broken("the node `leader` has been deleted"));
            };
            let mut writer = self.session.client.new_multi_writer();
            let added = writer
                .add_check_version(lock.lock_path(), -1)
                .and_then(|()| writer.add_set_data(&self.session.path("leader"), me, Some(stat.version)));
            added.map_err(|e| self.session.failed(&e))?;
            match writer.commit().await {
                Ok(_) => return Ok(stat.version.wrapping_add(1)),
                Err(MultiWriteError::OperationFailed { index: 0, .. }) => {
                    return Err(StoreError::Fenced { place: self.session.address.to_string() });
                }
                // A last write of the one before.
                Err(MultiWriteError::OperationFailed { source: Error::BadVersion, .. }) => {}
                Err(error) => return Err(self.session.failed(&error.into())),
            }
        }
    }

    async fn note_schema(&self, store: &ZooKeeperStore, held: &mut Held) -> Result<(), StoreError> {
        let (path, version) = (self.session.path("schema"), SCHEMA.to_string());
        match self.session.layout().await? {
            Layout::Current => Ok(()),
            Layout::Older => store.commit(held, |w| w.add_set_data(&path, version.as_bytes(), None)).await,
            Layout::New => store.commit(held, |w| w.add_create(&path, version.as_bytes(), &PERSISTENT)).await,
        }
    }

    /// The entries that there are.
    async fn known(&self) -> Result<super::Known, StoreError> {
        let nodes = self.session.client.list_children(&self.session.path("entries")).await;
        let mut known = super::Known::new();
        for node in nodes.map_err(|e| self.session.failed(&e))? {
            let (key, part) = super::layout::entry(&node).ok_or_else(|| {
                self.session.broken(format!("the node entries/{node} is none of this program's"))
            })?;
            let parts = known.entry(key).or_default();
            *parts = (part + 1).max(*parts);
        }
        Ok(known)
    }
}

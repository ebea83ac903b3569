//! State in ZooKeeper, for schedulers that must find it again on another machine: a node for each entity, and one writer
//! among any number of candidates.
//!
//! Every transaction writes the node `leader` at the version that this leader has left it at. A new leader writes it too,
//! so whoever led before can write nothing from then on, whatever it believes: ZooKeeper refuses the transaction.

pub(super) mod copy;
mod election;
mod layout;
mod lease;
pub(super) mod outside;
#[cfg(test)]
mod real;
mod session;

use std::collections::BTreeMap;
use std::sync::{Mutex as StdMutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Mutex;
use zookeeper_client::{Error, MultiWriteError, MultiWriter, OwnedLockClient};

use super::{Change, Store, StoreError};
pub use election::Candidate;
use layout::{Known, Operation};
use lease::{Lease, now};
use session::{PERSISTENT, Session};

/// Between two attempts while the connection is being made anew.
const AGAIN: Duration = Duration::from_millis(100);
/// How long giving up the lead may take; after that the session's end does it.
const RELEASE: Duration = Duration::from_secs(2);

/// The state of the scheduler that leads.
#[derive(Debug)]
pub struct ZooKeeperStore {
    session: Session,
    /// What the node `leader` holds while this one leads.
    me: Vec<u8>,
    lease: Lease,
    held: Mutex<Held>,
    lock: StdMutex<Option<OwnedLockClient>>,
    runtime: Handle,
    /// Transactions that are still carried out; then it is as if the process had ended.
    #[cfg(test)]
    stop_after: std::sync::atomic::AtomicU32,
}

/// What the only writer knows without asking.
#[derive(Debug, Default)]
struct Held {
    /// Version of the node `leader`.
    version: i32,
    known: Known,
}

impl ZooKeeperStore {
    /// Ends when another candidate leads, or may lead because ZooKeeper has not been heard of for too long.
    pub async fn lost(&self) -> StoreError {
        loop {
            tokio::time::sleep(self.lease.term() / 4).await;
            if let Err(error) = self.confirm_now().await {
                return error;
            }
        }
    }

    /// Lets the next candidate lead at once. Nothing can be written afterwards.
    pub async fn release(&self) {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(lock) = lock else { return };
        let gone = self.session.client.delete(lock.lock_path(), None);
        if !matches!(tokio::time::timeout(RELEASE, gone).await, Ok(Ok(()))) {
            tracing::warn!("the lead is given up only when the session with ZooKeeper ends");
        }
    }

    fn fenced(&self) -> StoreError {
        StoreError::Fenced { place: self.session.address.to_string() }
    }

    /// Asks ZooKeeper, unless it has said so a moment ago, for as long as the lease goes.
    async fn confirm_now(&self) -> Result<(), StoreError> {
        loop {
            match tokio::time::timeout(self.patience(), self.ask()).await {
                Err(_) => return Err(self.fenced()),
                Ok(Err(StoreError::Unreachable { .. })) => self.wait_a_moment().await?,
                Ok(answer) => return answer,
            }
        }
    }

    async fn ask(&self) -> Result<(), StoreError> {
        let asked = now();
        // It goes through the ensemble's leader, which alone knows whether the session lives.
        let synced = self.session.client.sync(&self.session.path("leader")).await;
        synced.map_err(|e| self.session.failed(&e))?;
        if !self.is_mine().await? {
            return Err(self.fenced());
        }
        self.lease.confirm(asked);
        Ok(())
    }

    async fn is_mine(&self) -> Result<bool, StoreError> {
        Ok(self.session.read("leader").await?.is_some_and(|(who, _)| who == self.me))
    }

    /// One transaction: what `add` adds, if this one still leads.
    async fn commit(
        &self,
        held: &mut Held,
        add: impl Fn(&mut MultiWriter<'_>) -> Result<(), Error>,
    ) -> Result<(), StoreError> {
        #[cfg(test)]
        self.go_on()?;
        let leader = self.session.path("leader");
        // The connection broke: whether the transaction was carried out is not known.
        let mut unsure = false;
        loop {
            let asked = now();
            let mut writer = self.session.client.new_multi_writer();
            let added = writer.add_set_data(&leader, &self.me, Some(held.version));
            added.and_then(|()| add(&mut writer)).map_err(|e| self.session.failed(&e))?;
            let done = match tokio::time::timeout(self.patience(), writer.commit()).await {
                Ok(Ok(_)) => {
                    self.lease.confirm(asked);
                    break;
                }
                // Nobody else writes what only this one writes.
                Ok(Err(MultiWriteError::OperationFailed { index: 0, .. })) if unsure => {
                    self.is_mine().await.and_then(|mine| if mine { Ok(()) } else { Err(self.fenced()) })
                }
                Ok(Err(MultiWriteError::OperationFailed { index: 0, .. })) | Err(_) => Err(self.fenced()),
                Ok(Err(error)) => Err(self.session.failed(&error.into())),
            };
            match done {
                Ok(()) => break,
                Err(StoreError::Unreachable { .. }) => self.wait_a_moment().await?,
                Err(error) => return Err(error),
            }
            unsure = true;
        }
        held.version = held.version.wrapping_add(1);
        Ok(())
    }

    /// How long an answer may take. Also a process that was stopped for longer than its lease asks: it is ZooKeeper that
    /// says who leads.
    fn patience(&self) -> Duration {
        self.lease.left(now()).max(self.lease.term() / 4)
    }

    /// While the connection is made anew.
    ///
    /// # Errors
    /// When that has taken so long that another one may lead.
    async fn wait_a_moment(&self) -> Result<(), StoreError> {
        if self.lease.left(now()).is_zero() {
            return Err(self.fenced());
        }
        tokio::time::sleep(AGAIN).await;
        Ok(())
    }

    #[cfg(test)]
    fn go_on(&self) -> Result<(), StoreError> {
        use std::sync::atomic::Ordering;
        let left = self.stop_after.load(Ordering::Relaxed).checked_sub(1);
        self.stop_after.store(left.ok_or_else(|| self.session.broken("stopped"))?, Ordering::Relaxed);
        Ok(())
    }

    async fn commit_operations(&self, held: &mut Held, operations: &[Operation]) -> Result<(), StoreError> {
        let path = |node: &str| self.session.path(&format!("entries/{node}"));
        let add = |writer: &mut MultiWriter<'_>| {
            operations.iter().try_for_each(|operation| match operation {
                Operation::Create(node, data) => writer.add_create(&path(node), data, &PERSISTENT),
                Operation::Set(node, data) => writer.add_set_data(&path(node), data, None),
                Operation::Delete(node) => writer.add_delete(&path(node), None),
            })
        };
        self.commit(held, add).await
    }

    async fn write(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut held = self.held.lock().await;
        let (operations, next) = layout::operations(&held.known, changes);
        let transactions = layout::transactions(operations);
        match transactions.as_slice() {
            [] => return Ok(()),
            [one] => self.commit_operations(&mut held, one).await?,
            several => {
                self.open_journal(&mut held, changes).await?;
                for one in several {
                    self.commit_operations(&mut held, one).await?;
                }
            }
        }
        layout::learn(&mut held.known, next);
        if transactions.len() > 1 { self.close_journal(&mut held).await } else { Ok(()) }
    }

    /// Writes the batch beside the entries. From its last transaction on it counts as carried out: who leads next does it
    /// again before anything else.
    async fn open_journal(&self, held: &mut Held, changes: &[Change]) -> Result<(), StoreError> {
        self.clear_journal(held).await?;
        let journal = layout::write_journal(changes).map_err(|why| self.session.broken(why))?;
        let pieces = layout::pieces(&journal);
        for (part, piece) in pieces.iter().enumerate() {
            let path = self.session.path(&format!("journal/{part:06}"));
            self.commit(held, |writer| writer.add_create(&path, piece, &PERSISTENT)).await?;
        }
        self.note_journal(held, &pieces.len().to_string()).await
    }

    async fn close_journal(&self, held: &mut Held) -> Result<(), StoreError> {
        self.note_journal(held, "").await?;
        self.clear_journal(held).await
    }

    async fn note_journal(&self, held: &mut Held, parts: &str) -> Result<(), StoreError> {
        let path = self.session.path("journal");
        self.commit(held, |writer| writer.add_set_data(&path, parts.as_bytes(), None)).await
    }

    async fn clear_journal(&self, held: &mut Held) -> Result<(), StoreError> {
        let parts = self.session.client.list_children(&self.session.path("journal")).await;
        for part in parts.map_err(|e| self.session.failed(&e))? {
            let path = self.session.path(&format!("journal/{part}"));
            self.commit(held, |writer| writer.add_delete(&path, None)).await?;
        }
        Ok(())
    }

    /// Carries out what an earlier leader has left in the journal.
    async fn finish_journal(&self, held: &mut Held) -> Result<(), StoreError> {
        let Some(changes) = read_journal(&self.session).await? else { return Ok(()) };
        let (operations, next) = layout::operations(&held.known, &changes);
        for one in layout::transactions(operations) {
            self.commit_operations(held, &one).await?;
        }
        layout::learn(&mut held.known, next);
        self.close_journal(held).await
    }

    async fn read(&self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        let held = self.held.lock().await;
        let entries = read_entries(&self.session).await?;
        drop(held);
        Ok(entries)
    }
}

/// A batch that counts as carried out and may not be.
async fn read_journal(session: &Session) -> Result<Option<Vec<Change>>, StoreError> {
    let Some((parts, _)) = session.read("journal").await? else { return Ok(None) };
    if parts.is_empty() {
        return Ok(None);
    }
    let mut found = session.read_below("journal").await?;
    if found.len().to_string().as_bytes() != parts {
        return Err(session.broken("its journal is damaged: parts are missing"));
    }
    found.sort();
    let bytes: Vec<u8> = found.into_iter().flat_map(|(_, data)| data).collect();
    layout::read_journal(&bytes).map(Some).map_err(|why| session.broken(why))
}

/// All entries, put together from their parts.
async fn read_entries(session: &Session) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
    let mut parts: BTreeMap<String, BTreeMap<usize, Vec<u8>>> = BTreeMap::new();
    for (node, data) in session.read_below("entries").await? {
        let (key, part) = layout::entry(&node)
            .ok_or_else(|| session.broken(format!("the node entries/{node} is none of this program's")))?;
        parts.entry(key).or_default().insert(part, data);
    }
    let whole = |(key, parts): (String, BTreeMap<usize, Vec<u8>>)| {
        if parts.keys().copied().ne(0..parts.len()) {
            return Err(session.broken(format!("parts of the entry {key} are missing")));
        }
        Ok((key, parts.into_values().flatten().collect()))
    };
    parts.into_iter().map(whole).collect()
}

impl Drop for ZooKeeperStore {
    fn drop(&mut self) {
        // The lock is given up by a task.
        let _runtime = self.runtime.enter();
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Store for ZooKeeperStore {
    fn load(&self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        self.runtime.block_on(self.read())
    }

    fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        self.runtime.block_on(self.write(changes))
    }

    fn is_held(&self) -> bool {
        self.lease.is_fresh(now())
    }

    fn confirm(&self) -> Result<(), StoreError> {
        self.runtime.block_on(self.confirm_now())
    }
}

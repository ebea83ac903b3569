//! Where intent is kept before anything happens.
//!
//! A store is a small ordered map from keys to JSON. It has a single writer, applies a batch as a whole or not at all, and
//! has made it durable when `apply` returns. Entities have a key each, and in ZooKeeper a node each.

#[cfg(test)]
mod conformance;
mod copy;
#[cfg(test)]
mod crash;
mod memory;
mod outside;
mod place;
mod schema;
mod sled;
mod zookeeper;

pub use copy::{Backup, Entries};
pub use memory::MemoryStore;
pub use place::Place;
pub use schema::SCHEMA;
pub use sled::SledStore;
pub use zookeeper::{Candidate, ZooKeeperStore};

use std::collections::BTreeMap;

pub(crate) use copy::{read, replacing};
use schema::Layout;

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Key: `framework`, `target`, `instance/broker-0`.
    pub key: String,
    /// New value, or none to delete the key.
    pub value: Option<Vec<u8>>,
}

/// Why state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else has it open.
    #[error("{place} is in use by another process; one scheduler at a time may hold its state")]
    Held {
        /// Which state.
        place: String,
    },
    /// A newer program wrote it.
    #[error(
        "{place} was written by a newer program (schema {found}, this one knows {SCHEMA}); start that version, or a newer one"
    )]
    Newer {
        /// Which state.
        place: String,
        /// The schema found.
        found: String,
    },
    /// Another candidate leads, or may lead.
    #[error(
        "{place}: another scheduler may lead now, so this one stops; start it again, and it stands by until it is needed"
    )]
    Fenced {
        /// Which state.
        place: String,
    },
    /// Nobody answers; that may pass.
    #[error("{place} cannot be reached: {reason}; check that ZooKeeper runs there")]
    Unreachable {
        /// Which state.
        place: String,
        /// What fails.
        reason: String,
    },
    /// The machine refuses.
    #[error("{place}: {reason}")]
    Broken {
        /// Which state.
        place: String,
        /// What the machine says.
        reason: String,
    },
}

/// A place for state. Calls may block on the disk.
pub trait Store: Send + Sync {
    /// Everything there is, the schema apart.
    ///
    /// # Errors
    /// When it cannot be read.
    fn load(&self) -> Result<BTreeMap<String, Vec<u8>>, StoreError>;

    /// Writes a batch, all of it or nothing, durable on return.
    ///
    /// # Errors
    /// When it cannot be written; nothing has changed then.
    fn apply(&self, changes: &[Change]) -> Result<(), StoreError>;

    /// This process is for certain the only one that may act on this state, also for the next moment. If not, who wants
    /// to act asks [`Self::confirm`].
    fn is_held(&self) -> bool {
        true
    }

    /// Finds out whether this process is the only one that may act on this state.
    ///
    /// # Errors
    /// When it is not, or that cannot be found out in time.
    fn confirm(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

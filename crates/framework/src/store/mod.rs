//! Where intent is kept before anything happens.
//!
//! A store is a small ordered map from keys to JSON. It has a single writer, applies a batch as a whole or not at all, and
//! has made it durable when `apply` returns. Entities have a key each, so that a later ZooKeeper store has a node each.

mod memory;
mod sled;

pub use memory::MemoryStore;
pub use sled::SledStore;

use std::collections::BTreeMap;

/// Version of the layout that this program writes. 2: jobs remember that they are done; a program that would not know
/// that must not touch them.
pub const SCHEMA: u32 = 2;

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
}

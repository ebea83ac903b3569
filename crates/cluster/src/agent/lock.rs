//! One agent on a directory at a time.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::running::AgentError;

/// Held as long as it lives.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Takes the lock of the directory where an agent keeps its state.
    pub(super) fn take(meta: &Path) -> Result<Self, AgentError> {
        let failed = |source| AgentError::WorkDir { path: meta.to_owned(), source };
        let file = File::create(meta.join("lock")).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(AgentError::Locked { path: meta.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

impl Drop for Lock {
    /// Closing the file is not enough: a child between fork and exec has it open too, and the next agent would find it locked.
    fn drop(&mut self) {
        // It ends with the last of them in any case.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_also_where_another_has_the_file_open() {
        let meta = tempfile::tempdir().unwrap();
        let lock = Lock::take(meta.path()).unwrap();
        assert!(matches!(Lock::take(meta.path()), Err(AgentError::Locked { .. })));
        // As a child has it.
        let copy = lock.0.try_clone().unwrap();
        drop(lock);
        Lock::take(meta.path()).unwrap();
        drop(copy);
    }
}

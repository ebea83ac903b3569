//! State in memory, for tests and simulation.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Change, Layout, SCHEMA, Store, StoreError};

/// A store that is gone with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    entries: Mutex<BTreeMap<String, Vec<u8>>>,
    /// None while no program has opened it.
    schema: Mutex<Option<String>>,
}

impl MemoryStore {
    /// What a program does with a state when it starts.
    ///
    /// # Errors
    /// When a newer program wrote it.
    pub fn open(&self) -> Result<(), StoreError> {
        match Layout::of(self.schema().as_ref().map(String::as_bytes), &"memory")? {
            Layout::Current => {}
            Layout::New | Layout::Older => self.write_schema(&SCHEMA.to_string()),
        }
        Ok(())
    }

    /// As a program of another version leaves it.
    pub fn write_schema(&self, schema: &str) {
        *lock(&self.schema) = Some(schema.to_owned());
    }

    /// The schema that it was written with.
    pub fn schema(&self) -> Option<String> {
        lock(&self.schema).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for MemoryStore {
    fn load(&self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        Ok(lock(&self.entries).clone())
    }

    fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut map = lock(&self.entries);
        for change in changes {
            match &change.value {
                Some(value) => map.insert(change.key.clone(), value.clone()),
                None => map.remove(&change.key),
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::conformance::{self, Bench};
    use super::*;

    struct Memory(Arc<MemoryStore>);

    impl Store for Arc<MemoryStore> {
        fn load(&self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
            self.as_ref().load()
        }

        fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
            self.as_ref().apply(changes)
        }
    }

    impl Bench for Memory {
        type Store = Arc<MemoryStore>;

        fn new() -> Self {
            Self(Arc::default())
        }

        fn open(&self) -> Result<Arc<MemoryStore>, StoreError> {
            self.0.open().map(|()| Arc::clone(&self.0))
        }

        fn close(&self, store: Arc<MemoryStore>) {
            drop(store);
        }

        fn write_schema(&self, schema: &str) {
            self.0.write_schema(schema);
        }

        fn schema(&self) -> String {
            self.0.schema().unwrap()
        }
    }

    conformance::tests!(Memory);
}

//! State on this machine's disk, in sled.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::{Change, Layout, SCHEMA, Store, StoreError};

const SCHEMA_KEY: &str = "schema";
/// A holder that has just ended may hold the lock for a moment yet: sled's own threads are the last to let go of the file, and
/// a process that is being started has it until it is another program.
const TRIES: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(50);

/// An embedded database in a directory of its own.
#[derive(Debug)]
pub struct SledStore {
    db: sled::Db,
    place: String,
}

impl SledStore {
    /// Opens or creates the state in `directory`.
    ///
    /// # Errors
    /// When another process holds it, a newer program wrote it, or the disk refuses.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let place = directory.display().to_string();
        let db = open(directory).map_err(|e| open_error(&place, &e))?;
        // Nobody but this scheduler has a reason to look at it.
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))
            .map_err(|e| StoreError::Broken { place: place.clone(), reason: e.to_string() })?;
        let store = Self { db, place };
        store.check_schema()?;
        Ok(store)
    }

    fn note_schema(&self) -> Result<(), StoreError> {
        self.db.insert(SCHEMA_KEY, SCHEMA.to_string().as_bytes()).map_err(|e| self.broken(&e))?;
        self.db.flush().map_err(|e| self.broken(&e)).map(|_| ())
    }

    fn check_schema(&self) -> Result<(), StoreError> {
        let found = self.db.get(SCHEMA_KEY).map_err(|e| self.broken(&e))?;
        match Layout::of(found.as_deref(), &self.place)? {
            Layout::Current => Ok(()),
            Layout::New | Layout::Older => self.note_schema(),
        }
    }

    fn broken(&self, error: &sled::Error) -> StoreError {
        StoreError::Broken { place: self.place.clone(), reason: reason(error) }
    }
}

/// What the disk says; of files that are not as they were written, what mends that.
fn reason(error: &sled::Error) -> String {
    match error {
        sled::Error::Corruption { .. } => {
            "it is damaged; move the directory away, and bring back a backup: cairn state import".into()
        }
        other => other.to_string(),
    }
}

fn open(directory: &Path) -> sled::Result<sled::Db> {
    for _ in 1..TRIES {
        match open_now(directory) {
            Err(error) if is_held(&error) => std::thread::sleep(BETWEEN),
            opened => return opened,
        }
    }
    open_now(directory)
}

fn open_now(directory: &Path) -> sled::Result<sled::Db> {
    sled::Config::new()
        .path(directory)
        // A few kilobytes of state: sled's default of a gigabyte only makes room for what never comes.
        .cache_capacity(1 << 20)
        .mode(sled::Mode::LowSpace)
        // Every batch is flushed by hand before its effects; a timer would only add wake-ups.
        .flush_every_ms(None)
        .open()
}

fn open_error(place: &str, error: &sled::Error) -> StoreError {
    let place = place.to_owned();
    if is_held(error) {
        return StoreError::Held { place };
    }
    StoreError::Broken { place, reason: reason(error) }
}

/// Whether somebody else has the lock.
fn is_held(error: &sled::Error) -> bool {
    error.to_string().contains("lock")
        || matches!(error, sled::Error::Io(e) if e.kind() == std::io::ErrorKind::WouldBlock)
}

impl Store for SledStore {
    fn load(&self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        let mut out = BTreeMap::new();
        for entry in self.db.iter() {
            let (key, value) = entry.map_err(|e| self.broken(&e))?;
            if key != SCHEMA_KEY.as_bytes() {
                out.insert(String::from_utf8_lossy(&key).into_owned(), value.to_vec());
            }
        }
        Ok(out)
    }

    fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for change in changes {
            match &change.value {
                Some(value) => batch.insert(change.key.as_bytes(), value.as_slice()),
                None => batch.remove(change.key.as_bytes()),
            }
        }
        self.db.apply_batch(batch).map_err(|e| self.broken(&e))?;
        self.db.flush().map_err(|e| self.broken(&e)).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{self, Bench};
    use super::*;

    struct Directory(tempfile::TempDir);

    impl Bench for Directory {
        type Store = SledStore;

        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn open(&self) -> Result<SledStore, StoreError> {
            SledStore::open(self.0.path())
        }

        fn close(&self, store: SledStore) {
            drop(store);
        }

        fn write_schema(&self, schema: &str) {
            let db = open(self.0.path()).unwrap();
            db.insert(SCHEMA_KEY, schema.as_bytes()).unwrap();
            db.flush().unwrap();
        }

        fn schema(&self) -> String {
            let db = open(self.0.path()).unwrap();
            String::from_utf8(db.get(SCHEMA_KEY).unwrap().unwrap().to_vec()).unwrap()
        }
    }

    conformance::tests!(Directory);

    #[test]
    fn what_is_damaged_says_what_mends_it() {
        let damaged = open_error("/var/cairn/controller", &sled::Error::Corruption { at: None, bt: () });
        assert_eq!(
            damaged.to_string(),
            "/var/cairn/controller: it is damaged; move the directory away, and bring back a backup: cairn state import"
        );
    }

    #[test]
    fn one_writer_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let _first = SledStore::open(dir.path()).unwrap();
        let second = SledStore::open(dir.path());
        assert!(matches!(second, Err(StoreError::Held { .. })), "{second:?}");
    }
}

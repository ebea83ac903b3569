//! States as documents: to back them up, to bring them back, and to move them from one kind of place to another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::zookeeper::copy as zookeeper;
use super::{Change, Place, SCHEMA, SledStore, Store, StoreError};

/// What a state holds: JSON by key.
pub type Entries = BTreeMap<String, Value>;

/// The form of [`Backup`] that this program writes.
const FORM: u32 = 1;
/// How deep below a place states may be.
const DEPTH: usize = 6;

/// Several states in one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    /// The form of this document.
    pub cairn_state: u32,
    /// The schema of the states.
    pub schema: u32,
    /// States by their path: `controller`, `schedulers/STACK/SERVICE/FRAMEWORK`.
    pub states: BTreeMap<String, Entries>,
    /// Paths of states that belong to it and could not be had, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, String>,
}

impl Backup {
    /// A document of states that this program has read.
    pub fn new(states: BTreeMap<String, Entries>) -> Self {
        Self { cairn_state: FORM, schema: SCHEMA, states, missing: BTreeMap::new() }
    }

    /// Refuses what a newer program has written, and paths that lead out of a place.
    ///
    /// # Errors
    /// When this program does not know the form or the schema, or a path is not that of a state.
    pub fn check(&self) -> Result<(), StoreError> {
        let broken = |reason| Err(StoreError::Broken { place: "the backup".into(), reason });
        match self {
            Self { cairn_state: FORM, schema, .. } if *schema <= SCHEMA => {}
            Self { cairn_state: FORM, schema, .. } => {
                return Err(StoreError::Newer { place: "the backup".into(), found: schema.to_string() });
            }
            _ => return broken("this program does not know its form".into()),
        }
        match self.states.keys().find(|path| !is_path(path)) {
            Some(path) => broken(format!("`{path}` is not the path of a state")),
            None => Ok(()),
        }
    }
}

/// Parts that go down from a place, as deep as they are looked for; or nothing, which is the place itself.
fn is_path(path: &str) -> bool {
    let goes_down = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(char::is_control);
    path.is_empty() || path.split('/').all(goes_down) && path.split('/').count() <= DEPTH
}

/// As they are stored.
///
/// # Errors
/// The key whose value is no JSON.
pub(crate) fn read(place: &str, entries: BTreeMap<String, Vec<u8>>) -> Result<Entries, StoreError> {
    let value = |(key, bytes): (String, Vec<u8>)| match serde_json::from_slice(&bytes) {
        Ok(value) => Ok((key, value)),
        Err(e) => {
            Err(StoreError::Broken { place: place.to_owned(), reason: format!("{key} is no JSON: {e}") })
        }
    };
    entries.into_iter().map(value).collect()
}

/// The batch that leaves exactly these entries.
pub(crate) fn replacing(present: &BTreeMap<String, Vec<u8>>, entries: &Entries) -> Vec<Change> {
    let gone = present.keys().filter(|key| !entries.contains_key(*key));
    let gone = gone.map(|key| Change { key: key.clone(), value: None });
    // A value of JSON can always be written.
    let put = |(key, value): (&String, &Value)| Change {
        key: key.clone(),
        value: Some(serde_json::to_vec(value).unwrap_or_default()),
    };
    gone.chain(entries.iter().map(put)).collect()
}

impl Place {
    /// The paths of all states at and below it; that of one at the place itself is empty.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub async fn states(&self) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Directory(directory) => directories(self, directory.clone()).await,
            Self::ZooKeeper(address) => zookeeper::states(address, DEPTH).await,
        }
    }

    /// What one state holds. A directory must be in nobody's use; ZooKeeper gives it as it was at one moment.
    ///
    /// # Errors
    /// When it cannot be read, or a newer program wrote it.
    pub async fn read(&self) -> Result<Entries, StoreError> {
        let entries = match self {
            Self::Directory(directory) => {
                let directory = directory.clone();
                self.blocking(move || SledStore::open(&directory)?.load()).await?
            }
            Self::ZooKeeper(address) => zookeeper::read(address).await?,
        };
        read(&self.to_string(), entries)
    }

    /// Makes a state hold these entries and nothing else.
    ///
    /// # Errors
    /// When somebody uses it, when it holds something and `overwrite` is not set, or when it cannot be written.
    pub async fn write(&self, entries: &Entries, overwrite: bool) -> Result<(), StoreError> {
        match self {
            Self::Directory(directory) => {
                let (directory, entries) = (directory.clone(), entries.clone());
                self.blocking(move || {
                    replace(&SledStore::open(&directory)?, &directory.display(), &entries, overwrite)
                })
                .await
            }
            Self::ZooKeeper(address) => {
                let store = zookeeper::hold(address).await?;
                let store = std::sync::Arc::new(store);
                let (held, entries, place) =
                    (std::sync::Arc::clone(&store), entries.clone(), self.to_string());
                let written = self.blocking(move || replace(&*held, &place, &entries, overwrite)).await;
                store.release().await;
                written
            }
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let failed =
            |e: tokio::task::JoinError| StoreError::Broken { place: self.to_string(), reason: e.to_string() };
        tokio::task::spawn_blocking(work).await.map_err(failed)?
    }
}

fn replace(
    store: &dyn Store,
    place: &dyn std::fmt::Display,
    entries: &Entries,
    overwrite: bool,
) -> Result<(), StoreError> {
    let present = store.load()?;
    if !present.is_empty() && !overwrite {
        return Err(StoreError::Broken {
            place: place.to_string(),
            reason: "there is a state already; it is replaced only when you say so (--overwrite)".into(),
        });
    }
    store.apply(&replacing(&present, entries))
}

/// sled's own file tells a state from other directories.
async fn directories(place: &Place, root: PathBuf) -> Result<Vec<String>, StoreError> {
    place
        .blocking(move || {
            let mut found = Vec::new();
            collect(&root, &root, DEPTH, &mut found);
            found.sort();
            Ok(found)
        })
        .await
}

/// What cannot be read holds no state of ours.
fn collect(root: &Path, directory: &Path, depth: usize, found: &mut Vec<String>) {
    if directory.join("conf").is_file() && directory.join("db").is_file() {
        let path = directory.strip_prefix(root).unwrap_or(directory);
        found.push(path.to_string_lossy().into_owned());
        return;
    }
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in entries.filter(|e| depth > 0 && e.file_type().is_ok_and(|kind| kind.is_dir())) {
        collect(root, &entry.path(), depth - 1, found);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    fn entries(value: Value) -> Entries {
        serde_json::from_value(value).unwrap()
    }

    /// For any kind of place.
    pub(in crate::store) async fn a_state_is_read_and_written_whole(root: &Place) {
        let first = entries(json!({ "framework": { "id": "F1" }, "instance/a": { "x": [1, 2] } }));
        let second = entries(json!({ "framework": { "id": "F2" }, "target": null }));
        let (a, b) = (root.below("controller"), root.below("schedulers/demo/log.kafka/kafka"));
        a.write(&first, false).await.unwrap();
        b.write(&second, false).await.unwrap();
        assert_eq!(root.states().await.unwrap(), ["controller", "schedulers/demo/log.kafka/kafka"]);
        assert_eq!(a.states().await.unwrap(), [""]);
        assert_eq!(a.read().await.unwrap(), first);
        assert_eq!(b.read().await.unwrap(), second);
        let refused = a.write(&second, false).await.unwrap_err().to_string();
        assert!(refused.contains("--overwrite"), "{refused}");
        a.write(&second, true).await.unwrap();
        assert_eq!(a.read().await.unwrap(), second, "nothing of the old one is left");
    }

    #[tokio::test]
    async fn directories() {
        let folder = tempfile::tempdir().unwrap();
        let root = Place::Directory(folder.path().to_owned());
        assert!(root.states().await.unwrap().is_empty());
        a_state_is_read_and_written_whole(&root).await;
        let _held = SledStore::open(&folder.path().join("controller")).unwrap();
        let refused = root.below("controller").read().await;
        assert!(matches!(refused, Err(StoreError::Held { .. })), "{refused:?}");
    }

    #[test]
    fn a_newer_backup_is_refused() {
        let backup = Backup::new([("controller".to_owned(), Entries::new())].into());
        backup.check().unwrap();
        let text = serde_json::to_string(&backup).unwrap();
        assert_eq!(serde_json::from_str::<Backup>(&text).unwrap(), backup);
        let newer = Backup { schema: SCHEMA + 1, ..backup.clone() };
        assert!(matches!(newer.check(), Err(StoreError::Newer { .. })));
        assert!(Backup { cairn_state: FORM + 1, ..backup }.check().is_err());
    }

    #[test]
    fn a_backup_stays_below_its_place() {
        let check = |path: &str| Backup::new([(path.to_owned(), Entries::new())].into()).check();
        for path in ["", "controller", "schedulers/demo/log.kafka/kafka"] {
            check(path).unwrap();
        }
        for path in ["..", "schedulers/../../x", "/etc/x", "a//b", "./a", "a/", "a/b/c/d/e/f/g", "a\0b"] {
            let refused = check(path).unwrap_err().to_string();
            assert!(refused.contains("is not the path of a state"), "{refused}");
        }
    }
}

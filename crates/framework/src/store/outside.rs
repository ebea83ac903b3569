//! A state seen from outside, by who launches its scheduler: whether there is one, marks on it, and its end.

use std::io;
use std::path::{Component, Path};

use super::zookeeper::outside as zookeeper;
use super::{Place, StoreError};

impl Place {
    /// Whether there is anything.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub async fn exists(&self) -> Result<bool, StoreError> {
        match self {
            Self::Directory(directory) => {
                tokio::fs::try_exists(directory).await.map_err(|e| self.refused(&e))
            }
            Self::ZooKeeper(address) => zookeeper::exists(address).await,
        }
    }

    /// Puts a mark on it; `name` is that of no part of a state.
    ///
    /// # Errors
    /// When it cannot be put there.
    pub async fn mark(&self, name: &str) -> Result<(), StoreError> {
        match self {
            Self::Directory(directory) => {
                let made = tokio::fs::create_dir_all(directory).await;
                made.map_err(|e| self.refused(&e))?;
                tokio::fs::write(directory.join(name), b"").await.map_err(|e| self.refused(&e))
            }
            Self::ZooKeeper(address) => zookeeper::make(&address.below(name)).await,
        }
    }

    /// Takes a mark away, if it is there.
    ///
    /// # Errors
    /// When it cannot be taken away.
    pub async fn unmark(&self, name: &str) -> Result<(), StoreError> {
        match self {
            Self::Directory(directory) => {
                let removed = tokio::fs::remove_file(directory.join(name)).await;
                removed.or_else(absent_is_fine).map_err(|e| self.refused(&e))
            }
            Self::ZooKeeper(address) => zookeeper::remove(&address.below(name)).await,
        }
    }

    /// Removes it, with all that it holds, and the places between `root` and it that are empty then. Nothing that is not
    /// strictly below `root` is ever removed.
    ///
    /// # Errors
    /// When it is not below `root`, or cannot be removed.
    pub async fn remove_below(&self, root: &Self) -> Result<(), StoreError> {
        match (self, root) {
            (Self::Directory(directory), Self::Directory(root)) => {
                remove_directory(root, directory).await.map_err(|e| self.refused(&e))
            }
            (Self::ZooKeeper(address), Self::ZooKeeper(root)) => {
                let below = address.path().strip_prefix(root.path()).and_then(|rest| rest.strip_prefix('/'));
                // ZooKeeper has no paths with dots: what is meant by one is not for it to guess.
                let named = |rest: &str| rest.split('/').all(|part| !matches!(part, "" | "." | ".."));
                if address.servers() == root.servers() && below.is_some_and(named) {
                    zookeeper::remove_below(root, address).await
                } else {
                    Err(self.broken(&format!("it is not below {root}")))
                }
            }
            _ => Err(self.broken(&format!("it is not below {root}"))),
        }
    }

    fn refused(&self, error: &io::Error) -> StoreError {
        self.broken(&error.to_string())
    }

    fn broken(&self, reason: &str) -> StoreError {
        StoreError::Broken { place: self.to_string(), reason: reason.to_owned() }
    }
}

fn absent_is_fine(e: io::Error) -> io::Result<()> {
    if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) }
}

async fn remove_directory(root: &Path, directory: &Path) -> io::Result<()> {
    let inside = directory.strip_prefix(root).ok().filter(|rest| {
        let mut parts = rest.components();
        parts.next().is_some() && rest.components().all(|c| matches!(c, Component::Normal(_)))
    });
    if inside.is_none() {
        let reason = format!("it is not below {}", root.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    tokio::fs::remove_dir_all(directory).await.or_else(absent_is_fine)?;
    let mut parent = directory.parent();
    while let Some(empty) = parent.filter(|p| *p != root && p.starts_with(root)) {
        if tokio::fs::remove_dir(empty).await.is_err() {
            break;
        }
        parent = empty.parent();
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// For any kind of place: `root` is empty, or not there.
    pub(in crate::store) async fn marks_come_and_go_and_nothing_outside_the_root_is_removed(root: &Place) {
        let state = root.below("demo/log.kafka/kafka");
        let beside = root.below("demo/zookeeper/zookeeper");
        assert!(!state.exists().await.unwrap());
        state.unmark("down").await.unwrap();
        for place in [&state, &beside] {
            place.mark("down").await.unwrap();
            place.mark("down").await.unwrap();
        }
        assert!(state.exists().await.unwrap() && state.below("down").exists().await.unwrap());
        state.unmark("down").await.unwrap();
        assert!(state.exists().await.unwrap() && !state.below("down").exists().await.unwrap());
        for outside in [root.clone(), "/elsewhere".parse().unwrap(), root.below("..")] {
            assert!(outside.remove_below(root).await.is_err(), "{outside}");
            assert!(beside.remove_below(&outside.below("x")).await.is_err(), "{outside}");
        }
        state.remove_below(root).await.unwrap();
        assert!(!root.below("demo/log.kafka").exists().await.unwrap(), "what is empty then goes too");
        assert!(beside.exists().await.unwrap());
        beside.remove_below(root).await.unwrap();
        beside.remove_below(root).await.unwrap();
        assert!(!root.below("demo").exists().await.unwrap() && root.exists().await.unwrap());
    }

    #[tokio::test]
    async fn directories() {
        let folder = tempfile::tempdir().unwrap();
        let root = Place::Directory(folder.path().join("schedulers"));
        marks_come_and_go_and_nothing_outside_the_root_is_removed(&root).await;
    }
}

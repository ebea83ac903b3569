//! Nodes of a state that somebody else may hold.

use cairn_mesos::client::ZooKeeperAddress;
use zookeeper_client::Error;

use super::super::StoreError;
use super::session::{PERSISTENT, Session};

/// Whether there is a node.
pub(in crate::store) async fn exists(address: &ZooKeeperAddress) -> Result<bool, StoreError> {
    let session = Session::open(address).await?;
    let found = session.client.check_stat(address.path()).await;
    found.map(|stat| stat.is_some()).map_err(|e| session.failed(&e))
}

/// Makes a node, with those above it.
pub(in crate::store) async fn make(address: &ZooKeeperAddress) -> Result<(), StoreError> {
    let session = Session::open(address).await?;
    match session.client.mkdir(address.path(), &PERSISTENT).await {
        Ok(()) | Err(Error::NodeExists) => Ok(()),
        Err(error) => Err(session.failed(&error)),
    }
}

/// Removes a node that has none below it, if it is there.
pub(in crate::store) async fn remove(address: &ZooKeeperAddress) -> Result<(), StoreError> {
    let session = Session::open(address).await?;
    delete(&session, address.path()).await
}

/// Removes a node with all below it, and the ones between it and `root` that are empty then.
pub(in crate::store) async fn remove_below(
    root: &ZooKeeperAddress,
    address: &ZooKeeperAddress,
) -> Result<(), StoreError> {
    let session = Session::open(address).await?;
    let mut found = vec![address.path().to_owned()];
    let mut looked = 0;
    while let Some(path) = found.get(looked).cloned() {
        looked += 1;
        match session.client.list_children(&path).await {
            Ok(names) => found.extend(names.iter().map(|name| format!("{path}/{name}"))),
            Err(Error::NoNode) => {}
            Err(error) => return Err(session.failed(&error)),
        }
    }
    // Parents were found before their children.
    for path in found.iter().rev() {
        delete(&session, path).await?;
    }
    let mut path = address.path();
    while let Some((parent, _)) = path.rsplit_once('/').filter(|(parent, _)| *parent != root.path()) {
        match session.client.delete(parent, None).await {
            Ok(()) | Err(Error::NoNode) => path = parent,
            Err(Error::NotEmpty) => break,
            Err(error) => return Err(session.failed(&error)),
        }
    }
    Ok(())
}

async fn delete(session: &Session, path: &str) -> Result<(), StoreError> {
    match session.client.delete(path, None).await {
        Ok(()) | Err(Error::NoNode) => Ok(()),
        Err(error) => Err(session.failed(&error)),
    }
}

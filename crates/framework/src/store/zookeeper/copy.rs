//! A state that somebody may be writing, read as it was at one moment; and one that is written as a whole.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_mesos::client::ZooKeeperAddress;
use zookeeper_client::Error;

use super::super::{Layout, StoreError};
use super::session::{SESSION, Session};
use super::{Candidate, ZooKeeperStore, read_entries, read_journal};

/// How often a state that changes meanwhile is read again.
const TRIES: u32 = 20;
/// What a session may take to end beyond its time-out.
const SLACK: Duration = Duration::from_secs(4);

/// Paths of the states at and below a node: those with a schema.
pub(in crate::store) async fn states(
    address: &ZooKeeperAddress,
    depth: usize,
) -> Result<Vec<String>, StoreError> {
    let session = Session::open(address).await?;
    let mut found = Vec::new();
    let mut ahead = vec![(String::new(), depth)];
    while let Some((path, depth)) = ahead.pop() {
        let node = if path.is_empty() { address.path().to_owned() } else { session.path(&path) };
        let names = match session.client.list_children(&node).await {
            Err(Error::NoNode) => continue,
            names => names.map_err(|e| session.failed(&e))?,
        };
        if names.iter().any(|name| name == "schema") {
            found.push(path);
        } else if depth > 0 {
            let below = |name: &String| if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            ahead.extend(names.iter().map(|name| (below(name), depth - 1)));
        }
    }
    found.sort();
    Ok(found)
}

/// Every write changes the node `leader`: what was read between two looks that show the same was never half written.
pub(in crate::store) async fn read(
    address: &ZooKeeperAddress,
) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
    let session = Session::open(address).await?;
    if session.layout().await? == Layout::New {
        return Err(session.broken("there is no state"));
    }
    for _ in 0..TRIES {
        let before = version(&session).await?;
        let read = async {
            let mut entries = read_entries(&session).await?;
            for change in read_journal(&session).await?.into_iter().flatten() {
                match change.value {
                    Some(value) => entries.insert(change.key, value),
                    None => entries.remove(&change.key),
                };
            }
            Ok::<_, StoreError>(entries)
        };
        let entries = read.await;
        if version(&session).await? == before {
            return entries;
        }
    }
    Err(session.broken("it changes all the time; try again"))
}

async fn version(session: &Session) -> Result<Option<i32>, StoreError> {
    Ok(session.read("leader").await?.map(|(_, stat)| stat.version))
}

/// Holds a state that nobody leads.
pub(in crate::store) async fn hold(address: &ZooKeeperAddress) -> Result<ZooKeeperStore, StoreError> {
    let candidate = Candidate::stand(address).await?;
    let elected = tokio::time::timeout(SESSION + SLACK, candidate.elected("cairn state import")).await;
    elected.map_err(|_| StoreError::Held { place: address.to_string() })?
}

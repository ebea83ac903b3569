//! Servers and their ids: the instance `server-3` is ZooKeeper's `server.3`.

/// Ports of a server.
pub(crate) const CLIENT: &str = "client";
pub(crate) const QUORUM: &str = "quorum";
pub(crate) const ELECTION: &str = "election";

/// Id of a server within its ensemble, from 1: what `myid` holds.
pub(crate) type ServerId = u32;

/// Instance name of a server.
pub(crate) fn name_of(id: ServerId) -> String {
    format!("server-{id}")
}

/// Id of an instance.
pub(crate) fn id_of(instance: &str) -> Option<ServerId> {
    instance.strip_prefix("server-")?.parse().ok().filter(|id| *id > 0)
}

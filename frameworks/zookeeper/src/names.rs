//! Servers and their ids: the instance `server-3` is ZooKeeper's `server.3`.

use cairn_framework::kit::Nodes;

/// Ports of a server.
pub(crate) const CLIENT: &str = "client";
pub(crate) const QUORUM: &str = "quorum";
pub(crate) const ELECTION: &str = "election";

/// Servers, numbered from 1. Sizes shrink from the end: see `formation`.
pub(crate) const SERVERS: Nodes =
    Nodes { count: "nodes", first: 1, port: CLIENT, ..Nodes::new("server", "servers") };

/// Id of a server within its ensemble: what `myid` holds.
pub(crate) type ServerId = u32;

/// Instance name of a server.
pub(crate) fn name_of(id: ServerId) -> String {
    SERVERS.instance(id)
}

/// Id of an instance.
pub(crate) fn id_of(instance: &str) -> Option<ServerId> {
    SERVERS.id(instance)
}

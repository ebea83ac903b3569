//! Servers and their ids: the instance `server-3` is ZooKeeper's `server.3`.

use cairn_framework::kit::Nodes;
use cairn_framework::{Placement, View};
use cairn_zookeeper_admin::{Members, Role, ServerId};

/// Ports of a server.
pub(crate) const CLIENT: &str = "client";
pub(crate) const QUORUM: &str = "quorum";
pub(crate) const ELECTION: &str = "election";

/// Servers, numbered from 1. Sizes shrink from the end: see `formation`.
pub(crate) const SERVERS: Nodes =
    Nodes { count: "nodes", first: 1, port: CLIENT, ..Nodes::new("server", "servers") };

/// Instance name of a server.
pub(crate) fn name_of(id: ServerId) -> String {
    SERVERS.instance(id)
}

/// Id of an instance.
pub(crate) fn id_of(instance: &str) -> Option<ServerId> {
    SERVERS.id(instance)
}

/// What stands behind `server.N=` for a server at this place. `None` while it lacks a port.
pub(crate) fn server_line(place: &Placement, role: Role) -> Option<String> {
    let port = |name: &str| place.ports.get(name).copied();
    let ports = [port(CLIENT)?, port(QUORUM)?, port(ELECTION)?];
    Some(cairn_zookeeper_admin::server_line(&place.address, ports, role))
}

/// Whether a server is a member where it is now: another address is another server.
pub(crate) fn is_member(id: ServerId, view: &View, members: &Members) -> bool {
    let line = view.placement(&name_of(id)).and_then(|place| server_line(place, Role::Participant));
    line.is_some_and(|line| members.servers.get(&id) == Some(&line))
}

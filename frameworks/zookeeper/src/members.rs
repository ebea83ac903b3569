//! Membership of an ensemble as ZooKeeper writes it: `server.1=host:quorum:election:participant;host:client`.

use std::collections::BTreeMap;

use cairn_framework::Placement;
use serde::{Deserialize, Serialize};

use crate::names::{CLIENT, ELECTION, QUORUM, ServerId};

/// Votes or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Participant,
    Observer,
}

/// Who belongs to an ensemble, and since which change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Members {
    /// Version of the membership: the zxid of the change that made it. 0 before the first quorum.
    pub(crate) version: i64,
    /// What stands behind `server.N=`.
    pub(crate) servers: BTreeMap<ServerId, String>,
}

impl Members {
    /// Reads `server.N=…` and `version=…` lines, whatever else stands around them: the answer of `conf`, the data of
    /// `/zookeeper/config`, a dynamic configuration file. `None` if no server is named.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut members = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.trim().split_once('=') else { continue };
            if key == "version" {
                members.version = i64::from_str_radix(value.trim(), 16).unwrap_or_default();
            } else if let Some(id) = key.strip_prefix("server.").and_then(|id| id.parse().ok()) {
                members.servers.insert(id, value.trim().to_owned());
            }
        }
        (!members.servers.is_empty()).then_some(members)
    }

    /// Whether a server is a member at this place.
    pub(crate) fn has(&self, id: ServerId, place: &Placement) -> bool {
        let wanted = server_line(place, Role::Participant);
        self.servers.get(&id).is_some_and(|line| wanted.is_some_and(|w| w == *line))
    }

    /// Servers that vote.
    pub(crate) fn voters(&self) -> impl Iterator<Item = ServerId> {
        self.servers.iter().filter(|(_, line)| !line.contains(":observer")).map(|(id, _)| *id)
    }

    /// As a dynamic configuration file.
    pub(crate) fn file(&self) -> String {
        self.servers.iter().map(|(id, line)| format!("server.{id}={line}\n")).collect()
    }
}

/// What stands behind `server.N=` for a server at this place. `None` while it lacks a port.
pub(crate) fn server_line(place: &Placement, role: Role) -> Option<String> {
    let port = |name: &str| place.ports.get(name).copied();
    let (client, quorum, election) = (port(CLIENT)?, port(QUORUM)?, port(ELECTION)?);
    let role = match role {
        Role::Participant => "participant",
        Role::Observer => "observer",
    };
    let host =
        if place.address.contains(':') { format!("[{}]", place.address) } else { place.address.clone() };
    Some(format!("{host}:{quorum}:{election}:{role};{host}:{client}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONF: &str = "clientPort=31000\nsecureClientPort=-1\ndataDir=/d/version-2\ntickTime=500\nserverId=1\n\
        initLimit=20\nmembership: \nserver.1=127.0.0.1:31001:31002:participant;127.0.0.1:31000\n\
        server.2=127.0.0.2:31001:31002:observer;127.0.0.2:31000\nversion=10000000a";

    fn place() -> Placement {
        let ports = [("client", 31000), ("quorum", 31001), ("election", 31002)];
        Placement {
            address: "127.0.0.1".into(),
            ports: ports.map(|(n, p)| (n.to_owned(), p)).into(),
            ..Placement::default()
        }
    }

    #[test]
    fn reads_the_answer_of_conf() {
        let members = Members::parse(CONF).unwrap();
        assert_eq!(members.version, 0x1_0000_000a);
        assert_eq!(members.voters().collect::<Vec<_>>(), [1]);
        assert!(members.has(1, &place()));
        assert!(!members.has(2, &place()), "another address is another server");
        assert_eq!(Members::parse("This ZooKeeper instance is not currently serving requests\n"), None);
    }

    #[test]
    fn writes_a_file_that_reads_back() {
        let members = Members { version: 0, ..Members::parse(CONF).unwrap() };
        assert_eq!(Members::parse(&members.file()).unwrap(), members);
    }

    #[test]
    fn a_place_without_all_ports_has_no_line() {
        let mut place = place();
        place.ports.remove("election");
        assert_eq!(server_line(&place, Role::Participant), None);
    }
}

//! Membership of an ensemble as ZooKeeper writes it: `server.1=host:quorum:election:participant;host:client`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Id of a server within its ensemble: what `myid` holds.
pub type ServerId = u32;

/// Votes or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It votes.
    Participant,
    /// It does not.
    Observer,
}

/// Who belongs to an ensemble, and since which change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// Version of the membership: the zxid of the change that made it. 0 before the first quorum.
    pub version: i64,
    /// What stands behind `server.N=`.
    pub servers: BTreeMap<ServerId, String>,
}

impl Members {
    /// Reads `server.N=…` and `version=…` lines, whatever else stands around them: the answer of `conf`, the data of
    /// `/zookeeper/config`, a dynamic configuration file. `None` if no server is named.
    pub fn parse(text: &str) -> Option<Self> {
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

    /// Servers that vote.
    pub fn voters(&self) -> impl Iterator<Item = ServerId> {
        self.servers.iter().filter(|(_, line)| !line.contains(":observer")).map(|(id, _)| *id)
    }

    /// As a dynamic configuration file.
    pub fn file(&self) -> String {
        self.servers.iter().map(|(id, line)| format!("server.{id}={line}\n")).collect()
    }
}

/// What stands behind `server.N=`; ports for clients, for the leader and for elections.
pub fn server_line(host: &str, [client, quorum, election]: [u16; 3], role: Role) -> String {
    let role = match role {
        Role::Participant => "participant",
        Role::Observer => "observer",
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    format!("{host}:{quorum}:{election}:{role};{host}:{client}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONF: &str = "clientPort=31000\nsecureClientPort=-1\ndataDir=/d/version-2\ntickTime=500\nserverId=1\n\
        initLimit=20\nmembership: \nserver.1=127.0.0.1:31001:31002:participant;127.0.0.1:31000\n\
        server.2=127.0.0.2:31001:31002:observer;127.0.0.2:31000\nversion=10000000a";

    #[test]
    fn reads_the_answer_of_conf() {
        let members = Members::parse(CONF).unwrap();
        assert_eq!(members.version, 0x1_0000_000a);
        assert_eq!(members.voters().collect::<Vec<_>>(), [1]);
        assert_eq!(members.servers[&1], server_line("127.0.0.1", [31000, 31001, 31002], Role::Participant));
        assert_eq!(Members::parse("This ZooKeeper instance is not currently serving requests\n"), None);
    }

    #[test]
    fn writes_a_file_that_reads_back() {
        let members = Members { version: 0, ..Members::parse(CONF).unwrap() };
        assert_eq!(Members::parse(&members.file()).unwrap(), members);
    }

    #[test]
    fn addresses_with_colons_are_told_from_ports() {
        assert_eq!(server_line("::1", [1, 2, 3], Role::Observer), "[::1]:2:3:observer;[::1]:1");
    }
}

//! How the nodes are, asked from themselves: what each says of itself, and how it sees the ring.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::client::Client;
use crate::keyspaces::{Keyspace, Sizes};

const LOCAL: &str = "SELECT JSON bootstrapped, schema_version, release_version, listen_address, listen_port, host_id, data_center, rack, tokens FROM system.local";
const PEERS: &str =
    "SELECT JSON peer, peer_port, host_id, data_center, rack, release_version, tokens FROM system.peers_v2";
const GOSSIP: &str = "SELECT JSON address, port, host_id, dc, rack, release_version, load, status_with_port FROM system_views.gossip_info";
const KEYSPACES: &str = "SELECT JSON keyspace_name, durable_writes, replication FROM system_schema.keyspaces";

/// Where a member stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It owns its ranges, whether it is up or not.
    #[default]
    Normal,
    /// It receives the data of the ranges that it will own.
    Joining,
    /// It hands over its data.
    Leaving,
    /// Its ranges change.
    Moving,
    /// It has said that it goes down.
    Shutdown,
    /// It is no member any more.
    Left,
}

impl State {
    /// From gossip: `NORMAL,-4521195024985695243`.
    fn read(status: &str) -> Self {
        match status.split(',').next().unwrap_or_default() {
            "BOOT" | "BOOT_REPLACE" | "hibernate" => Self::Joining,
            "LEAVING" => Self::Leaving,
            "MOVING" => Self::Moving,
            "shutdown" => Self::Shutdown,
            "LEFT" | "removed" | "removing" => Self::Left,
            _ => Self::Normal,
        }
    }

    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Normal => "up",
            Self::Joining => "joining",
            Self::Leaving => "leaving",
            Self::Moving => "moving",
            Self::Shutdown => "shut down",
            Self::Left => "gone",
        }
    }

    /// Ranges are on their way.
    pub fn moves(self) -> bool {
        matches!(self, Self::Joining | Self::Leaving | Self::Moving)
    }
}

/// A member of the ring as a node sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Member {
    /// Where it stands.
    pub state: State,
    /// Its identity.
    pub host_id: String,
    /// Its data centre.
    pub datacenter: String,
    /// Its rack.
    pub rack: String,
    /// Version of Cassandra.
    pub version: String,
    /// Bytes of data.
    pub load: f64,
    /// The places on the ring that end its ranges.
    #[serde(skip)]
    pub tokens: Vec<i64>,
}

/// What a node says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// It has its data: `COMPLETED`.
    pub bootstrapped: bool,
    /// Version of Cassandra.
    pub version: String,
    /// Version of the schema.
    pub schema: String,
    /// By `address:port` for the other nodes.
    pub members: BTreeMap<String, Member>,
    /// Those that live on several nodes.
    pub keyspaces: Vec<Keyspace>,
}

/// One instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// `address:port` for the other nodes.
    pub endpoint: String,
    /// Or why it could not be asked.
    pub report: Result<Report, String>,
}

/// All instances that have a place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Survey {
    /// By name.
    pub nodes: BTreeMap<String, Node>,
}

impl Survey {
    /// What an instance says, if it serves.
    pub fn report(&self, instance: &str) -> Option<&Report> {
        self.nodes.get(instance)?.report.as_ref().ok().filter(|r| r.bootstrapped)
    }

    /// Everybody who serves.
    pub fn reports(&self) -> impl Iterator<Item = (&String, &Report)> {
        self.nodes.keys().filter_map(|name| Some((name, self.report(name)?)))
    }

    /// The ring: whoever is a member to somebody. Who owns ranges to anybody does.
    pub fn ring(&self) -> BTreeMap<String, Member> {
        let mut ring: BTreeMap<String, Member> = BTreeMap::new();
        for (endpoint, member) in self.reports().flat_map(|(_, r)| &r.members) {
            let known = ring.entry(endpoint.clone()).or_insert_with(|| member.clone());
            if known.state == State::Left {
                known.clone_from(member);
            }
        }
        ring.retain(|_, member| member.state != State::Left);
        ring
    }

    /// Nodes of the ring by data centre, `without` one.
    pub fn sizes(&self, without: Option<&str>) -> Sizes {
        let mut sizes = Sizes::new();
        for (endpoint, member) in self.ring() {
            let there = sizes.entry(member.datacenter).or_default();
            *there += usize::from(Some(endpoint.as_str()) != without);
        }
        sizes
    }
}

impl Report {
    /// Asks the node whose clients' port is at `host:port`.
    ///
    /// # Errors
    /// Why it does not serve.
    pub async fn of(endpoint: &str) -> Result<Self, String> {
        let mut client = Client::connect(endpoint).await.map_err(|e| e.to_string())?;
        let mut rows = Vec::new();
        for statement in [LOCAL, PEERS, GOSSIP, KEYSPACES] {
            rows.push(client.query(statement).await.map_err(|e| e.to_string())?);
        }
        read(&rows).ok_or_else(|| format!("{endpoint}: it says nothing of itself"))
    }
}

/// Gossip says how members are, the peers' table whom a node knows although nobody gossips about it.
fn read(rows: &[Vec<Value>]) -> Option<Report> {
    let [local, peers, gossip, keyspaces] = rows else { return None };
    let local = local.first()?;
    let mut members: BTreeMap<String, Member> = gossip.iter().filter_map(gossiped).collect();
    let mut owners = BTreeSet::new();
    for (row, address, port) in
        peers.iter().map(|row| (row, "peer", "peer_port")).chain([(local, "listen_address", "listen_port")])
    {
        let (endpoint, known) = listed(row, address, port)?;
        let member = members.entry(endpoint.clone()).or_insert_with(|| known.clone());
        member.tokens = known.tokens;
        owners.insert(endpoint);
    }
    // Gossip keeps for days what a node said that went down and whose place another one has taken since.
    members.retain(|endpoint, member| member.state != State::Shutdown || owners.contains(endpoint));
    Some(Report {
        bootstrapped: local["bootstrapped"] == "COMPLETED",
        version: text(local, "release_version"),
        schema: text(local, "schema_version"),
        members,
        keyspaces: keyspaces.iter().filter_map(Keyspace::read).collect(),
    })
}

fn text(row: &Value, column: &str) -> String {
    row[column].as_str().unwrap_or_default().to_owned()
}

fn endpoint(row: &Value, address: &str, port: &str) -> Option<String> {
    Some(format!("{}:{}", row[address].as_str()?, row[port].as_u64()?))
}

fn gossiped(row: &Value) -> Option<(String, Member)> {
    // A node that has said nothing of itself yet is a member only if the peers' table has it.
    let status = row["status_with_port"].as_str()?;
    let member = Member {
        state: State::read(status),
        host_id: text(row, "host_id"),
        datacenter: text(row, "dc"),
        rack: text(row, "rack"),
        version: text(row, "release_version"),
        load: row["load"].as_str().and_then(|load| load.parse().ok()).unwrap_or_default(),
        tokens: Vec::new(),
    };
    Some((endpoint(row, "address", "port")?, member))
}

fn listed(row: &Value, address: &str, port: &str) -> Option<(String, Member)> {
    let tokens = row["tokens"].as_array().into_iter().flatten();
    let member = Member {
        host_id: text(row, "host_id"),
        datacenter: text(row, "data_center"),
        rack: text(row, "rack"),
        version: text(row, "release_version"),
        tokens: tokens.filter_map(|token| token.as_str()?.parse().ok()).collect(),
        ..Member::default()
    };
    Some((endpoint(row, address, port)?, member))
}

/// Part of the ring that each member owns first, in percent, within its data centre: copies are not counted.
pub fn owns(ring: &BTreeMap<String, Member>) -> BTreeMap<&str, f64> {
    let mut owned: BTreeMap<&str, f64> = BTreeMap::new();
    let centers: BTreeSet<&str> = ring.values().map(|m| m.datacenter.as_str()).collect();
    for center in centers {
        let members = ring.iter().filter(|(_, m)| m.datacenter == center);
        let mut tokens: Vec<(i64, &str)> =
            members.flat_map(|(endpoint, m)| m.tokens.iter().map(|t| (*t, endpoint.as_str()))).collect();
        tokens.sort_unstable();
        let Some((last, _)) = tokens.last().copied() else { continue };
        let mut before = last;
        for (token, endpoint) in tokens.iter().copied() {
            // The ring has 2^64 places and closes on itself; one token alone owns all of it.
            let range = token.wrapping_sub(before) as u64;
            let share = if token == last && before == last && tokens.len() == 1 {
                1.0
            } else {
                range as f64 / 2f64.powi(64)
            };
            *owned.entry(endpoint).or_default() += share * 100.0;
            before = token;
        }
    }
    owned
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_is_read_from_its_tables() {
        let local = json!({
            "bootstrapped": "COMPLETED", "schema_version": "s", "release_version": "5.0.5", "listen_address": "10.0.0.1",
            "listen_port": 7000, "host_id": "a", "data_center": "dc1", "rack": "r1", "tokens": ["-4611686018427387904"],
        });
        let peer = json!({
            "peer": "10.0.0.2", "peer_port": 7000, "host_id": "b", "data_center": "dc1", "rack": "r2",
            "release_version": "5.0.5", "tokens": ["4611686018427387904"],
        });
        let silent = json!({ "peer": "10.0.0.3", "peer_port": 7000, "host_id": "c", "data_center": "dc1", "tokens": ["1"] });
        let gossip = |address: &str, status: Value| json!({ "address": address, "port": 7000, "dc": "dc1", "host_id": "x", "load": "2048.0", "status_with_port": status });
        let gossip = vec![
            gossip("10.0.0.1", json!("NORMAL,-1")),
            gossip("10.0.0.2", json!("LEAVING,1")),
            gossip("10.0.0.3", Value::Null),
            gossip("10.0.0.4", json!("LEFT,1,99")),
            // Another node has taken its place.
            gossip("10.0.0.5", json!("shutdown,true")),
        ];
        let report = read(&[vec![local], vec![peer, silent], gossip, vec![]]).unwrap();
        let states: Vec<_> = report.members.iter().map(|(e, m)| (e.as_str(), m.state)).collect();
        assert_eq!(
            states,
            [
                ("10.0.0.1:7000", State::Normal),
                ("10.0.0.2:7000", State::Leaving),
                ("10.0.0.3:7000", State::Normal),
                ("10.0.0.4:7000", State::Left),
            ]
        );
        let node = Node { endpoint: "10.0.0.1:7000".into(), report: Ok(report) };
        let survey = Survey { nodes: [("node-0".to_owned(), node)].into() };
        assert_eq!(
            survey.sizes(Some("10.0.0.2:7000")),
            [("dc1".to_owned(), 2)].into(),
            "who has left is not counted"
        );
    }

    #[test]
    fn shares_of_the_ring_add_up() {
        let member = |dc: &str, tokens: &[i64]| Member {
            datacenter: dc.into(),
            tokens: tokens.to_vec(),
            ..Member::default()
        };
        let ring = BTreeMap::from([
            ("a".to_owned(), member("east", &[-(1 << 62)])),
            ("b".to_owned(), member("east", &[1 << 62])),
            ("c".to_owned(), member("west", &[0])),
        ]);
        let owned = owns(&ring);
        assert!((owned["a"] - 50.0).abs() < 0.01 && (owned["b"] - 50.0).abs() < 0.01, "{owned:?}");
        assert!((owned["c"] - 100.0).abs() < 0.01, "{owned:?}");
    }
}

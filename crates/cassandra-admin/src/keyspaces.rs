//! Keyspaces: what is declared, compared with what there is.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::client::{Client, Error};

/// Copies of Cassandra's own data, as far as there are nodes for them.
const SYSTEM_COPIES: usize = 3;
/// Cassandra's own keyspaces that live on several nodes. It founds them as if a cluster had one data centre and one rack.
const SYSTEM: [&str; 3] = ["system_auth", "system_distributed", "system_traces"];

/// Nodes by data centre.
pub type Sizes = BTreeMap<String, usize>;

/// A keyspace, as Cassandra has it or as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Keyspace {
    /// Its name.
    pub name: String,
    /// Copies by data centre; under the empty name those that may be in any (SimpleStrategy).
    pub copies: BTreeMap<String, usize>,
    /// Writes go through the commit log.
    pub durable: bool,
}

/// Whether a declared keyspace can have this name: those that begin with `system` are Cassandra's own.
pub fn is_keyspace_name(name: &str) -> bool {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    !name.is_empty() && name.len() <= 48 && plain && !name.starts_with("system")
}

impl Keyspace {
    /// With so many copies in each of the data centres, or only in those that are named, with as many as is said there.
    pub fn spread(
        name: &str,
        copies: u32,
        named: &BTreeMap<String, u32>,
        durable: bool,
        sizes: &Sizes,
    ) -> Self {
        let everywhere = || sizes.keys().map(|dc| (dc.clone(), copies as usize)).collect();
        let own = || named.iter().map(|(dc, n)| (dc.clone(), *n as usize)).collect();
        let copies = if named.is_empty() { everywhere() } else { own() };
        Self { name: name.to_owned(), copies, durable }
    }

    /// From a row of `system_schema.keyspaces`; nothing for those that every node has for itself.
    pub fn read(row: &Value) -> Option<Self> {
        let replication = row["replication"].as_object()?;
        let copies = |(key, value): (&String, &Value)| {
            // With transient replicas, "3/1" are three of which one is transient.
            let number = value.as_str()?.split('/').next()?.parse().ok()?;
            let anywhere = key == "replication_factor";
            Some((if anywhere { String::new() } else { key.clone() }, number))
        };
        let copies: BTreeMap<_, _> = replication.iter().filter_map(copies).collect();
        let name = row["keyspace_name"].as_str()?.to_owned();
        (!copies.is_empty()).then_some(Self { name, copies, durable: row["durable_writes"] != false })
    }

    /// Where it would not find enough nodes once others have left.
    pub fn too_many_for(&self, sizes: &Sizes) -> Option<String> {
        let (dc, copies, there) = self.crowded(sizes)?;
        let place = if dc.is_empty() { String::new() } else { format!(" in {dc}") };
        Some(format!(
            "keyspace {} has {copies} copies{place} and {there} nodes would remain there",
            self.name
        ))
    }

    /// A data centre with fewer nodes than it is to have copies: how many copies, and how many nodes.
    fn crowded(&self, sizes: &Sizes) -> Option<(&str, usize, usize)> {
        let all: usize = sizes.values().sum();
        let there = |dc: &str| if dc.is_empty() { all } else { sizes.get(dc).copied().unwrap_or(0) };
        let copies = self.copies.iter().map(|(dc, copies)| (dc.as_str(), *copies, there(dc)));
        copies.into_iter().find(|(_, copies, there)| copies > there)
    }

    /// It is Cassandra's own.
    pub fn is_system(&self) -> bool {
        SYSTEM.contains(&self.name.as_str())
    }
}

/// What is wrong with copies as they are declared, each with where that is: `replication`, which counts where no data centre is
/// named, or `datacenters.NAME`. There are so many nodes, all in the data centre `only` if that is known.
pub fn misfits(
    replication: u32,
    named: &BTreeMap<String, u32>,
    nodes: u32,
    only: Option<&str>,
) -> Vec<(String, String)> {
    let everywhere = named.is_empty().then_some(("replication".to_owned(), replication, only));
    let each = named.iter().map(|(dc, copies)| (format!("datacenters.{dc}"), *copies, Some(dc.as_str())));
    let misfit = |(at, copies, dc)| {
        let what = match only {
            Some(only) if dc != Some(only) => {
                format!("there is no such data centre: all nodes are in {only}")
            }
            _ if copies == 0 => "must be at least 1".to_owned(),
            _ if copies > nodes => too_few(copies as usize, nodes as usize),
            _ => return None,
        };
        Some((at, what))
    };
    everywhere.into_iter().chain(each).filter_map(misfit).collect()
}

fn too_few(copies: usize, nodes: usize) -> String {
    let copies = if copies == 1 { "1 copy does".to_owned() } else { format!("{copies} copies do") };
    format!("{copies} not fit on {nodes} {}", if nodes == 1 { "node" } else { "nodes" })
}

/// What there is to do about keyspaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// Changes of the schema, one by one.
    pub statements: Vec<String>,
    /// What cannot be, and why.
    pub refused: Vec<String>,
}

impl Due {
    /// What makes true what is declared, and keeps Cassandra's own data on three nodes. Cassandra takes more copies than a data
    /// centre has nodes, but such a keyspace cannot be written with QUORUM: that is refused.
    pub fn of(declared: impl IntoIterator<Item = Keyspace>, sizes: &Sizes, existing: &[Keyspace]) -> Self {
        let mut due = Self::default();
        for wanted in system(sizes).chain(declared) {
            match (statement(&wanted, existing), wanted.crowded(sizes)) {
                (None, _) => {}
                (Some(statement), None) => due.statements.push(statement),
                (Some(_), Some((dc, copies, there))) => {
                    due.refused.push(format!("keyspace {}: {} in {dc}", wanted.name, too_few(copies, there)));
                }
            }
        }
        due
    }

    /// What keeps Cassandra's own data on as many nodes as there will be.
    pub fn shrink(sizes: &Sizes, existing: &[Keyspace]) -> Self {
        let too_many =
            |wanted: &Keyspace| existing.iter().any(|e| e.name == wanted.name && e.crowded(sizes).is_some());
        let statements = system(sizes).filter(too_many).filter_map(|wanted| statement(&wanted, existing));
        Self { statements: statements.collect(), refused: Vec::new() }
    }

    /// Nothing.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty() && self.refused.is_empty()
    }

    /// Carries out the first statement that Cassandra takes, through the node whose clients' port is at `endpoint`; the next one is
    /// for when all nodes agree on the schema again. Where there is none left, all that was refused comes back.
    ///
    /// # Errors
    /// The node cannot be asked, or how many statements are left.
    pub async fn carry_out(&self, endpoint: &str) -> Result<Option<String>, String> {
        let mut refused = self.refused.clone();
        for (at, statement) in self.statements.iter().enumerate() {
            let done = async { Client::connect(endpoint).await?.query(statement).await };
            match done.await {
                Ok(_) if at + 1 == self.statements.len() => return Ok(None),
                Ok(_) => {
                    let left = self.statements.len() - at - 1;
                    return Err(format!("{left} changes of the schema are left"));
                }
                Err(Error::Refused(_, why)) => refused.push(format!("{why} ({statement})")),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok((!refused.is_empty()).then(|| refused.join("; ")))
    }
}

fn system(sizes: &Sizes) -> impl Iterator<Item = Keyspace> {
    let copies: BTreeMap<_, _> = sizes.iter().map(|(dc, n)| (dc.clone(), SYSTEM_COPIES.min(*n))).collect();
    SYSTEM.iter().map(move |name| Keyspace { name: (*name).into(), copies: copies.clone(), durable: true })
}

fn statement(wanted: &Keyspace, existing: &[Keyspace]) -> Option<String> {
    let there = existing.iter().find(|e| e.name == wanted.name);
    if there == Some(wanted) {
        return None;
    }
    let verb = if there.is_some() { "ALTER KEYSPACE" } else { "CREATE KEYSPACE IF NOT EXISTS" };
    let copies = wanted.copies.iter().map(|(dc, n)| format!(", '{}': {n}", dc.replace('\'', "''")));
    let copies: String = copies.collect();
    let (name, durable) = (&wanted.name, wanted.durable);
    Some(format!(
        "{verb} \"{name}\" WITH replication = {{'class': 'NetworkTopologyStrategy'{copies}}} AND durable_writes = {durable}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    fn there(name: &str, replication: &Value) -> Keyspace {
        Keyspace::read(&json!({ "keyspace_name": name, "durable_writes": true, "replication": replication }))
            .unwrap()
    }

    fn sizes(nodes: usize) -> Sizes {
        [("dc1".to_owned(), nodes)].into()
    }

    fn shop(copies: usize) -> [Keyspace; 1] {
        [Keyspace { name: "shop".into(), copies: sizes(copies), durable: true }]
    }

    #[test]
    fn names_and_copies_as_they_are_declared() {
        assert!(["shop", "Shop_1"].into_iter().all(is_keyspace_name));
        assert!(!["", "system_auth", "a-b", "a/b"].into_iter().any(is_keyspace_name));
        let sizes = [("a".to_owned(), 3), ("b".to_owned(), 1)].into();
        let copies = |named: &[(&str, u32)]| {
            let named = named.iter().map(|(dc, n)| ((*dc).to_owned(), *n)).collect();
            Keyspace::spread("shop", 2, &named, true, &sizes).copies
        };
        assert_eq!(copies(&[]), [("a".to_owned(), 2), ("b".to_owned(), 2)].into());
        assert_eq!(copies(&[("a", 3)]), [("a".to_owned(), 3)].into());
    }

    #[test]
    fn declared_keyspaces_are_created_and_altered_and_never_dropped() {
        let system = SYSTEM.map(|name| there(name, &json!({"class": "x", "dc1": "3"})));
        let create = Due::of(shop(2), &sizes(3), &system).statements;
        assert_eq!(
            create,
            [
                "CREATE KEYSPACE IF NOT EXISTS \"shop\" WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 2} AND durable_writes = true"
            ]
        );
        let mut all = system.to_vec();
        all.push(there("shop", &json!({"class": "x", "dc1": "2"})));
        assert!(Due::of(shop(2), &sizes(3), &all).is_empty());
        assert!(Due::of(shop(3), &sizes(3), &all).statements[0].starts_with("ALTER KEYSPACE \"shop\""));
        assert!(Due::of([], &sizes(3), &all).is_empty());
    }

    #[test]
    fn copies_as_they_are_declared_fit_on_the_nodes_that_there_will_be() {
        let told = |replication, named: &[(&str, u32)], only| {
            let named = named.iter().map(|(dc, n)| ((*dc).to_owned(), *n)).collect();
            let told = misfits(replication, &named, 2, only).into_iter();
            told.map(|(at, what)| format!("{at}: {what}")).collect::<Vec<_>>()
        };
        assert_eq!(told(2, &[], Some("dc1")), [""; 0]);
        assert_eq!(told(3, &[], None), ["replication: 3 copies do not fit on 2 nodes"]);
        assert_eq!(told(0, &[], Some("dc1")), ["replication: must be at least 1"]);
        // Where data centres are named, the number for all counts for none.
        assert_eq!(told(3, &[("dc1", 2), ("dc2", 1)], None), [""; 0]);
        assert_eq!(
            told(1, &[("dc1", 3), ("dc2", 1)], Some("dc1")),
            [
                "datacenters.dc1: 3 copies do not fit on 2 nodes",
                "datacenters.dc2: there is no such data centre: all nodes are in dc1",
            ]
        );
    }

    #[test]
    fn what_cannot_be_does_not_stand_in_the_way_of_the_rest() {
        let sizes = [("a".to_owned(), 3), ("b".to_owned(), 1)].into();
        let existing: Vec<Keyspace> = system(&sizes).collect();
        let wanted = |name: &str, copies| Keyspace::spread(name, copies, &BTreeMap::new(), true, &sizes);
        let due = Due::of([wanted("big", 2), wanted("shop", 1)], &sizes, &existing);
        assert_eq!(due.refused, ["keyspace big: 2 copies do not fit on 1 node in b"]);
        assert_eq!(due.statements.len(), 1);
        assert!(due.statements[0].contains("\"shop\""), "{due:?}");
        // One that is there already is left as it is.
        let there = [wanted("big", 2), wanted("shop", 1)];
        let all: Vec<Keyspace> = existing.into_iter().chain(there.clone()).collect();
        assert!(Due::of(there, &sizes, &all).is_empty());
    }

    /// A node that answers each connection's statement with a void result, or an error of this code; statements come back.
    async fn node(codes: Vec<u32>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        let asked = tokio::spawn(async move {
            let mut asked = Vec::new();
            for code in codes {
                let (mut stream, _) = listener.accept().await.unwrap();
                read_frame(&mut stream).await;
                stream.write_all(&[0x84, 0, 0, 0, 2, 0, 0, 0, 0]).await.unwrap();
                asked.push(String::from_utf8_lossy(&read_frame(&mut stream).await[4..]).into_owned());
                let body = match code {
                    0 => 1u32.to_be_bytes().to_vec(),
                    code => [&code.to_be_bytes()[..], &[0, 2], b"no"].concat(),
                };
                let opcode = if code == 0 { 8 } else { 0 };
                let length = u8::try_from(body.len()).unwrap();
                stream
                    .write_all(&[&[0x84, 0, 0, 0, opcode, 0, 0, 0, length][..], &body].concat())
                    .await
                    .unwrap();
            }
            asked
        });
        (endpoint, asked)
    }

    async fn read_frame(stream: &mut TcpStream) -> Vec<u8> {
        let mut header = [0; 9];
        stream.read_exact(&mut header).await.unwrap();
        let mut body = vec![0; usize::from(header[8])];
        stream.read_exact(&mut body).await.unwrap();
        body
    }

    #[tokio::test]
    async fn what_cassandra_refuses_is_told_and_the_next_one_is_made() {
        let due = Due { statements: vec!["A".into(), "B".into()], refused: vec!["C cannot be".into()] };
        let asked = async |codes: &[u32]| {
            let (endpoint, asked) = node(codes.to_vec()).await;
            let outcome = due.carry_out(&endpoint).await;
            (outcome, asked.await.unwrap().len())
        };
        assert_eq!(asked(&[0]).await, (Err("1 changes of the schema are left".into()), 1));
        assert_eq!(asked(&[0x2300, 0]).await, (Ok(None), 2));
        let all = "C cannot be; no (A); no (B)".to_owned();
        assert_eq!(asked(&[0x2300, 0x2200]).await, (Ok(Some(all)), 2));
        // A node that cannot do it now is asked again.
        let (busy, count) = asked(&[0x1001]).await;
        assert!(busy.is_err_and(|why| why.ends_with(": no")) && count == 1);
        let none = Due { statements: Vec::new(), ..due };
        assert_eq!(none.carry_out("127.0.0.1:1").await, Ok(Some("C cannot be".into())));
    }

    #[test]
    fn the_system_has_three_copies_where_there_are_three_nodes() {
        let founded = [there("system_auth", &json!({"class": "x", "replication_factor": "1"}))];
        let one = Due::of([], &sizes(1), &founded).statements;
        assert!(one[0].starts_with(
            "ALTER KEYSPACE \"system_auth\" WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}"
        ));
        let five = Due::of([], &sizes(5), &founded).statements;
        assert!(five[0].contains("'dc1': 3"), "{}", five[0]);
    }

    #[test]
    fn copies_need_nodes() {
        let shop = there("shop", &json!({"class": "x", "dc1": "3/1"}));
        assert_eq!(shop.too_many_for(&sizes(3)), None);
        let told = shop.too_many_for(&sizes(2)).unwrap();
        assert_eq!(told, "keyspace shop has 3 copies in dc1 and 2 nodes would remain there");
        let traces = there("system_traces", &json!({"class": "x", "replication_factor": "2"}));
        assert!(traces.too_many_for(&sizes(2)).is_none() && traces.is_system());
        assert_eq!(Due::shrink(&sizes(1), std::slice::from_ref(&traces)).statements.len(), 1);
        assert!(Due::shrink(&sizes(2), &[traces]).is_empty());
        let local = json!({ "keyspace_name": "system", "replication": { "class": "LocalStrategy" } });
        assert_eq!(Keyspace::read(&local), None);
    }
}

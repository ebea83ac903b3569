//! Keyspaces: what is declared, compared with what there is.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::client::Client;

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

    /// Where it would not find enough nodes.
    pub fn too_many_for(&self, sizes: &Sizes) -> Option<String> {
        let all: usize = sizes.values().sum();
        let there = |dc: &str| if dc.is_empty() { all } else { sizes.get(dc).copied().unwrap_or(0) };
        let (dc, copies) = self.copies.iter().find(|(dc, copies)| **copies > there(dc))?;
        let place = if dc.is_empty() { String::new() } else { format!(" in {dc}") };
        Some(format!(
            "keyspace {} has {copies} copies{place} and {} nodes would remain there",
            self.name,
            there(dc)
        ))
    }

    /// It is Cassandra's own.
    pub fn is_system(&self) -> bool {
        SYSTEM.contains(&self.name.as_str())
    }
}

/// Statements that make what is declared true, and keep Cassandra's own data on three nodes.
pub fn statements(
    declared: impl IntoIterator<Item = Keyspace>,
    sizes: &Sizes,
    existing: &[Keyspace],
) -> Vec<String> {
    system(sizes).chain(declared).filter_map(|wanted| statement(&wanted, existing)).collect()
}

/// Statements that keep Cassandra's own data on as many nodes as there will be.
pub fn shrink(sizes: &Sizes, existing: &[Keyspace]) -> Vec<String> {
    let too_many =
        |wanted: &Keyspace| existing.iter().any(|e| e.name == wanted.name && e.too_many_for(sizes).is_some());
    system(sizes).filter(too_many).filter_map(|wanted| statement(&wanted, existing)).collect()
}

/// Carries out the first of these statements, through the node whose clients' port is at `endpoint`; the next one is for when
/// all nodes agree on the schema again.
///
/// # Errors
/// That it was refused, or how many are left.
pub async fn change(endpoint: &str, statements: &[String]) -> Result<(), String> {
    let Some(first) = statements.first() else { return Ok(()) };
    let done = async { Client::connect(endpoint).await?.query(first).await };
    done.await.map_err(|error| error.to_string())?;
    match statements.len() - 1 {
        0 => Ok(()),
        left => Err(format!("{left} changes of the schema are left")),
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
        let create = statements(shop(2), &sizes(3), &system);
        assert_eq!(
            create,
            [
                "CREATE KEYSPACE IF NOT EXISTS \"shop\" WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 2} AND durable_writes = true"
            ]
        );
        let mut all = system.to_vec();
        all.push(there("shop", &json!({"class": "x", "dc1": "2"})));
        assert!(statements(shop(2), &sizes(3), &all).is_empty());
        assert!(statements(shop(3), &sizes(3), &all)[0].starts_with("ALTER KEYSPACE \"shop\""));
        assert!(statements([], &sizes(3), &all).is_empty());
    }

    #[test]
    fn the_system_has_three_copies_where_there_are_three_nodes() {
        let founded = [there("system_auth", &json!({"class": "x", "replication_factor": "1"}))];
        let one = statements([], &sizes(1), &founded);
        assert!(one[0].starts_with(
            "ALTER KEYSPACE \"system_auth\" WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}"
        ));
        let five = statements([], &sizes(5), &founded);
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
        assert_eq!(shrink(&sizes(1), std::slice::from_ref(&traces)).len(), 1);
        assert!(shrink(&sizes(2), &[traces]).is_empty());
        let local = json!({ "keyspace_name": "system", "replication": { "class": "LocalStrategy" } });
        assert_eq!(Keyspace::read(&local), None);
    }
}

//! Cassandra: three copies of each row, written and read at QUORUM.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{PATIENCE, Subject, Writer};
use crate::Http;
use crate::cql::Session;

/// A ring.
pub struct Cassandra {
    /// Contact points.
    points: String,
    /// The scheduler of the ring, through the controller.
    http: Http,
    session: Driver,
}

/// The table of acknowledged numbers, in the keyspace that the stack declares.
const TABLE: &str = "chaos.written";

/// A driver that is started again when it has ended, as it does when no node answers at its start.
struct Driver {
    points: String,
    session: Option<Session>,
}

impl Driver {
    fn new(points: &str) -> Self {
        Self { points: points.to_owned(), session: None }
    }

    fn execute(&mut self, statement: &str) -> Result<Value, String> {
        let session = self.session.get_or_insert_with(|| Session::open(&self.points, PATIENCE));
        let told = session.execute(statement);
        if told.is_err() {
            self.session = None;
        }
        told
    }
}

impl Cassandra {
    /// A ring by its contact points; `http` asks the controller.
    pub fn new(points: String, http: Http) -> Self {
        Self { session: Driver::new(&points), points, http }
    }
}

impl Subject for Cassandra {
    fn service(&self) -> &'static str {
        "cassandra"
    }

    fn prepare(&mut self) -> Result<(), String> {
        let statement = format!("CREATE TABLE IF NOT EXISTS {TABLE} (id bigint PRIMARY KEY)");
        self.session.execute(&statement).map(drop)
    }

    fn writer(&self) -> Box<dyn Writer> {
        Box::new(Driver::new(&self.points))
    }

    fn whole(&mut self) -> Result<(), String> {
        let path = "/v1/stacks/chaos/services/cassandra/proxy/v1/ring";
        let (status, ring) = self.http.try_send("GET", path, None).map_err(|e| e.to_string())?;
        let members = ring["members"].as_array().cloned().unwrap_or_default();
        let up = members.iter().filter(|m| m["status"] == "up" && m["state"] == "normal").count();
        if up == 3 && members.len() == 3 {
            return Ok(());
        }
        Err(format!("{up} of {} members of the ring are up and normal (HTTP {status})", members.len()))
    }

    fn read(&mut self, _: &BTreeSet<u64>) -> Result<BTreeSet<u64>, String> {
        let rows = self.session.execute(&format!("SELECT id FROM {TABLE}"))?;
        Ok(rows.as_array().into_iter().flatten().filter_map(|row| row[0].as_u64()).collect())
    }
}

impl Writer for Driver {
    fn size(&self) -> u64 {
        1
    }

    fn write(&mut self, first: u64) -> Result<(), String> {
        self.execute(&format!("INSERT INTO {TABLE} (id) VALUES ({first})")).map(drop)
    }
}

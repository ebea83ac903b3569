//! Elasticsearch: an index with two replicas of each shard; a write waits until two copies of its shard are active.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{PATIENCE, Subject, Writer};
use crate::Http;

/// A cluster of nodes.
pub struct Elasticsearch {
    nodes: Vec<String>,
    turn: usize,
}

/// How many documents are asked for at once.
const PAGE: usize = 2_000;

impl Elasticsearch {
    /// A cluster by the addresses of its nodes, with commas between.
    pub fn new(nodes: &str) -> Self {
        Self { nodes: nodes.split(',').map(str::to_owned).collect(), turn: 0 }
    }

    /// The next node in turn: what one does not answer, another may.
    fn node(&mut self) -> Http {
        self.turn += 1;
        Http::within(PATIENCE, &self.nodes[self.turn % self.nodes.len()], None)
    }

    fn ask(&mut self, method: &str, path: &str, body: Option<Value>) -> Result<Value, String> {
        let (status, told) = self.node().try_send(method, path, body).map_err(|error| error.to_string())?;
        if status == 200 { Ok(told) } else { Err(format!("{method} {path}: HTTP {status} {told}")) }
    }
}

impl Subject for Elasticsearch {
    fn service(&self) -> &'static str {
        "elasticsearch"
    }

    fn prepare(&mut self) -> Result<(), String> {
        let settings = json!({ "settings": { "number_of_shards": 3, "number_of_replicas": 2 } });
        self.ask("PUT", "/chaos?wait_for_active_shards=all", Some(settings)).map(drop)
    }

    fn writer(&self) -> Box<dyn Writer> {
        Box::new(Self { nodes: self.nodes.clone(), turn: 0 })
    }

    fn whole(&mut self) -> Result<(), String> {
        let health = self.ask("GET", "/_cluster/health", None)?;
        if health["status"] == "green" && health["number_of_nodes"] == 3 {
            return Ok(());
        }
        Err(format!("{} with {} nodes", health["status"], health["number_of_nodes"]))
    }

    fn read(&mut self, acknowledged: &BTreeSet<u64>) -> Result<BTreeSet<u64>, String> {
        let ids: Vec<String> = acknowledged.iter().map(u64::to_string).collect();
        let mut found = BTreeSet::new();
        for page in ids.chunks(PAGE) {
            let told = self.ask("POST", "/chaos/_mget?_source=false", Some(json!({ "ids": page })))?;
            let documents = told["docs"].as_array().cloned().unwrap_or_default();
            let there = documents.iter().filter(|document| document["found"] == true);
            found.extend(there.filter_map(|document| document["_id"].as_str()?.parse::<u64>().ok()));
        }
        Ok(found)
    }
}

impl Writer for Elasticsearch {
    fn size(&self) -> u64 {
        5
    }

    fn write(&mut self, first: u64) -> Result<(), String> {
        let lines = (first..first + self.size()).fold(String::new(), |mut lines, id| {
            let _ = writeln!(lines, "{{\"index\":{{\"_id\":\"{id}\"}}}}\n{{\"n\":{id}}}");
            lines
        });
        let (status, told) = self
            .node()
            .try_send_as("POST", "/chaos/_bulk?wait_for_active_shards=2", "application/x-ndjson", &lines)
            .map_err(|error| error.to_string())?;
        if status == 200 && told["errors"] == false { Ok(()) } else { Err(format!("HTTP {status} {told}")) }
    }
}

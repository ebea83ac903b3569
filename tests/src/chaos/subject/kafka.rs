//! Kafka: three copies, two of them at least in sync, acknowledged by all that are.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{PATIENCE, Subject, Writer};
use crate::kcat;

/// The topic, as the stack declares it: `min.insync.replicas` is 2.
const TOPIC: &str = "chaos";

/// A cluster of brokers.
#[derive(Clone)]
pub struct Kafka {
    /// Addresses of its brokers.
    pub bootstrap: String,
}

impl Subject for Kafka {
    fn service(&self) -> &'static str {
        "kafka"
    }

    fn prepare(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn writer(&self) -> Box<dyn Writer> {
        Box::new(self.clone())
    }

    fn whole(&mut self) -> Result<(), String> {
        let metadata = kcat::try_metadata(&self.bootstrap)?;
        let topics = metadata["topics"].as_array().cloned().unwrap_or_default();
        let partitions: Vec<Value> =
            topics.iter().flat_map(|t| t["partitions"].as_array().cloned().unwrap_or_default()).collect();
        let count = |of: &Value| of.as_array().map_or(0, Vec::len);
        let behind = partitions.iter().filter(|p| count(&p["isrs"]) < count(&p["replicas"])).count();
        if partitions.is_empty() || behind > 0 {
            return Err(format!(
                "{behind} of {} partitions have copies that are not in sync",
                partitions.len()
            ));
        }
        Ok(())
    }

    fn read(&mut self, _: &BTreeSet<u64>) -> Result<BTreeSet<u64>, String> {
        Ok(kcat::try_consume(&self.bootstrap, TOPIC)?
            .iter()
            .filter_map(|record| record.parse().ok())
            .collect())
    }
}

impl Writer for Kafka {
    fn size(&self) -> u64 {
        20
    }

    fn write(&mut self, first: u64) -> Result<(), String> {
        let records: Vec<String> = (first..first + Writer::size(self)).map(|n| n.to_string()).collect();
        kcat::try_produce(&self.bootstrap, TOPIC, &records, PATIENCE)
    }
}

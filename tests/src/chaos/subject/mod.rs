//! The services that are written to, each through a client that others wrote.

mod cassandra;
mod elasticsearch;
mod kafka;

use std::collections::BTreeSet;
use std::time::Duration;

pub use cassandra::Cassandra;
pub use elasticsearch::Elasticsearch;
pub use kafka::Kafka;

/// How long a client waits for one acknowledgement before it goes on with the next write.
const PATIENCE: Duration = Duration::from_secs(10);

/// A service that keeps what it has acknowledged.
pub trait Subject: Send {
    /// The service's path in the stack.
    fn service(&self) -> &'static str;

    /// Makes room for what will be written.
    fn prepare(&mut self) -> Result<(), String>;

    /// A writer with connections of its own.
    fn writer(&self) -> Box<dyn Writer>;

    /// What has been acknowledged can be hurt again: all copies are there. Says what is missing.
    fn whole(&mut self) -> Result<(), String>;

    /// All that can be read.
    fn read(&mut self, acknowledged: &BTreeSet<u64>) -> Result<BTreeSet<u64>, String>;
}

/// Writes numbers.
pub trait Writer: Send {
    /// How many numbers go into one write.
    fn size(&self) -> u64;

    /// Writes the numbers from `first` on; Ok when the service has acknowledged all of them as its settings promise
    /// that they are safe.
    fn write(&mut self, first: u64) -> Result<(), String>;
}

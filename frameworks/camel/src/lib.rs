//! Camel: routes in YAML, the user's own or the ready-made indexer from Kafka to Elasticsearch.
//!
//! - [`Options`]: what a stack may set;
//! - `task`: the files and the command line of an instance;
//! - `route/`: the ready-made route, its script, and the check of readiness.

mod options;
mod service;
mod task;

pub use options::{Format, Instance, Options};

cairn_framework::framework!(service::Camel, Options);

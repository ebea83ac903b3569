//! Camel: routes in YAML, the user's own or the ready-made indexer from Kafka to Elasticsearch.
//!
//! - [`Options`]: what a stack may set;
//! - `task`: the files and the command line of an instance;
//! - `route/`: the ready-made route, its script, and the check of readiness.

mod options;
mod service;
mod task;

use std::sync::Arc;

use cairn_framework::Service;

pub use options::{Format, Instance, Options};

/// The framework spec; its options are those of [`options_schema`].
pub const SPEC: &str = include_str!("../framework.yaml");

/// The service, for [`cairn_framework::run`].
pub fn service() -> Arc<dyn Service> {
    Arc::new(service::Camel)
}

/// JSON Schema of [`Options`].
pub fn options_schema() -> serde_json::Value {
    schemars::schema_for!(Options).to_value()
}

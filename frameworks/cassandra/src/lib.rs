//! Cassandra clusters: what is different about Cassandra among the services that the SDK keeps running.
//!
//! - [`Options`]: what a stack may set;
//! - `task`, `files/`: the files and the command line of a node; `seeds`: whom it asks for the ring;
//! - `gate`: what is safe when, and what has to be done for it; `operations`: what nodetool does on request;
//! - `service`: all of it, as the SDK drives it.

mod gate;
mod operations;
mod options;
mod seeds;
mod service;
mod task;

use std::sync::Arc;

use cairn_framework::Service;

pub use options::{Keyspace, Node, Options};

/// The framework spec; its options are those of [`options_schema`].
pub const SPEC: &str = include_str!("../framework.yaml");

/// The service, for [`cairn_framework::run`].
pub fn service() -> Arc<dyn Service> {
    Arc::new(service::Cassandra::default())
}

/// JSON Schema of [`Options`].
pub fn options_schema() -> serde_json::Value {
    schemars::schema_for!(Options).to_value()
}

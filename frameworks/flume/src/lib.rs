//! Flume: ships lines of log files, of commands and of the stack's own tasks to Kafka.
//!
//! - [`Options`]: what a stack may set;
//! - `follow`: which files of which tasks of the stack a source follows;
//! - `properties`: the configuration of an agent;
//! - `task`, `prepare.sh`: how it is started.

mod follow;
mod options;
mod properties;
mod service;
mod task;

use std::sync::Arc;

use cairn_framework::Service;

pub use options::{Agent, Channel, Kind, Options, Sources};

/// The framework spec; its options are those of [`options_schema`].
pub const SPEC: &str = include_str!("../framework.yaml");

/// The service, for [`cairn_framework::run`].
pub fn service() -> Arc<dyn Service> {
    Arc::new(service::Flume)
}

/// JSON Schema of [`Options`].
pub fn options_schema() -> serde_json::Value {
    schemars::schema_for!(Options).to_value()
}

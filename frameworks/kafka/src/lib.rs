//! Kafka clusters: what is different about Kafka among the services that the SDK keeps running.
//!
//! - [`Options`]: what a stack may set;
//! - `broker`, `task`, `quorum`: the files and the command line of a broker;
//! - `client`: the parts of Kafka's protocol that a scheduler needs;
//! - `gate`: what is safe when; `reassign`: where partitions go; `topics`: what is declared is kept;
//! - `rest`: resources of its own.

mod broker;
mod gate;
mod options;
mod quorum;
#[cfg(test)]
mod real;
mod rest;
mod service;
mod task;
mod topics;

use std::sync::Arc;

use cairn_framework::Service;

pub use cairn_units::Size;
pub use options::{Mode, Options, Override, Topic};

/// The framework spec; its options are those of [`options_schema`].
pub const SPEC: &str = include_str!("../framework.yaml");

/// The service, for [`cairn_framework::run`].
pub fn service() -> Arc<dyn Service> {
    Arc::new(service::Kafka)
}

/// JSON Schema of [`Options`].
pub fn options_schema() -> serde_json::Value {
    schemars::schema_for!(Options).to_value()
}

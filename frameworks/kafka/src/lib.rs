//! Kafka clusters: what is different about Kafka among the services that the SDK keeps running.
//!
//! - [`Options`]: what a stack may set;
//! - `task`: the files and the command line of a broker;
//! - `gate`: what is safe when, and what is done for it; `topics`, which are kept as declared;
//! - `rest`: resources of its own, and those of the earlier framework.

mod gate;
mod options;
#[cfg(test)]
mod real;
mod rest;
mod service;
mod task;
mod topics;

pub use cairn_kafka_admin::{Mode, Topic};
pub use cairn_units::Size;
pub use options::{Broker, Options, Override};

cairn_framework::framework!(service::Kafka, Options);

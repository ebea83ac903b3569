//! Kafka clusters: what is different about Kafka among the services that the SDK keeps running.
//!
//! - [`Options`]: what a stack may set;
//! - `broker`, `task`, `quorum`: the files and the command line of a broker;
//! - `gate`: what is safe when, and what is done for it; `topics`, which are kept as declared;
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

pub use cairn_units::Size;
pub use options::{Mode, Options, Override, Topic};

cairn_framework::framework!(service::Kafka, Options);

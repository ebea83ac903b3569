//! Cassandra clusters: what is different about Cassandra among the services that the SDK keeps running.
//!
//! - [`Options`]: what a stack may set;
//! - `task`, `files/`: the files and the command line of a node;
//! - `gate`: what is safe when, and what has to be done for it; `operations`: what nodetool does on request;
//! - `service`: all of it, as the SDK drives it.

mod gate;
mod operations;
mod options;
mod service;
mod task;

pub use options::{Keyspace, Node, Options};

cairn_framework::framework!(service::Cassandra, Options);

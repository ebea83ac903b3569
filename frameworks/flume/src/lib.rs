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

pub use options::{Agent, Channel, Kind, Options, Sources};

cairn_framework::framework!(service::Flume, Options);

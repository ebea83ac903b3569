//! The embedded Mesos-API cluster for one machine: a master and its agents.
//!
//! [`Cluster::start`] runs both in this process. The master is a pure state machine with a thin driver around it;
//! agents stand behind the seam of [`wire`].

pub mod agent;
mod cluster;
pub mod master;
mod options;
pub mod sim;
mod terminal;
pub mod wire;

pub use cluster::{Cluster, ClusterError};
pub use options::{ClusterOptions, MAX_AGENTS, OptionsError};

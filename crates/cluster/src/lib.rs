//! The embedded Mesos-API cluster for one machine: a master and its agents.
//!
//! [`Cluster::start`] runs both in this process. The master is a pure state machine with a thin driver around it;
//! agents stand behind the seam of [`wire`].

pub mod agent;
mod classic;
mod cluster;
mod link;
mod listen;
pub mod master;
mod metric;
mod options;
mod packed;
pub mod security;
mod serve;
pub mod sim;
mod solo;
mod terminal;
mod update_id;
mod web;
mod whole;
pub mod wire;

pub use cluster::{Cluster, ClusterError};
pub use options::{ClusterOptions, MAX_AGENTS, OptionsError, agent_attributes, agent_resources};
pub use solo::{SoloAgent, SoloError};

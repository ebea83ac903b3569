//! The embedded Mesos-API cluster for one machine: a master and its agents.
//!
//! The master is a pure state machine with a thin driver around it; agents stand behind the seam of [`wire`].

pub mod agent;
pub mod master;
pub mod wire;

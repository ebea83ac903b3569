//! The master's state machine, driven by hand, against what Apache Mesos was recorded to do.

mod allocation;
mod failover;
mod launching;
mod reconciling;
mod reserving;
mod scene;

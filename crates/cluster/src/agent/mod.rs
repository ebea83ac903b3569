//! The agent: executors, sandboxes, volumes and status updates on one machine.
//!
//! What an agent decides is a pure state machine (`core`); a driver feeds it with what the master, executors, the
//! [`Runner`] and the clock say, and carries out its effects in order. Containers outlive the process of their agent:
//! an agent that starts again on the same directory finds them and goes on.

mod cgroup;
mod checkpoint;
mod classic;
mod core;
mod driver;
mod entry;
pub mod fetch;
mod fetching;
mod files;
mod garbage;
mod housekeeping;
mod http;
mod isolation;
mod local;
mod lock;
mod media;
mod metrics;
mod nested;
mod operator;
mod options;
mod probe;
mod process;
mod rotate;
mod runner;
mod running;
mod usage;
mod user;
mod watched;

pub use cgroup::CgroupError;
pub use checkpoint::CheckpointError;
pub use core::Timeouts;
pub use driver::Ended;
pub use housekeeping::Housekeeping;
pub use isolation::{Containment, Isolation, IsolationError, Keep, Limits};
pub use local::LocalRunner;
pub use options::AgentOptions;
pub use process::ProcessId;
pub use runner::{
    Answer, Container, ContainerPlan, Exit, Joined, Link, NestedPlan, Probe, ProbeKind, Runner, Spoken, Talk,
    Update, VolumeMount, Work,
};
pub use running::{Agent, AgentError};

/// The agent's state machine and what it stores, for whoever drives it in a driver's place: a simulation.
pub mod simulation {
    pub use super::checkpoint::{AgentRecord, ContainerRecord};
    pub use super::core::{Bug, Core, Denial, Effect, Event, Ids, Key, Now, Record, Settings, Which};
}

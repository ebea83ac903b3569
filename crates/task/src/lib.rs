//! The vocabulary between a scheduler and the executor.
//!
//! A scheduler writes a [`TaskSpec`] into `TaskInfo.data`; the executor on the agent reads it, renders it with the
//! task's own [`Place`] and runs it. While it runs, [`Order`]s and [`ActionReport`]s go back and forth as framework messages.
//! Nothing else passes between the two, so an executor of one version runs tasks of
//! another as long as this JSON stays compatible: fields are only ever added, with defaults.

/// Label of a TASK_FAILED status: the number of a port of the task that something else listens on. A scheduler may try
/// another one.
pub const LABEL_PORT_TAKEN: &str = "port-taken";

/// Label of a framework: the stack it belongs to.
pub const LABEL_STACK: &str = "stack";
/// Label of a framework: what its stack calls it.
pub const LABEL_SERVICE: &str = "service";

mod action;
mod follow;
mod probe;
mod render;
mod spec;

pub use action::{Action, ActionReport, ActionState, OUTPUT_MAX, Order};
pub use follow::{FollowSpec, Followed, matches};
pub use probe::{HealthSpec, Probe, ProbeKind, ReadySpec};
pub use render::{Place, RenderError};
pub use spec::{ConfigFile, FileMode, TaskSpec};

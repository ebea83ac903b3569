//! How often things have happened since the agent's process started, for metrics.

use std::collections::BTreeMap;

use cairn_mesos::v1::TaskState;

use crate::terminal::is_terminal;

/// What is counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// Updates of tasks that are here, whoever made them.
    pub(crate) valid_updates: u64,
    /// Updates of others.
    pub(crate) invalid_updates: u64,
    /// Messages that executors were given.
    pub(crate) valid_messages: u64,
    /// Messages for executors that are not here, or cannot be told.
    pub(crate) invalid_messages: u64,
    /// Containers that could not be started.
    pub(crate) launch_errors: u64,
    /// Executors that have ended.
    pub(crate) executors_terminated: u64,
    ends: BTreeMap<TaskState, u64>,
}

impl Counts {
    /// A task that is here has come to this state.
    pub(super) fn update(&mut self, state: TaskState) {
        self.valid_updates += 1;
        if is_terminal(state) {
            *self.ends.entry(state).or_default() += 1;
        }
    }

    /// How many tasks have come to this end.
    pub(crate) fn ended(&self, state: TaskState) -> u64 {
        self.ends.get(&state).copied().unwrap_or(0)
    }
}

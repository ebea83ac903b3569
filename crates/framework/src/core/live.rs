//! What is known of instances at this moment: derived from events, gone with the process.

use cairn_mesos::v1::{Task, TaskState, TaskStatus};
use cairn_planted::planted;

use super::Millis;
use super::planted::Bug;
use crate::Phase;

/// Transient side of one instance.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live {
    /// What Mesos last said of its task.
    pub(crate) phase: Phase,
    /// Words of the last status, failure or refusal.
    pub(crate) message: String,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// Its last task that has left a sandbox, and is over.
    pub(crate) last_task: Option<String>,
    /// No launch before this.
    pub(crate) retry_at: Millis,
    /// When it became ready, as long as it is.
    pub(crate) ready_since: Option<Millis>,
    /// When the current task was launched or last heard of.
    pub(crate) heard: Millis,
    /// Why the last offers did not do.
    pub(crate) refusal: Option<String>,
    /// Since when none has.
    pub(crate) refused_since: Option<Millis>,
    /// The gate before its first launch has agreed.
    pub(crate) admitted: bool,
    /// Until when it waits for an agent with fewer of its peers.
    pub(crate) room_until: Option<Millis>,
}

impl Live {
    /// The clock has gone back by so much.
    pub(crate) fn set_back(&mut self, by: Millis) {
        self.retry_at = self.retry_at.saturating_sub(by);
        self.heard = self.heard.saturating_sub(by);
        self.ready_since = self.ready_since.map(|since| since.saturating_sub(by));
        self.room_until = self.room_until.map(|until| until.saturating_sub(by));
        self.refused_since = self.refused_since.map(|since| since.saturating_sub(by));
    }
}

/// What a status means for the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The task lives, in this phase.
    Alive(Phase),
    /// It is over. `true`: it was never launched at all, or left nothing that could still run.
    Over,
}

/// Whether a task of the master's list is over.
pub(crate) fn is_over(task: &Task) -> bool {
    meaning(&TaskStatus { state: task.state, ..TaskStatus::default() }) == Meaning::Over
}

/// Reads a status. `UNREACHABLE`, `LOST` and `UNKNOWN` are not terminal: the task may still run on an agent that the
/// master has lost sight of.
pub(crate) fn meaning(status: &TaskStatus) -> Meaning {
    match status.state() {
        TaskState::TaskStaging => Meaning::Alive(Phase::Staging),
        TaskState::TaskStarting => Meaning::Alive(Phase::Starting),
        TaskState::TaskRunning => Meaning::Alive(match status.healthy {
            None => Phase::Running,
            Some(true) => Phase::Ready,
            Some(false) => Phase::Unhealthy,
        }),
        TaskState::TaskKilling => Meaning::Alive(Phase::Stopping),
        TaskState::TaskUnreachable if planted(Bug::RelaunchUnreachable) => Meaning::Over,
        TaskState::TaskUnreachable | TaskState::TaskLost | TaskState::TaskUnknown => {
            Meaning::Alive(Phase::Unreachable)
        }
        TaskState::TaskFinished
        | TaskState::TaskFailed
        | TaskState::TaskKilled
        | TaskState::TaskError
        | TaskState::TaskDropped
        | TaskState::TaskGone
        | TaskState::TaskGoneByOperator => Meaning::Over,
    }
}

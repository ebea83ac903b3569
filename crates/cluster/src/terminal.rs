//! Which states of a task are its last, for master and agents alike.

use cairn_mesos::v1::TaskState;

/// Whether a task in this state is over. UNREACHABLE, UNKNOWN and LOST by partition are not: they may come back.
pub(crate) fn is_terminal(state: TaskState) -> bool {
    matches!(
        state,
        TaskState::TaskFinished
            | TaskState::TaskFailed
            | TaskState::TaskKilled
            | TaskState::TaskError
            | TaskState::TaskLost
            | TaskState::TaskDropped
            | TaskState::TaskGone
            | TaskState::TaskGoneByOperator
    )
}

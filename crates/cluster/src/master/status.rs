//! Status updates that the master makes itself. None has a uuid, so none is acknowledged.

use cairn_mesos::v1::task_status::{Reason, Source};
use cairn_mesos::v1::{AgentId, Task, TaskId, TaskState, TaskStatus, TimeInfo};

use super::event::Time;

/// An update from the master.
pub(crate) fn from_master(
    task_id: &str,
    state: TaskState,
    reason: Reason,
    message: impl Into<String>,
    now: Time,
) -> TaskStatus {
    TaskStatus {
        task_id: TaskId { value: task_id.to_owned() },
        state: state as i32,
        source: Some(Source::Master as i32),
        reason: Some(reason as i32),
        message: Some(message.into()),
        timestamp: Some(now.as_secs_f64()),
        ..TaskStatus::default()
    }
}

/// An update from the master about a task it knows, with what the task last said about its container and health.
pub(crate) fn about(
    task: &Task,
    state: TaskState,
    reason: Reason,
    message: impl Into<String>,
    now: Time,
) -> TaskStatus {
    let last = task.statuses.last();
    TaskStatus {
        agent_id: Some(task.agent_id.clone()),
        executor_id: task.executor_id.clone(),
        healthy: last.and_then(|status| status.healthy),
        check_status: last.and_then(|status| status.check_status),
        container_status: last.and_then(|status| status.container_status.clone()),
        ..from_master(&task.task_id.value, state, reason, message, now)
    }
}

/// An update that says that the task is no longer to be had: nothing about its container.
pub(crate) fn farewell(
    task: &Task,
    state: TaskState,
    reason: Reason,
    message: impl Into<String>,
    now: Time,
) -> TaskStatus {
    TaskStatus {
        agent_id: Some(task.agent_id.clone()),
        executor_id: task.executor_id.clone(),
        ..from_master(&task.task_id.value, state, reason, message, now)
    }
}

pub(crate) fn on_agent(mut status: TaskStatus, agent_id: &str) -> TaskStatus {
    status.agent_id = Some(AgentId { value: agent_id.to_owned() });
    status
}

pub(crate) fn unreachable_since(mut status: TaskStatus, since: Time) -> TaskStatus {
    status.unreachable_time = Some(time_info(since));
    status
}

pub(crate) fn time_info(time: Time) -> TimeInfo {
    TimeInfo { nanoseconds: i64::try_from(time.as_nanos()).unwrap_or(i64::MAX) }
}

/// Whether nothing can happen to the task any more.
pub(crate) fn is_over(task: &Task) -> bool {
    crate::terminal::is_terminal(state_of(task))
}

/// The state of a task as the enum.
pub(crate) fn state_of(task: &Task) -> TaskState {
    TaskState::try_from(task.state).unwrap_or(TaskState::TaskUnknown)
}

//! Tasks that are plain commands: here the agent speaks as their executor would.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use cairn_mesos::signal_name;
use cairn_mesos::v1::framework_info::capability;
use cairn_mesos::v1::task_status::Reason;
use cairn_mesos::v1::{KillPolicy, TaskState};

use super::container::{Container, Phase};
use super::plan::nanoseconds;
use super::status::Words;
use super::{Context, Core, Effect};

/// Time between SIGTERM and SIGKILL when no policy says otherwise.
const DEFAULT_GRACE: Duration = Duration::from_secs(3);

impl Core {
    pub(super) fn command_started(&mut self, id: &str, cx: &mut Context<'_>) {
        let Some(owner) = self.containers.get_mut(id) else { return };
        owner.phase = Phase::Running;
        for task in &mut owner.tasks {
            task.delivered = true;
            task.runs(cx.now.at);
        }
        let nested = owner.parent.is_some();
        for task in task_ids(owner) {
            // Of a nested one this is said before its files are fetched.
            if !nested {
                self.report(id, &task, TaskState::TaskStarting, Words::default(), cx);
            }
            self.report(id, &task, TaskState::TaskRunning, Words::default(), cx);
        }
    }

    pub(super) fn kill_command(
        &mut self,
        id: &str,
        task: &str,
        policy: Option<KillPolicy>,
        cx: &mut Context<'_>,
    ) {
        let most = self.most_grace(id);
        let Some(owner) = self.containers.get_mut(id) else { return };
        let wants_killing =
            owner.framework.capabilities.iter().any(|c| c.r#type() == capability::Type::TaskKillingState);
        let own = owner.task(task).and_then(|t| t.info.kill_policy);
        let again = owner.task(task).is_some_and(|t| t.state == TaskState::TaskKilling);
        let grace =
            policy.or(own).and_then(|p| p.grace_period).map_or(DEFAULT_GRACE, |d| nanoseconds(d.nanoseconds));
        if let Some(entry) = owner.task(task) {
            entry.checks.stop();
            entry.deadline = None;
        }
        if wants_killing && !again {
            self.report(id, task, TaskState::TaskKilling, Words::default(), cx);
        }
        cx.push(Effect::End(id.to_owned(), grace.min(most)));
    }

    /// Ends commands that have run for longer than they may.
    pub(super) fn end_expired(&mut self, id: &str, cx: &mut Context<'_>) {
        let Some(owner) = self.containers.get_mut(id) else { return };
        for task in &mut owner.tasks {
            if task.deadline.take_if(|deadline| *deadline <= cx.now.at).is_some() {
                task.expired = true;
                task.checks.stop();
                let policy = task.info.kill_policy.and_then(|policy| policy.grace_period);
                let grace = policy.map_or(DEFAULT_GRACE, |grace| nanoseconds(grace.nanoseconds));
                cx.push(Effect::End(id.to_owned(), grace));
            }
        }
    }

    pub(super) fn command_exited(&mut self, id: &str, status: Option<i32>, cx: &mut Context<'_>) {
        let Some(owner) = self.containers.get_mut(id) else { return };
        let killed =
            owner.tasks.iter().any(|t| t.kill.is_some()) || matches!(owner.phase, Phase::Stopping { .. });
        if owner.verdict.as_ref().is_some_and(|v| v.reason == Reason::ContainerLimitationMemory) {
            // No exit status tells what the verdict does; it is what the tasks are told when the container is closed.
            return;
        }
        let expired = owner.tasks.iter().any(|t| t.expired);
        let (mut state, message) = ending(status, killed);
        let reason = expired.then_some(Reason::MaxCompletionTimeReached);
        if expired {
            state = TaskState::TaskFailed;
        }
        for task in task_ids(owner) {
            let words = Words { message: Some(message.clone()), reason, ..Words::default() };
            self.report(id, &task, state, words, cx);
        }
    }
}

fn task_ids(owner: &Container) -> Vec<String> {
    owner.tasks.iter().filter(|t| !t.is_over()).map(|t| t.id().to_owned()).collect()
}

fn ending(status: Option<i32>, killed: bool) -> (TaskState, String) {
    let Some(status) = status.map(ExitStatus::from_raw) else {
        // The command ended while no agent was there to see how.
        let state = if killed { TaskState::TaskKilled } else { TaskState::TaskFailed };
        return (
            state,
            "Command ended; its exit status is unknown because the agent was restarted".to_owned(),
        );
    };
    let message = match (status.code(), status.signal()) {
        (Some(code), _) => format!("Command exited with status {code}"),
        (None, signal) => {
            format!("Command terminated with signal {}", signal_name(signal.unwrap_or_default()))
        }
    };
    let state = match (killed, status.success()) {
        (true, _) => TaskState::TaskKilled,
        (false, true) => TaskState::TaskFinished,
        (false, false) => TaskState::TaskFailed,
    };
    (state, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_as_in_the_recorded_traffic() {
        let cases = [
            (Some(0), false, TaskState::TaskFinished, "Command exited with status 0"),
            (Some(3 << 8), false, TaskState::TaskFailed, "Command exited with status 3"),
            (Some(11), false, TaskState::TaskFailed, "Command terminated with signal Segmentation fault"),
            (Some(0), true, TaskState::TaskKilled, "Command exited with status 0"),
            (Some(15), true, TaskState::TaskKilled, "Command terminated with signal Terminated"),
        ];
        for (status, killed, state, message) in cases {
            assert_eq!(ending(status, killed), (state, message.to_owned()));
        }
    }
}

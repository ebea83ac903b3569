//! Making and passing on status updates.

use cairn_mesos::v1::task_status::{Reason, Source};
use cairn_mesos::v1::{
    CheckStatusInfo, ContainerId, ContainerStatus, ExecutorId, FrameworkId, NetworkInfo, Task,
    TaskResourceLimitation, TaskState, TaskStatus, network_info,
};
use cairn_planted::planted;

use super::container::{Container, Kind, TaskEntry, Verdict};
use super::planted::Bug;
use super::{Context, Core};
use crate::terminal::is_terminal;
use crate::wire::FromAgent;

/// What a status says besides the state.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    pub(super) source: Option<Source>,
    pub(super) reason: Option<Reason>,
    pub(super) message: Option<String>,
    pub(super) healthy: Option<bool>,
    pub(super) check: Option<CheckStatusInfo>,
    pub(super) limitation: Option<TaskResourceLimitation>,
}

impl Words {
    pub(super) fn agent(reason: Reason, message: &str) -> Self {
        Self {
            source: Some(Source::Agent),
            reason: Some(reason),
            message: Some(message.to_owned()),
            ..Self::default()
        }
    }

    /// What the tasks of a container are told that was made to end.
    pub(super) fn verdict(verdict: &Verdict) -> Self {
        Self { limitation: verdict.limitation.clone(), ..Self::agent(verdict.reason, &verdict.message) }
    }
}

impl Core {
    /// Makes an update of a task and sends it, or queues it behind those that wait.
    pub(super) fn report(
        &mut self,
        container: &str,
        task: &str,
        state: TaskState,
        mut words: Words,
        cx: &mut Context<'_>,
    ) {
        let Some(owner) = self.containers.get(container) else { return };
        if words.source.is_none()
            && let Some(entry) = owner.tasks.iter().find(|t| t.id() == task)
        {
            entry.checks.words(state, &mut words);
        }
        let status = TaskStatus {
            task_id: cairn_mesos::v1::TaskId { value: task.to_owned() },
            state: state as i32,
            message: words.message,
            source: Some(words.source.unwrap_or(Source::Executor) as i32),
            reason: words.reason.map(|r| r as i32),
            healthy: words.healthy,
            check_status: words.check,
            limitation: words.limitation,
            agent_id: self.id.clone(),
            executor_id: Some(owner.info.executor_id.clone()),
            timestamp: Some(cx.now.wall),
            uuid: Some(cx.ids.uuid().to_vec()),
            container_status: (words.source != Some(Source::Agent))
                .then(|| self.container_status(owner, state)),
            ..TaskStatus::default()
        };
        self.queue(container, status, cx);
    }

    /// Takes an update of an executor, with what the agent adds to it.
    pub(super) fn take_update(&mut self, container: &str, mut status: TaskStatus, cx: &mut Context<'_>) {
        let Some(owner) = self.containers.get(container) else { return };
        status.agent_id.clone_from(&self.id);
        status.executor_id = Some(owner.info.executor_id.clone());
        status.timestamp.get_or_insert(cx.now.wall);
        if status.container_status.is_none() {
            status.container_status = Some(self.container_status(owner, status.state()));
        }
        self.queue(container, status, cx);
    }

    fn queue(&mut self, container: &str, mut status: TaskStatus, cx: &mut Context<'_>) {
        self.blame_drain(container, &mut status);
        let Some(owner) = self.containers.get_mut(container) else { return };
        let (forget, id) = (owner.forget, status.task_id.value.clone());
        let Some(task) = owner.task(&id) else { return };
        task.state = status.state();
        self.counts.update(task.state);
        if let Some(old) = task.latest.replace(status.clone()).filter(|old| old.state != status.state) {
            task.past.push(TaskStatus { data: None, ..old });
        }
        if !forget {
            task.updates.push(status);
        }
        if !planted(Bug::UnstoredUpdate) {
            cx.save(container);
        }
        self.send_first(container, &id, cx);
    }

    /// Sends the first waiting update of a task, unless one is in flight or there is nobody to send it to.
    pub(super) fn send_first(&mut self, container: &str, task: &str, cx: &mut Context<'_>) {
        if !self.registered {
            return;
        }
        let now = cx.now.at;
        let Some(owner) = self.containers.get_mut(container) else { return };
        let framework = owner.key.framework.clone();
        let Some(task) = owner.task(task) else { return };
        let latest = task.state;
        if let Some(status) = task.updates.send(now) {
            cx.tell_master(update(&framework, status, latest));
        }
    }

    /// Of a nested container no more than its id is told when it has no process yet, or none any more.
    pub(super) fn container_status(&self, owner: &Container, state: TaskState) -> ContainerStatus {
        let parent =
            owner.parent.as_ref().map(|id| Box::new(ContainerId { value: id.clone(), parent: None }));
        let nested = parent.is_some();
        let container_id = Some(ContainerId { value: owner.id.clone(), parent });
        if nested && (state == TaskState::TaskStarting || is_terminal(state)) {
            return ContainerStatus { container_id, ..ContainerStatus::default() };
        }
        let address = network_info::IpAddress {
            protocol: Some(network_info::Protocol::IPv4 as i32),
            ip_address: Some(self.settings.ip.clone()),
        };
        ContainerStatus {
            container_id,
            network_infos: vec![NetworkInfo { ip_addresses: vec![address], ..NetworkInfo::default() }],
            executor_pid: owner.process.and_then(|p| u32::try_from(p.pid).ok()),
            ..ContainerStatus::default()
        }
    }
}

pub(super) fn update(framework: &str, status: &TaskStatus, latest_state: TaskState) -> FromAgent {
    FromAgent::Update {
        framework_id: FrameworkId { value: framework.to_owned() },
        status: Box::new(status.clone()),
        latest_state,
    }
}

/// A task as a master that comes anew needs to know it.
pub(super) fn task(owner: &Container, entry: &TaskEntry) -> Task {
    let info = &entry.info;
    let first = entry.updates.pending().next().or(entry.latest.as_ref());
    // The executor of a command is the agent's own affair; frameworks are told of none.
    let has_executor = owner.kind != Kind::Command || owner.parent.is_some();
    Task {
        name: info.name.clone(),
        task_id: info.task_id.clone(),
        framework_id: FrameworkId { value: owner.key.framework.clone() },
        executor_id: has_executor.then(|| ExecutorId { value: owner.key.executor.clone() }),
        agent_id: info.agent_id.clone(),
        state: entry.state as i32,
        resources: info.resources.clone(),
        statuses: entry.latest.iter().cloned().collect(),
        status_update_state: first.map(|s| s.state),
        status_update_uuid: first.and_then(|s| s.uuid.clone()),
        labels: info.labels.clone(),
        discovery: info.discovery.clone(),
        container: info.container.clone(),
        health_check: info.health_check.clone(),
        kill_policy: info.kill_policy,
        limits: info.limits.clone(),
        ..Task::default()
    }
}

//! What executors say.

use cairn_mesos::v1::executor::{Call, call, event};
use cairn_mesos::v1::{ContainerId, ExecutorId, FrameworkId, TaskGroupInfo, TaskInfo, TaskState};

use super::container::{Container, Key, Kind, Phase};
use super::master::{acknowledged_event, executor_event, kill_event};
use super::{Context, Core, Effect};
use crate::security::Claims;
use crate::wire::FromAgent;

/// Why the call of an executor is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// Nothing of the framework runs here.
    NoFramework,
    /// The framework has no such executor here.
    NoExecutor,
    /// Whoever calls has proved to be somebody else: what the token does not say.
    Foreign(String),
    /// It has not subscribed since it was started.
    NotSubscribed,
    /// It has not subscribed since the agent was.
    NotBack,
}

impl Core {
    /// Whether an executor is being started, and its process not known yet.
    pub fn is_starting(&self, key: &Key) -> bool {
        self.live(key).is_some_and(|container| container.phase == Phase::Preparing)
    }

    /// Whether an executor may call now, asked in the order of Mesos.
    ///
    /// # Errors
    /// It may not.
    pub fn admit(&self, key: &Key, proved: Option<&Claims>, subscribing: bool) -> Result<(), Denial> {
        if self.containers.values().all(|container| container.key.framework != key.framework) {
            return Err(Denial::NoFramework);
        }
        let container = self.live(key).filter(|container| container.kind == Kind::Custom);
        let container = container.ok_or(Denial::NoExecutor)?;
        if let Some(missing) =
            proved.and_then(|claims| claims.missing(&key.framework, &key.executor, &container.id))
        {
            return Err(Denial::Foreign(missing));
        }
        match container.phase {
            _ if subscribing => Ok(()),
            Phase::Preparing | Phase::Registering { .. } => Err(Denial::NotSubscribed),
            Phase::Recovering { .. } => Err(Denial::NotBack),
            Phase::Running | Phase::Stopping { .. } | Phase::Over => Ok(()),
        }
    }

    /// An executor opened its stream, for the first time or again.
    pub(super) fn subscribe(&mut self, key: &Key, call: Call, cx: &mut Context<'_>) {
        let Some(id) = self.live_id(key) else { return };
        let subscribe = call.subscribe.unwrap_or_default();
        let info = self.agent_info();
        let Some(owner) = self.containers.get_mut(&id) else { return };
        let again = !matches!(owner.phase, Phase::Registering { .. } | Phase::Preparing);
        let stopping = matches!(owner.phase, Phase::Stopping { .. });
        if !stopping {
            owner.phase = Phase::Running;
        }
        let subscribed = event::Subscribed {
            executor_info: owner.info.clone(),
            framework_info: owner.framework.clone(),
            agent_info: info,
            container_id: Some(ContainerId { value: id.clone(), parent: None }),
        };
        cx.push(to(key, executor_event(event::Type::Subscribed, |e| e.subscribed = Some(subscribed))));
        for update in subscribe.unacknowledged_updates {
            self.update(&id, update, cx);
        }
        if stopping {
            cx.push(to(key, executor_event(event::Type::Shutdown, |_| {})));
            return;
        }
        if again {
            self.deliver_lost(&id, &subscribe.unacknowledged_tasks, cx);
        }
        self.deliver(&id, cx);
        // Its tasks may have been killed while the agent was away.
        if self.containers.get(&id).is_some_and(Container::is_useless) {
            self.shut_down(&id, None, cx);
        }
    }

    pub(super) fn executor(&mut self, key: &Key, call: Call, cx: &mut Context<'_>) {
        let Some(id) = self.live_id(key) else { return };
        if let Some(update) = call.update {
            self.update(&id, update, cx);
        } else if let Some(message) = call.message {
            cx.tell_master(FromAgent::MessageToFramework {
                framework_id: FrameworkId { value: key.framework.clone() },
                executor_id: ExecutorId { value: key.executor.clone() },
                data: message.data,
            });
        }
    }

    fn update(&mut self, id: &str, update: call::Update, cx: &mut Context<'_>) {
        let Some(owner) = self.containers.get_mut(id) else { return };
        let status = update.status;
        let (task, uuid) = (status.task_id.value.clone(), status.uuid().to_vec());
        let key = owner.key.clone();
        if owner.acknowledged.contains(&uuid) {
            // The acknowledgement was lost on a stream that broke.
            cx.push(to(&key, acknowledged_event(&task, &uuid)));
            return;
        }
        match owner.task(&task) {
            Some(entry) if entry.updates.contains(&uuid) => {}
            Some(entry) if entry.is_over() => {
                self.counts.invalid_updates += 1;
                tracing::warn!(%task, state = ?status.state(), "ignored an update after the task's end");
            }
            Some(_) => self.take_update(id, status, cx),
            None => {
                self.counts.invalid_updates += 1;
                tracing::warn!(%task, "ignored an update of a task that does not exist");
            }
        }
    }

    /// Sends the tasks that the executor has not seen, and repeats the kills that may have been lost.
    pub(super) fn deliver(&mut self, id: &str, cx: &mut Context<'_>) {
        let Some(owner) = self.containers.get_mut(id) else { return };
        let key = owner.key.clone();
        let mut events = Vec::new();
        let mut index = 0;
        while let Some(entry) = owner.tasks.get(index) {
            index += 1;
            if entry.delivered || entry.is_over() {
                continue;
            }
            match entry.group {
                None => events.push(launch(entry.info.clone())),
                Some(group) => events.push(launch_group(owner, group)),
            }
            let group = entry.group;
            for entry in owner.tasks.iter_mut().filter(|t| t.group.is_some() && t.group == group) {
                entry.delivered = true;
            }
            owner.tasks[index - 1].delivered = true;
        }
        if !events.is_empty() {
            owner.sent = true;
            cx.save(id);
        }
        for event in events {
            cx.push(to(&key, event));
        }
        for entry in owner.tasks.iter().filter(|t| !t.is_over()) {
            if let Some(policy) = entry.kill {
                cx.push(to(&key, kill_event(entry.id(), policy)));
            }
        }
    }

    /// Marks tasks as not delivered that a returning executor does not know: their LAUNCH was lost on the way.
    fn deliver_lost(&mut self, id: &str, known: &[TaskInfo], cx: &mut Context<'_>) {
        let Some(owner) = self.containers.get_mut(id) else { return };
        let mut changed = false;
        for entry in owner.tasks.iter_mut().filter(|t| t.delivered && t.state == TaskState::TaskStaging) {
            if !known.iter().any(|t| t.task_id == entry.info.task_id) {
                entry.delivered = false;
                changed = true;
            }
        }
        if changed {
            cx.save(id);
        }
    }
}

fn to(key: &Key, event: cairn_mesos::v1::executor::Event) -> Effect {
    Effect::ToExecutor(key.clone(), Box::new(event))
}

fn launch(task: TaskInfo) -> cairn_mesos::v1::executor::Event {
    executor_event(event::Type::Launch, |e| e.launch = Some(event::Launch { task }))
}

fn launch_group(owner: &Container, group: u32) -> cairn_mesos::v1::executor::Event {
    let tasks = owner.tasks.iter().filter(|t| t.group == Some(group)).map(|t| t.info.clone()).collect();
    let task_group = TaskGroupInfo { tasks };
    executor_event(event::Type::LaunchGroup, |e| e.launch_group = Some(event::LaunchGroup { task_group }))
}

//! Agents: their status updates, and how they go away.

use cairn_mesos::v1::scheduler::{Event, event};
use cairn_mesos::v1::task_status::Reason;
use cairn_mesos::v1::{AgentId, ExecutorId, Task, TaskState, TaskStatus};
use cairn_planted::planted;

use super::agent::AgentState;
use super::core::{Master, Unreachable, framework_id};
use super::event::{LinkKey, Time};
use super::planted::Bug;
use super::pool::Pool;
use super::registration::{Registration, Running};
use super::status;
use super::told::of;
use crate::terminal::is_terminal;
use crate::wire::{FromAgent, ToAgent};

/// What becomes of a task whose agent cannot say it any more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending<'a> {
    state: TaskState,
    reason: Reason,
    text: &'a str,
    /// It may come back with its agent.
    unreachable: bool,
}

impl<'a> Ending<'a> {
    pub(crate) fn new(state: TaskState, reason: Reason, text: &'a str) -> Self {
        Self { state, reason, text, unreachable: false }
    }
}

impl Master {
    pub(crate) fn agent_message(&mut self, link: LinkKey, message: FromAgent, now: Time) {
        if let FromAgent::Register { info, ip, resources, frameworks, executors, tasks } = message {
            let running = Running { frameworks, executors, tasks };
            let registration = Registration { info, ip, resources, running };
            return self.register(link, registration, now);
        }
        let Some(agent) = self.links.get(&link).cloned() else { return };
        match message {
            FromAgent::Register { .. } => {}
            FromAgent::Update { framework_id, status, latest_state } => {
                self.update(&agent, &framework_id.value, *status, latest_state);
            }
            FromAgent::ExecutorExited { framework_id, executor_id, status } => {
                self.executor_exited(&agent, &framework_id.value, executor_id, status);
            }
            FromAgent::MessageToFramework { framework_id, executor_id, data } => {
                self.counters.add("master/messages_executor_to_framework");
                self.counters.add(match self.frameworks.contains_key(&framework_id.value) {
                    true => "master/valid_executor_to_framework_messages",
                    false => "master/invalid_executor_to_framework_messages",
                });
                let message = event::Message { agent_id: AgentId { value: agent }, executor_id, data };
                let event = Event { message: Some(message), ..of(event::Type::Message) };
                self.send_to(&framework_id.value, event);
            }
            FromAgent::Destroyed => {
                if let Some(agent) = self.agents.get_mut(&agent) {
                    agent.stored_destroyed();
                }
            }
            FromAgent::Unregister => self.unregister(&agent, now),
        }
    }

    /// Say that a task is over, or out of sight, when nobody else can speak for it.
    pub(crate) fn end_task(&mut self, owner: &str, mut task: Task, ending: Ending<'_>, now: Time) {
        let mut update = status::farewell(&task, ending.state, ending.reason, ending.text, now);
        if ending.unreachable {
            update = status::unreachable_since(update, now);
        }
        task.state = ending.state as i32;
        task.statuses.push(update.clone());
        if let Some(framework) = self.frameworks.get_mut(owner) {
            if ending.unreachable {
                framework.unreachable.insert(&task);
            } else {
                framework.complete_task(&task);
            }
            framework.tally.end(ending.state);
        }
        self.counters.add_end(ending.state, &update);
        self.publish_update(owner, &update, update.state);
        self.send_status(owner, update);
    }

    fn update(&mut self, agent_id: &str, owner: &str, status: TaskStatus, latest: TaskState) {
        self.counters.add("master/messages_status_update");
        let Some(framework) = self.frameworks.get_mut(owner) else {
            self.counters.add("master/invalid_status_updates");
            return self.stop_if_removed(agent_id, owner);
        };
        let noted = framework.tasks.change(&status.task_id.value, |task| note(task, &status, latest));
        self.counters.add(match noted {
            Some(_) => "master/valid_status_updates",
            None => "master/invalid_status_updates",
        });
        if let Some(Noted { freed, is_news }) = noted {
            if let Some(freed) = freed {
                framework.tally.end(latest);
                if let Some(agent) = self.agents.get_mut(agent_id) {
                    agent.use_less(owner, &freed);
                }
                self.counters.add_end(latest, &status);
            }
            if is_news {
                self.publish_update(owner, &status, latest as i32);
            }
        }
        self.send_status(owner, status);
    }

    /// An agent runs something of a framework that is not known. Only one that was removed for good is stopped.
    pub(crate) fn stop_if_removed(&mut self, agent_id: &str, owner: &str) {
        if self.is_removed(owner) && !planted(Bug::SpareRemoved) {
            self.tell(agent_id, ToAgent::ShutdownFramework { framework_id: framework_id(owner) });
        }
    }

    fn executor_exited(&mut self, agent_id: &str, owner: &str, executor_id: ExecutorId, status: i32) {
        let Some(agent) = self.agents.get_mut(agent_id) else { return };
        let Some(executor) = agent.executors.remove(&(owner.to_owned(), executor_id.value.clone())) else {
            return;
        };
        agent.use_less(owner, &Pool::from_list(executor.resources));
        self.counters.add("master/messages_exited_executor");
        self.send_failure(owner, agent_id, Some((executor_id, status)));
    }

    fn send_failure(&mut self, owner: &str, agent_id: &str, executor: Option<(ExecutorId, i32)>) {
        let (executor_id, status) = executor.unzip();
        let failure =
            event::Failure { agent_id: Some(AgentId { value: agent_id.to_owned() }), executor_id, status };
        self.send_to(owner, Event { failure: Some(failure), ..of(event::Type::Failure) });
    }

    /// The agent may come back; until then nothing of it is on offer.
    pub(crate) fn link_closed(&mut self, link: LinkKey, now: Time) {
        let Some(id) = self.links.remove(&link) else { return };
        self.rescind_offers_on(&id);
        let deadline = now + self.timeouts.agent;
        if let Some(agent) = self.agents.get_mut(&id) {
            agent.state = AgentState::Disconnected { deadline };
        }
        self.lose_unchecked(&id, now);
    }

    /// Frameworks that did not ask for checkpoints do not wait for the agent.
    fn lose_unchecked(&mut self, agent_id: &str, now: Time) {
        let Some(agent) = self.agents.get_mut(agent_id) else { return };
        let hostname = agent.hostname().to_owned();
        let mut lost = Vec::new();
        for (owner, framework) in &mut self.frameworks {
            if framework.info.checkpoint.unwrap_or(false) {
                continue;
            }
            let tasks = framework.tasks.take_on(agent_id, |_| true);
            lost.extend(tasks.into_iter().map(|task| (owner.clone(), task)));
            agent.use_nothing(owner);
            agent.executors.retain(|(of, _), _| of != owner);
        }
        let text = format!("Agent {hostname} disconnected");
        for (owner, task) in lost {
            if !is_terminal(status::state_of(&task)) {
                let ending = Ending::new(TaskState::TaskLost, Reason::AgentDisconnected, &text);
                self.end_task(&owner, task, ending, now);
            }
        }
    }

    /// The agent was away for too long: its tasks may be alive, but nobody can say.
    pub(crate) fn mark_unreachable(&mut self, id: &str, now: Time) {
        let total = self.agents.get(id).map(|agent| agent.total().clone());
        let Some(info) = self.drop_agent(id) else { return };
        self.unreachable.insert(id.to_owned(), Unreachable { info, since: now, total });
        self.counters.add("master/slave_unreachable_scheduled");
        self.counters.add("master/slave_unreachable_completed");
        self.counters.add("master/slave_removals");
        self.counters.add("master/slave_removals/reason_unhealthy");
        self.publish_agent_removed(id);
        for (owner, task) in self.take_tasks_on(id) {
            if is_terminal(status::state_of(&task)) {
                continue;
            }
            let is_over = planted(Bug::AwayIsOver);
            let state = if is_over { TaskState::TaskGone } else { TaskState::TaskUnreachable };
            let state = self.or_lost(&owner, state);
            let ending = Ending::new(state, Reason::AgentRemoved, "health check timed out");
            self.end_task(&owner, task, Ending { unreachable: !is_over, ..ending }, now);
        }
        self.agent_is_gone(id);
    }

    /// The agent goes for good.
    fn unregister(&mut self, id: &str, now: Time) {
        let Some(info) = self.drop_agent(id) else { return };
        let text = format!("Agent {} removed: the agent unregistered", info.hostname);
        self.counters.add("master/messages_unregister_slave");
        self.counters.add("master/slave_removals");
        self.counters.add("master/slave_removals/reason_unregistered");
        self.standings.remove(id);
        self.publish_agent_removed(id);
        self.persist();
        for (owner, task) in self.take_tasks_on(id) {
            if !is_terminal(status::state_of(&task)) {
                let ending = Ending::new(TaskState::TaskLost, Reason::AgentRemoved, &text);
                self.end_task(&owner, task, ending, now);
            }
        }
        self.agent_is_gone(id);
    }

    pub(crate) fn take_tasks_on(&mut self, agent_id: &str) -> Vec<(String, Task)> {
        let mut taken = Vec::new();
        for (owner, framework) in &mut self.frameworks {
            let here = framework.tasks.take_on(agent_id, |_| true);
            taken.extend(here.into_iter().map(|task| (owner.clone(), task)));
        }
        taken
    }

    pub(crate) fn agent_is_gone(&mut self, id: &str) {
        for owner in self.frameworks.keys().cloned().collect::<Vec<_>>() {
            self.send_failure(&owner, id, None);
        }
        self.filters.forget_agent(id);
    }
}

/// What an update of a task brings about.
struct Noted {
    /// What the task used, when it is over by this.
    freed: Option<Pool>,
    /// The update has not come before.
    is_news: bool,
}

/// Write down what an update says.
fn note(task: &mut Task, status: &TaskStatus, latest: TaskState) -> Noted {
    let ends = is_terminal(latest) && !is_terminal(status::state_of(task));
    let is_news = task.status_update_uuid != status.uuid || status.uuid.is_none();
    task.state = latest as i32;
    task.status_update_state = Some(status.state);
    task.status_update_uuid.clone_from(&status.uuid);
    let mut kept = status.clone();
    // The scheduler has it; here it would only take room.
    kept.data = None;
    // One status for each state is kept: the last.
    task.statuses.retain(|old| old.state != kept.state);
    task.statuses.push(kept);
    Noted { freed: ends.then(|| Pool::from_list(task.resources.clone())), is_news }
}

//! Agents: registering, status updates, going away and coming back.

use std::collections::{BTreeMap, BTreeSet};

use cairn_mesos::v1::scheduler::{Event, event};
use cairn_mesos::v1::task_status::Reason;
use cairn_mesos::v1::{
    AgentId, AgentInfo, ExecutorId, ExecutorInfo, FrameworkId, FrameworkInfo, Resource, Task, TaskState,
    TaskStatus,
};

use super::agent::{Agent, AgentState};
use super::core::{Master, Unreachable, framework_id};
use super::event::{Effect, LinkKey, Time};
use super::pool::Pool;
use super::status;
use crate::wire::{FromAgent, ToAgent};

/// What an agent brings when it registers.
struct Registration {
    info: AgentInfo,
    ip: String,
    resources: Vec<Resource>,
    frameworks: Vec<FrameworkInfo>,
    executors: Vec<(FrameworkId, ExecutorInfo)>,
    tasks: Vec<Task>,
}

impl Master {
    pub(crate) fn agent_message(&mut self, link: LinkKey, message: FromAgent, now: Time) {
        if let FromAgent::Register { info, ip, resources, frameworks, executors, tasks } = message {
            let registration = Registration { info, ip, resources, frameworks, executors, tasks };
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
                let message = event::Message { agent_id: AgentId { value: agent }, executor_id, data };
                self.send_to(
                    &framework_id.value,
                    Event {
                        r#type: Some(event::Type::Message as i32),
                        message: Some(message),
                        ..Event::default()
                    },
                );
            }
            FromAgent::Unregister => self.unregister(link, &agent, now),
        }
    }

    fn register(&mut self, link: LinkKey, mut registration: Registration, now: Time) {
        let given = registration.info.id.as_ref().map(|id| id.value.clone()).filter(|id| !id.is_empty());
        let id = given.unwrap_or_else(|| self.new_agent_id());
        registration.info.id = Some(AgentId { value: id.clone() });
        self.replace_link(&id, link);
        let old = self.agents.remove(&id);
        let was_away = self.unreachable.remove(&id).is_some();
        self.recovered.remove(&id);
        let agent = Agent {
            info: registration.info,
            ip: registration.ip,
            state: AgentState::Connected(link),
            registered: old.as_ref().map_or(now, |old| old.registered),
            reregistered: (old.is_some() || was_away).then_some(now),
            total: Pool::unallocated_from(registration.resources),
            used: BTreeMap::new(),
            offered: BTreeMap::new(),
            executors: BTreeMap::new(),
        };
        let is_new = old.is_none_or(|old| old.info != agent.info);
        self.agents.insert(id.clone(), agent);
        for framework in registration.frameworks {
            self.meet_framework(framework, now);
        }
        if is_new {
            self.persist();
        }
        self.tell(&id, ToAgent::Registered { agent_id: AgentId { value: id.clone() } });
        self.adopt_executors(&id, registration.executors);
        self.adopt_tasks(&id, registration.tasks, now);
        self.allocation_wanted = true;
    }

    /// The agent comes on a new link: what was on the old one is void.
    fn replace_link(&mut self, id: &str, link: LinkKey) {
        self.rescind_offers_on(id);
        if let Some(old) = self.agents.get(id).and_then(Agent::link).filter(|old| *old != link) {
            self.links.remove(&old);
            self.effect(Effect::CloseLink { link: old });
        }
        self.links.insert(link, id.to_owned());
    }

    /// An agent runs something of a framework that may not have subscribed since the master started.
    fn meet_framework(&mut self, info: FrameworkInfo, now: Time) {
        let Some(id) = info.id.as_ref().map(|id| id.value.clone()) else { return };
        if !self.is_removed(&id) && !self.frameworks.contains_key(&id) {
            self.recover_framework(info, now);
        }
    }

    fn adopt_executors(&mut self, agent_id: &str, executors: Vec<(FrameworkId, ExecutorInfo)>) {
        for (framework, executor) in executors {
            if !self.frameworks.contains_key(&framework.value) {
                self.tell(agent_id, ToAgent::ShutdownFramework { framework_id: framework });
                continue;
            }
            if let Some(agent) = self.agents.get_mut(agent_id) {
                agent.use_more(&framework.value, &Pool::from_list(executor.resources.clone()));
                agent.executors.insert((framework.value, executor.executor_id.value.clone()), executor);
            }
        }
    }

    /// What the agent says about its tasks is true: take it over, and tell frameworks of what has changed.
    fn adopt_tasks(&mut self, agent_id: &str, tasks: Vec<Task>, now: Time) {
        let listed: BTreeSet<(String, String)> =
            tasks.iter().map(|task| (task.framework_id.value.clone(), task.task_id.value.clone())).collect();
        let mut strangers = BTreeSet::new();
        for task in tasks {
            if !self.adopt_task(agent_id, &task, now) {
                strangers.insert(task.framework_id.value);
            }
        }
        for framework in strangers {
            self.tell(agent_id, ToAgent::ShutdownFramework { framework_id: framework_id(&framework) });
        }
        self.lose_unlisted(agent_id, &listed, now);
    }

    /// Whether the task's framework is known.
    fn adopt_task(&mut self, agent_id: &str, task: &Task, now: Time) -> bool {
        let owner = task.framework_id.value.clone();
        let Some(framework) = self.frameworks.get_mut(&owner) else { return false };
        let key = task.task_id.value.clone();
        let state = status::state_of(task);
        let came_back = framework.unreachable.remove(&key).is_some() && !status::is_terminal(state);
        framework.tasks.insert(key, task.clone());
        if !status::is_terminal(state)
            && let Some(agent) = self.agents.get_mut(agent_id)
        {
            agent.use_more(&owner, &Pool::from_list(task.resources.clone()));
        }
        if came_back {
            let text = "Unreachable agent re-reregistered";
            self.send_status(&owner, status::about(task, state, Reason::AgentReregistered, text, now));
        }
        true
    }

    /// Tasks that were sent to this agent, or ran on it, and of which it knows nothing.
    fn lose_unlisted(&mut self, agent_id: &str, listed: &BTreeSet<(String, String)>, now: Time) {
        let mut lost = Vec::new();
        for (owner, framework) in &mut self.frameworks {
            let here = |task: &Task| task.agent_id.value == agent_id;
            let gone = |key: &String| !listed.contains(&(owner.clone(), key.clone()));
            let known = [&mut framework.tasks, &mut framework.unreachable];
            for tasks in known {
                lost.extend(
                    tasks
                        .extract_if(.., |key, task| here(task) && gone(key))
                        .map(|(_, task)| (owner.clone(), task)),
                );
            }
        }
        for (owner, task) in lost {
            if status::is_terminal(status::state_of(&task)) {
                continue;
            }
            let state = self.or_lost(&owner, TaskState::TaskGone);
            let text = "Task is unknown to the agent";
            self.end_task(&owner, task, state, Reason::Reconciliation, text, None, now);
        }
    }

    /// Say that a task is over that nobody else can speak for.
    #[allow(clippy::too_many_arguments, reason = "each says another thing of the one update")]
    fn end_task(
        &mut self,
        owner: &str,
        mut task: Task,
        state: TaskState,
        reason: Reason,
        text: &str,
        unreachable_since: Option<Time>,
        now: Time,
    ) {
        let mut update = status::farewell(&task, state, reason, text, now);
        if let Some(since) = unreachable_since {
            update = status::unreachable_since(update, since);
        }
        task.state = state as i32;
        task.statuses.push(update.clone());
        if let Some(framework) = self.frameworks.get_mut(owner) {
            if unreachable_since.is_some() {
                framework.unreachable.insert(task.task_id.value.clone(), task);
            } else {
                framework.complete_task(task);
            }
        }
        self.send_status(owner, update);
    }

    fn update(&mut self, agent_id: &str, owner: &str, status: TaskStatus, latest: TaskState) {
        let Some(framework) = self.frameworks.get_mut(owner) else {
            let framework_id = framework_id(owner);
            return self.tell(agent_id, ToAgent::ShutdownFramework { framework_id });
        };
        if let Some(task) = framework.tasks.get_mut(&status.task_id.value) {
            let was_over = status::is_terminal(status::state_of(task));
            note(task, &status, latest);
            if status::is_terminal(latest) && !was_over {
                let freed = Pool::from_list(task.resources.clone());
                if let Some(agent) = self.agents.get_mut(agent_id) {
                    agent.use_less(owner, &freed);
                }
                self.allocation_wanted = true;
            }
        }
        self.send_status(owner, status);
    }

    fn executor_exited(&mut self, agent_id: &str, owner: &str, executor_id: ExecutorId, status: i32) {
        let Some(agent) = self.agents.get_mut(agent_id) else { return };
        let Some(executor) = agent.executors.remove(&(owner.to_owned(), executor_id.value.clone())) else {
            return;
        };
        agent.use_less(owner, &Pool::from_list(executor.resources));
        self.allocation_wanted = true;
        self.send_failure(owner, agent_id, Some((executor_id, status)));
    }

    fn send_failure(&mut self, owner: &str, agent_id: &str, executor: Option<(ExecutorId, i32)>) {
        let (executor_id, status) = executor.unzip();
        let failure =
            event::Failure { agent_id: Some(AgentId { value: agent_id.to_owned() }), executor_id, status };
        self.send_to(
            owner,
            Event { r#type: Some(event::Type::Failure as i32), failure: Some(failure), ..Event::default() },
        );
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
            let here = |task: &Task| task.agent_id.value == agent_id;
            let tasks = framework.tasks.extract_if(.., |_, task| here(task));
            lost.extend(tasks.map(|(_, task)| (owner.clone(), task)));
            agent.used.remove(owner);
            agent.executors.retain(|(of, _), _| of != owner);
        }
        let text = format!("Agent {hostname} disconnected");
        for (owner, task) in lost {
            if !status::is_terminal(status::state_of(&task)) {
                self.end_task(&owner, task, TaskState::TaskLost, Reason::AgentDisconnected, &text, None, now);
            }
        }
    }

    /// The agent was away for too long: its tasks may be alive, but nobody can say.
    pub(crate) fn mark_unreachable(&mut self, id: &str, now: Time) {
        let Some(agent) = self.agents.remove(id) else { return };
        self.unreachable.insert(id.to_owned(), Unreachable { info: agent.info, since: now });
        for (owner, task) in self.take_tasks_on(id) {
            if status::is_terminal(status::state_of(&task)) {
                continue;
            }
            let state = self.or_lost(&owner, TaskState::TaskUnreachable);
            self.end_task(
                &owner,
                task,
                state,
                Reason::AgentRemoved,
                "health check timed out",
                Some(now),
                now,
            );
        }
        self.agent_is_gone(id);
    }

    /// The agent goes for good.
    fn unregister(&mut self, link: LinkKey, id: &str, now: Time) {
        self.rescind_offers_on(id);
        self.links.remove(&link);
        let Some(agent) = self.agents.remove(id) else { return };
        let text = format!("Agent {} removed: the agent unregistered", agent.hostname());
        self.persist();
        for (owner, task) in self.take_tasks_on(id) {
            if !status::is_terminal(status::state_of(&task)) {
                self.end_task(&owner, task, TaskState::TaskLost, Reason::AgentRemoved, &text, None, now);
            }
        }
        self.agent_is_gone(id);
        self.effect(Effect::CloseLink { link });
    }

    fn take_tasks_on(&mut self, agent_id: &str) -> Vec<(String, Task)> {
        let mut taken = Vec::new();
        for (owner, framework) in &mut self.frameworks {
            let here = framework.tasks.extract_if(.., |_, task| task.agent_id.value == agent_id);
            taken.extend(here.map(|(_, task)| (owner.clone(), task)));
        }
        taken
    }

    fn agent_is_gone(&mut self, id: &str) {
        for owner in self.frameworks.keys().cloned().collect::<Vec<_>>() {
            self.send_failure(&owner, id, None);
            if let Some(framework) = self.frameworks.get_mut(&owner) {
                framework.roles.values_mut().for_each(|role| role.filters.forget_agent(id));
            }
        }
    }
}

/// Write down what an update says.
fn note(task: &mut Task, status: &TaskStatus, latest: TaskState) {
    task.state = latest as i32;
    task.status_update_state = Some(status.state);
    task.status_update_uuid.clone_from(&status.uuid);
    let mut kept = status.clone();
    // The scheduler has it; here it would only take room.
    kept.data = None;
    // One status for each state is kept: the last.
    task.statuses.retain(|old| old.state != kept.state);
    task.statuses.push(kept);
}

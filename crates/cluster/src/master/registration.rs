//! An agent registers: for the first time, after a restart of its own, or with a new master.
//!
//! What the agent says about its executors and tasks is true; the master takes it over and tells frameworks of what has
//! changed for them. Reservations and volumes are the master's to make: frameworks have acted upon what it offered since,
//! so an agent that comes back to the same master, and may have missed the last of them, is told again. A master that
//! has not seen the agent before believes it.

use std::collections::BTreeSet;

use cairn_mesos::v1::task_status::Reason;
use cairn_mesos::v1::{
    AgentId, AgentInfo, ExecutorInfo, FrameworkId, FrameworkInfo, Resource, Task, TaskState,
};
use cairn_planted::planted;

use super::agent::Agent;
use super::agents::Ending;
use super::core::Master;
use super::event::{Effect, LinkKey, Time};
use super::planted::Bug;
use super::pool::Pool;
use super::status;
use crate::terminal::is_terminal;
use crate::wire::ToAgent;

/// What an agent brings when it registers.
pub(crate) struct Registration {
    pub(crate) info: AgentInfo,
    pub(crate) ip: String,
    pub(crate) resources: Vec<Resource>,
    pub(crate) running: Running,
}

/// What runs on an agent that registers.
pub(crate) struct Running {
    pub(crate) frameworks: Vec<FrameworkInfo>,
    pub(crate) executors: Vec<(FrameworkId, ExecutorInfo)>,
    pub(crate) tasks: Vec<Task>,
}

impl Master {
    pub(crate) fn register(&mut self, link: LinkKey, registration: Registration, now: Time) {
        if self.maintenance.is_down(&registration.info.hostname, &registration.ip) {
            return self.turn_away(link, false);
        }
        let given = registration.info.id.as_ref().map(|id| id.value.clone()).filter(|id| !id.is_empty());
        let Some(id) = given else { return self.name(link) };
        if self.is_gone(&id) && !planted(Bug::TakeBackGone) {
            return self.turn_away(link, true);
        }
        self.replace_link(&id, link);
        let old = self.agents.get(&id).map(|old| old.registered);
        let mut known = self.agents.get(&id).map(|old| old.total().clone());
        if let Some(old) = self.agents.remove(&id) {
            old.forget(&mut self.sorter);
        }
        let away = self.unreachable.remove(&id);
        let recovered = self.recovered.remove(&id).is_some();
        // Before, nothing could be sent to it.
        let is_known = old.is_some() || away.is_some();
        let again = is_known || recovered;
        known = known.or(away.and_then(|away| away.total));
        let mut running = registration.running;
        let brought = Pool::unallocated_from(registration.resources);
        let missed = known.filter(|known| *known != brought && known.bare() == brought.bare());
        let destroyed = missed.as_ref().map(|known| brought.volumes_missing_in(known));
        let total = missed.unwrap_or(brought);
        let mut agent = Agent::new(registration.info, registration.ip, link, total, old.unwrap_or(now));
        agent.reregistered = again.then_some(now);
        self.count_registration(again);
        self.agents.insert(&id, agent);
        for framework in std::mem::take(&mut running.frameworks) {
            self.meet_framework(framework, now);
        }
        self.persist();
        self.tell(&id, ToAgent::Registered { agent_id: AgentId { value: id.clone() } });
        if let Some(destroyed) = destroyed {
            self.checkpoint(&id, destroyed);
        }
        self.stop_removed(&id, &mut running);
        self.adopt_executors(&id, running.executors);
        let listed = self.adopt_tasks(&id, running.tasks, now);
        if is_known {
            self.lose_unlisted(&id, &listed, now);
        }
        self.go_on_draining(&id, now);
        self.maintenance.look_again();
        // Also one that was taken for lost, or was known to an earlier master only: watchers have been told it is not here.
        if old.is_none() {
            self.publish_agent(&id);
        }
    }

    fn count_registration(&mut self, again: bool) {
        let [message, registration] = if again {
            ["master/messages_reregister_slave", "master/slave_reregistrations"]
        } else {
            ["master/messages_register_slave", "master/slave_registrations"]
        };
        self.counters.add(message);
        // With what it has, which agents of Mesos tell in another message.
        self.counters.add("master/messages_update_slave");
        self.counters.add(registration);
    }

    /// Gives a new agent its id. It registers with that once it has stored it; one that ends before comes back as a new
    /// agent, and nothing is lost with an id that nobody has heard of.
    fn name(&mut self, link: LinkKey) {
        let agent_id = AgentId { value: self.new_agent_id() };
        self.effect(Effect::ToAgent { link, message: Box::new(ToAgent::Registered { agent_id }) });
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
            if let Some(agent) = self.agents.get_mut(agent_id) {
                agent.use_more(&framework.value, &Pool::from_list(executor.resources.clone()));
                agent.executors.insert((framework.value, executor.executor_id.value.clone()), executor);
            }
        }
    }

    /// The tasks of which the agent has told, by framework and id.
    fn adopt_tasks(&mut self, agent_id: &str, tasks: Vec<Task>, now: Time) -> BTreeSet<(String, String)> {
        let mut listed = BTreeSet::new();
        for task in tasks {
            listed.insert((task.framework_id.value.clone(), task.task_id.value.clone()));
            self.adopt_task(agent_id, task, now);
        }
        listed
    }

    fn adopt_task(&mut self, agent_id: &str, mut task: Task, now: Time) {
        let owner = task.framework_id.value.clone();
        // As with updates: the scheduler has the data.
        task.statuses.iter_mut().for_each(|status| status.data = None);
        let state = status::state_of(&task);
        let alive = !is_terminal(state);
        if alive && let Some(agent) = self.agents.get_mut(agent_id) {
            agent.use_more(&owner, &Pool::from_list(task.resources.clone()));
        }
        if planted(Bug::ForgetOnReturn) {
            return;
        }
        let Some(framework) = self.frameworks.get_mut(&owner) else { return };
        let key = task.task_id.value.clone();
        let came_back = framework.unreachable.remove(&key).is_some() && alive;
        let update =
            status::about(&task, state, Reason::AgentReregistered, "Unreachable agent re-reregistered", now);
        if let Some(known) = framework.tasks.get(&key) {
            // The agent tells of the last status only.
            let told = std::mem::replace(&mut task.statuses, known.statuses);
            task.statuses.retain(|old| told.iter().all(|new| new.state != old.state));
            task.statuses.extend(told);
        }
        framework.tasks.insert(&task);
        if came_back {
            self.send_status(&owner, update);
        }
    }

    /// Set aside what the agent runs of frameworks that were removed in the meantime, and have it stopped.
    fn stop_removed(&mut self, agent_id: &str, running: &mut Running) {
        let mut removed = BTreeSet::new();
        let mut keep = |owner: &str| {
            let gone = self.is_removed(owner);
            if gone {
                removed.insert(owner.to_owned());
            }
            !gone
        };
        running.executors.retain(|(owner, _)| keep(&owner.value));
        running.tasks.retain(|task| keep(&task.framework_id.value));
        for owner in removed {
            self.stop_if_removed(agent_id, &owner);
        }
    }

    /// Tasks that were sent to this agent, or ran on it, and of which it knows nothing.
    fn lose_unlisted(&mut self, agent_id: &str, listed: &BTreeSet<(String, String)>, now: Time) {
        let mut lost = Vec::new();
        for (owner, framework) in &mut self.frameworks {
            let gone = |key: &str| !listed.contains(&(owner.clone(), key.to_owned()));
            for tasks in [&mut framework.tasks, &mut framework.unreachable] {
                lost.extend(tasks.take_on(agent_id, gone).into_iter().map(|task| (owner.clone(), task)));
            }
        }
        for (owner, task) in lost {
            if is_terminal(status::state_of(&task)) {
                continue;
            }
            let state = self.or_lost(&owner, TaskState::TaskGone);
            let ending = Ending::new(state, Reason::Reconciliation, "Task is unknown to the agent");
            self.end_task(&owner, task, ending, now);
        }
    }
}

//! SUBSCRIBE, lost streams, and the end of frameworks.

use std::collections::BTreeSet;

use cairn_mesos::v1::scheduler::{Call, Event, call, event};
use cairn_mesos::v1::task_status::Reason;
use cairn_mesos::v1::{FrameworkInfo, TaskState, TaskStatus};

use super::constraints::Constraints;
use super::core::{Master, failover_timeout, framework_id};
use super::event::{Effect, StreamKey, Time};
use super::framework::{Connection, Framework, roles_of};
use super::told::{error, heartbeat, of};
use super::{framework_check, status};
use crate::terminal::is_terminal;
use crate::wire::ToAgent;

impl Master {
    pub(crate) fn subscribe(
        &mut self,
        stream: StreamKey,
        stream_id: String,
        principal: Option<&str>,
        call: Call,
        now: Time,
    ) {
        let Some(subscribe) = call.subscribe else {
            return self.refuse_stream(stream, "Expecting 'subscribe' to be present");
        };
        let info = subscribe.framework_info;
        let checked = self.check_subscription(&info, principal);
        let roles = roles_of(&info);
        let checked =
            checked.and_then(|()| framework_check::check_suppressed(&subscribe.suppressed_roles, &roles));
        let read = || Constraints::read(subscribe.offer_constraints, &roles);
        let constraints = match checked.and_then(|()| read()) {
            Ok(constraints) => constraints,
            Err(problem) => return self.refuse_stream(stream, &problem),
        };
        let connection =
            Connection::Connected { stream, stream_id, next_heartbeat: now + self.timeouts.heartbeat };
        let id = self.admit(info, connection, now);
        if let Some(framework) = self.frameworks.get_mut(&id) {
            framework.set_suppressed(&subscribe.suppressed_roles);
            framework.constraints = constraints;
            framework.tally.call(call::Type::Subscribe);
        }
        self.streams.insert(stream, id.clone());
        self.persist();
        self.send(stream, self.subscribed(&id));
        self.send(stream, heartbeat());
        self.maintenance.look_again();
        self.wake(&id);
    }

    fn check_subscription(&self, info: &FrameworkInfo, principal: Option<&str>) -> Result<(), String> {
        framework_check::check(info)?;
        self.check_roles(info, principal)?;
        let Some(id) = info.id.as_ref().map(|id| id.value.as_str()).filter(|id| !id.is_empty()) else {
            return Ok(());
        };
        if self.is_removed(id) {
            return Err("Framework has been removed".to_owned());
        }
        match self.frameworks.get(id) {
            Some(known) if known.info.principal != info.principal => {
                Err("Changing framework's principal is not allowed.".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Whether the framework may be in all the roles it asks for.
    pub(crate) fn check_roles(&self, info: &FrameworkInfo, principal: Option<&str>) -> Result<(), String> {
        let principal = principal.or(info.principal.as_deref());
        match roles_of(info).iter().find(|role| !self.may_be_in(principal, role)) {
            Some(role) => Err(format!("Not authorized to use role '{role}'")),
            None => Ok(()),
        }
    }

    /// Make the framework known, or take over from its former scheduler. Its id.
    fn admit(&mut self, mut info: FrameworkInfo, connection: Connection, now: Time) -> String {
        let given = info.id.as_ref().map(|id| id.value.clone()).filter(|id| !id.is_empty());
        let id = given.unwrap_or_else(|| self.new_framework_id());
        info.id = Some(framework_id(&id));
        // Agents and executors are told what is meant when nothing is said, as by Mesos.
        info.failover_timeout.get_or_insert_default();
        info.checkpoint.get_or_insert_default();
        if !self.frameworks.contains_key(&id) {
            self.frameworks.insert(id.clone(), Framework::new(info, connection, now));
            self.counters.add("master/messages_register_framework");
            self.publish_framework(&id, true);
            return id;
        }
        self.counters.add("master/messages_reregister_framework");
        self.take_over(&id);
        self.withdraw_offers_of(&id);
        self.forget_refusals_of(&id);
        if let Some(framework) = self.frameworks.get_mut(&id) {
            framework.update(info);
            framework.connection = connection;
            framework.reregistered = now;
            framework.recovered = false;
        }
        self.tell_agents_about(&id);
        self.publish_framework(&id, false);
        id
    }

    /// End the stream of the scheduler that another replaces.
    fn take_over(&mut self, id: &str) {
        let Some(old) = self.frameworks.get(id).and_then(Framework::stream) else { return };
        self.streams.remove(&old);
        self.send(old, error("Framework failed over"));
        self.effect(Effect::CloseStream { stream: old });
    }

    /// Let the agents that have something of the framework, be it an update to be acknowledged, know what it now says about itself.
    pub(crate) fn tell_agents_about(&mut self, id: &str) {
        let Some(info) = self.frameworks.get(id).map(|framework| framework.info.clone()) else { return };
        for agent in self.agents_of(id) {
            self.tell(&agent, ToAgent::FrameworkUpdated { framework: info.clone() });
        }
    }

    fn agents_of(&self, framework: &str) -> BTreeSet<String> {
        let tasks = self.frameworks.get(framework).into_iter().flat_map(|known| known.tasks.agents());
        let executors = self.agents.iter().filter(|(_, agent)| agent.has_executor_of(framework));
        tasks.cloned().chain(executors.map(|(id, _)| id.to_string())).collect()
    }

    fn refuse_stream(&mut self, stream: StreamKey, problem: &str) {
        self.send(stream, error(problem));
        self.effect(Effect::CloseStream { stream });
    }

    fn subscribed(&self, id: &str) -> Event {
        let subscribed = event::Subscribed {
            framework_id: framework_id(id),
            heartbeat_interval_seconds: Some(self.timeouts.heartbeat.as_secs_f64()),
            master_info: Some(self.identity.master_info()),
        };
        Event { subscribed: Some(subscribed), ..of(event::Type::Subscribed) }
    }

    pub(crate) fn stream_closed(&mut self, stream: StreamKey, now: Time) {
        if self.watchers.remove(stream) {
            return;
        }
        let Some(id) = self.streams.remove(&stream) else { return };
        self.withdraw_offers_of(&id);
        self.forget_refusals_of(&id);
        let Some(framework) = self.frameworks.get_mut(&id) else { return };
        let timeout = failover_timeout(&framework.info);
        framework.connection = Connection::Disconnected { deadline: now + timeout };
        self.place_seekers(&id);
        if timeout.is_zero() {
            self.remove_framework(&id, now);
        }
    }

    /// The framework is gone for good: its tasks are killed, its stream ends, its id is not accepted again.
    pub(crate) fn remove_framework(&mut self, id: &str, now: Time) {
        self.withdraw_offers_of(id);
        self.forget_refusals_of(id);
        self.seekers.remove(id);
        let Some(mut framework) = self.frameworks.remove(id) else { return };
        let stream = framework.stream();
        for last in kill_all(&mut framework, now) {
            framework.tally.end(TaskState::TaskKilled);
            self.counters.add_end(TaskState::TaskKilled, &last);
        }
        framework.connection = Connection::Disconnected { deadline: now };
        framework.reregistered = now;
        self.publish_framework_removed(&framework);
        self.archive(id.to_owned(), framework);
        self.persist();
        for agent_id in self.agents.ids() {
            self.evict(id, &agent_id);
            self.check_drained(&agent_id, now);
        }
        let mut sorter = std::mem::take(&mut self.sorter);
        self.agents.settle_moves(&mut sorter);
        sorter.remove(id);
        self.sorter = sorter;
        if let Some(stream) = stream {
            self.streams.remove(&stream);
            self.effect(Effect::CloseStream { stream });
        }
        if !self.sharing.quotas.is_empty() {
            // What its role may have besides counts again; otherwise nobody but its agents has changed.
            self.attention.everybody();
        }
    }

    /// Free what the framework uses on an agent, and have the agent stop it.
    fn evict(&mut self, framework: &str, agent_id: &str) {
        let Some(agent) = self.agents.get_mut(agent_id) else { return };
        agent.use_nothing(framework);
        agent.executors.retain(|(owner, _), _| owner != framework);
        self.tell(agent_id, ToAgent::ShutdownFramework { framework_id: framework_id(framework) });
    }
}

/// Write its tasks down as killed; nobody is left to be told. What would be said of each that had not ended.
fn kill_all(framework: &mut Framework, now: Time) -> Vec<TaskStatus> {
    let mut said = Vec::new();
    for mut task in framework.tasks.drain() {
        if !is_terminal(status::state_of(&task)) {
            task.state = TaskState::TaskKilled as i32;
            let text = "Framework removed";
            let last = status::farewell(&task, TaskState::TaskKilled, Reason::FrameworkRemoved, text, now);
            task.statuses.push(last.clone());
            said.push(last);
        }
        framework.complete_task(&task);
    }
    said
}

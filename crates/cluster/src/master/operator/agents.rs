//! Taking agents out of use: deactivating, draining, and marking them gone for good.

use cairn_mesos::v1::master::call;
use cairn_mesos::v1::task_status::Reason;
use cairn_mesos::v1::{DrainConfig, DrainInfo, DrainState, DurationInfo, TaskState};
use prost::Message;

use crate::master::agents::Ending;
use crate::master::core::Master;
use crate::master::event::{Reply, Time};
use crate::master::status;
use crate::wire::ToAgent;

/// What operators have decided about an agent. The registry keeps it.
#[derive(Clone, PartialEq, Message)]
pub struct Standing {
    /// The agent's id.
    #[prost(string, tag = "1")]
    pub agent_id: String,
    /// Nothing of it is offered.
    #[prost(bool, tag = "2")]
    pub deactivated: bool,
    /// Its tasks are being killed, or all have been.
    #[prost(message, optional, tag = "3")]
    pub drain: Option<DrainInfo>,
    /// When the drain began, in seconds since the epoch.
    #[prost(uint64, tag = "4")]
    pub drain_started: u64,
    /// The agent never comes back.
    #[prost(bool, tag = "5")]
    pub gone: bool,
}

impl Master {
    /// Whether resources of this agent may be offered, as far as operators are concerned.
    pub(crate) fn in_use(&self, agent_id: &str) -> bool {
        self.standings.get(agent_id).is_none_or(|standing| !standing.deactivated && !standing.gone)
    }

    pub(crate) fn is_gone(&self, agent_id: &str) -> bool {
        self.standings.get(agent_id).is_some_and(|standing| standing.gone)
    }

    /// Whether the master has ever heard of the agent and may hear of it again.
    fn knows_agent(&self, id: &str) -> bool {
        self.agents.contains_key(id) || self.recovered.contains_key(id) || self.unreachable.contains_key(id)
    }

    fn decide(&mut self, id: &str, change: impl FnOnce(&mut Standing)) {
        let standing = self.standings.entry(id.to_owned()).or_default();
        id.clone_into(&mut standing.agent_id);
        change(standing);
        self.persist();
    }

    pub(super) fn deactivate_agent(&mut self, id: &str) -> Result<Reply, Reply> {
        self.expect_agent(id)?;
        self.decide(id, |standing| standing.deactivated = true);
        self.rescind_offers_on(id);
        Ok(Reply::Ok)
    }

    fn expect_agent(&self, id: &str) -> Result<(), Reply> {
        if self.knows_agent(id) { Ok(()) } else { Err(Reply::bad_request("Unknown agent")) }
    }

    pub(super) fn reactivate_agent(&mut self, id: &str) -> Result<Reply, Reply> {
        self.expect_agent(id)?;
        let drain = self.standings.get(id).and_then(|standing| standing.drain.as_ref());
        if drain.is_some_and(|drain| drain.state == DrainState::Draining as i32) {
            return Err(Reply::bad_request("Agent is still in the process of draining"));
        }
        self.standings.remove(id);
        self.persist();
        self.tell(id, ToAgent::Drain { config: None });
        self.attention.everybody();
        Ok(Reply::Ok)
    }

    pub(super) fn drain_agent(&mut self, call: &call::DrainAgent, now: Time) -> Result<Reply, Reply> {
        let id = call.agent_id.value.as_str();
        self.expect_agent(id)?;
        let grace = call.max_grace_period.as_ref();
        let nanoseconds = grace.map(|grace| grace.seconds() * 1_000_000_000 + i64::from(grace.nanos()));
        if nanoseconds.is_some_and(|nanoseconds| nanoseconds < 0) {
            return Err(Reply::bad_request("'max_grace_period' must not be negative"));
        }
        let config = DrainConfig {
            max_grace_period: nanoseconds.map(|nanoseconds| DurationInfo { nanoseconds }),
            mark_gone: Some(call.mark_gone()),
        };
        self.decide(id, |standing| {
            standing.deactivated = true;
            standing.drain_started = now.as_secs();
            standing.drain = Some(DrainInfo { state: DrainState::Draining as i32, config });
        });
        self.rescind_offers_on(id);
        self.tell(id, ToAgent::Drain { config: Some(config) });
        self.check_drained(id, now);
        Ok(Reply::Ok)
    }

    /// An agent that comes back is told again what it may have missed.
    pub(crate) fn go_on_draining(&mut self, id: &str, now: Time) {
        let drain = self.standings.get(id).and_then(|standing| standing.drain);
        if let Some(drain) = drain.filter(|drain| drain.state == DrainState::Draining as i32) {
            self.tell(id, ToAgent::Drain { config: Some(drain.config) });
            self.check_drained(id, now);
        }
    }

    /// A draining agent is drained when nothing runs on it, and every end has been acknowledged.
    pub(crate) fn check_drained(&mut self, id: &str, now: Time) {
        let Some(drain) = self.standings.get(id).and_then(|standing| standing.drain) else { return };
        let busy = self.frameworks.values().any(|framework| framework.has_task_on(id));
        if drain.state != DrainState::Draining as i32 || busy || !self.agents.contains_key(id) {
            return;
        }
        if drain.config.mark_gone() {
            self.remove_gone(id, now);
        } else {
            self.decide(id, |standing| {
                standing.drain = Some(DrainInfo { state: DrainState::Drained as i32, ..drain });
            });
        }
    }

    pub(super) fn mark_agent_gone(&mut self, id: &str, now: Time) -> Result<Reply, Reply> {
        if self.is_gone(id) {
            return Ok(Reply::Ok);
        }
        if !self.knows_agent(id) {
            return Err(Reply::Refused { status: 404, text: format!("Agent {id} is not found") });
        }
        self.remove_gone(id, now);
        Ok(Reply::Ok)
    }

    fn remove_gone(&mut self, id: &str, now: Time) {
        self.recovered.remove(id);
        self.unreachable.remove(id);
        self.decide(id, |standing| standing.gone = true);
        let farewell = Farewell {
            state: TaskState::TaskGoneByOperator,
            reason: Reason::AgentRemovedByOperator,
            text: "Agent has been marked gone",
            for_good: true,
        };
        self.send_away(id, &farewell, now);
    }

    /// Remove an agent and have it stop everything and end.
    pub(crate) fn send_away(&mut self, id: &str, farewell: &Farewell<'_>, now: Time) {
        for (owner, task) in self.take_tasks_on(id) {
            if status::is_over(&task) {
                continue;
            }
            let ending = Ending::new(self.or_lost(&owner, farewell.state), farewell.reason, farewell.text);
            self.end_task(&owner, task, ending, now);
        }
        self.tell(id, ToAgent::Shutdown { for_good: farewell.for_good });
        self.drop_agent(id);
        self.persist();
        self.agent_is_gone(id);
        self.attention.everybody();
    }

    pub(super) fn standing_of(&self, id: &str) -> Option<&Standing> {
        self.standings.get(id)
    }

    /// An agent that must not come back tries to: it is told to end.
    pub(crate) fn turn_away(&mut self, link: crate::master::LinkKey, for_good: bool) {
        use crate::master::Effect;
        let message = Box::new(ToAgent::Shutdown { for_good });
        self.effect(Effect::ToAgent { link, message });
        self.effect(Effect::CloseLink { link });
    }
}

/// What becomes of the tasks of an agent that is sent away.
pub(crate) struct Farewell<'a> {
    /// For frameworks that do not know it: TASK_LOST.
    pub(crate) state: TaskState,
    pub(crate) reason: Reason,
    pub(crate) text: &'a str,
    /// Whether the agent may never come back.
    pub(crate) for_good: bool,
}

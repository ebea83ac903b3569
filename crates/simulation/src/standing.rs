//! Operators of the cluster: they drain agents and take them into use again, and mark agents gone that are never to come back.

use cairn_cluster::master::{CallKey, Input, Reply};
use cairn_cluster::wire::ToAgent;
use cairn_framework::Command;
use cairn_mesos::v1::AgentId;
use cairn_mesos::v1::master::{Call, call};

use crate::fault::Fault;
use crate::ledger::Known;
use crate::world::{Happening, World};

/// What the master has not agreed to is asked again after so long, milliseconds.
const AGAIN: u64 = 5_000;

/// What operators want of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Standing {
    #[default]
    InUse,
    /// Nothing is to run there until then, milliseconds.
    Drained { until: u64 },
    /// What ran there counts as ended, and its agent never comes back. The machine does, with another one and an empty disk.
    Gone,
}

impl Standing {
    fn is_drained(self) -> bool {
        matches!(self, Self::Drained { .. })
    }
}

impl World {
    /// An operator takes a machine out of use.
    pub(crate) fn take_out_of_use(&mut self) {
        if self.luck.strikes(Fault::AgentDrained, 1_500) {
            let rng = self.luck.draw(Fault::AgentDrained);
            let (index, long) = (rng.index(self.machines.len()), rng.between(5_000, 90_000));
            self.drain(index.unwrap_or_default(), long);
        }
        if self.luck.strikes(Fault::AgentGone, 600) {
            let index = self.luck.draw(Fault::AgentGone).index(self.machines.len()).unwrap_or_default();
            let machine = &mut self.machines[index];
            let Some(id) = machine.record.id().map(str::to_owned) else { return };
            machine.standing = Standing::Gone;
            self.note(|| format!("operator marks agent {index} gone"));
            self.ledger.given_up_agents.insert(id.clone());
            self.decide(index, id);
        }
    }

    fn drain(&mut self, index: usize, long: u64) {
        // One after the other: ends that nobody acknowledges, for want of a place to run, would have it drain for ever.
        if self.machines.iter().any(|machine| machine.standing != Standing::InUse) {
            return;
        }
        let machine = &mut self.machines[index];
        let Some(id) = machine.record.id() else { return };
        let drain_agent = call::DrainAgent { agent_id: agent(id), ..call::DrainAgent::default() };
        machine.standing = Standing::Drained { until: self.now + long };
        self.note(|| format!("operator drains agent {index} for {long} ms"));
        let id = self.machines[index].record.id().unwrap_or_default().to_owned();
        self.ask_master(Call {
            r#type: Some(call::Type::DrainAgent as i32),
            drain_agent: Some(drain_agent),
            ..Call::default()
        });
        self.after(long, Happening::Decides { index, id });
    }

    /// An operator wants the master to know what is to become of an agent, and asks until it agrees.
    pub(crate) fn decide(&mut self, index: usize, id: String) {
        let machine = &self.machines[index];
        // What an earlier drain has asked for again in vain is not for this one.
        let is_over = matches!(machine.standing, Standing::Drained { until } if until <= self.now);
        let is_drained = is_over && machine.record.id() == Some(id.as_str());
        let agent_id = agent(&id);
        let call = match self.ledger.given_up_agents.contains(&id) {
            true if self.ledger.gone.contains(&id) => return,
            true => Call {
                r#type: Some(call::Type::MarkAgentGone as i32),
                mark_agent_gone: Some(call::MarkAgentGone { agent_id }),
                ..Call::default()
            },
            false if is_drained => Call {
                r#type: Some(call::Type::ReactivateAgent as i32),
                reactivate_agent: Some(call::ReactivateAgent { agent_id }),
                ..Call::default()
            },
            false => return,
        };
        let key = self.ask_master(call);
        self.ledger.decisions.insert(key, (index, id.clone()));
        self.after(AGAIN, Happening::Decides { index, id });
    }

    /// The master answers an operator.
    pub(crate) fn decided(&mut self, key: u64, reply: &Reply) {
        let Some((index, id)) = self.ledger.decisions.remove(&key) else { return };
        if *reply != Reply::Ok {
            return self.note(|| format!("master does not do so with agent {index}: {reply:?}"));
        }
        if self.ledger.given_up_agents.contains(&id) {
            self.ledger.gone.insert(id);
        } else if self.machines[index].standing.is_drained() {
            self.machines[index].standing = Standing::InUse;
            self.note(|| format!("agent {index} is in use again"));
        }
    }

    /// The master tells an agent something that operators must have wanted.
    pub(crate) fn check_standing(&mut self, index: usize, message: &ToAgent) {
        let standing = self.machines[index].standing;
        let problem = match message {
            ToAgent::Registered { agent_id } if self.ledger.gone.contains(&agent_id.value) => "takes back",
            ToAgent::Shutdown { .. } if standing != Standing::Gone => "sends away",
            ToAgent::Drain { config: Some(_) } if standing == Standing::InUse => "drains",
            _ => return,
        };
        self.violate("operators decide which agents are in use", || {
            format!("the master {problem} agent {index}, which is {standing:?}")
        });
    }

    /// An agent that was marked gone has stopped everything. The machine is set up anew, and comes back with another agent.
    pub(crate) fn agent_leaves(&mut self, index: usize) {
        let left: Vec<String> = self.machines[index].services().map(|(task, _)| task.clone()).collect();
        if !left.is_empty() {
            return self.violate("an agent that leaves stops what it has started", || {
                format!("agent {index} leaves, and {left:?} run")
            });
        }
        let away = self.luck.draw(Fault::AgentGone).between(5_000, 60_000);
        self.crash_agent(index, away);
        let machine = &mut self.machines[index];
        machine.set_up_anew();
        self.note(|| format!("machine {index} is set up anew"));
    }

    /// Has schedulers look for other places for what had its place on agents that are gone.
    pub(crate) fn replace_what_is_gone(&mut self) {
        // Child schedulers find other places by themselves, as long as they are wanted.
        let first = usize::from(self.stack.is_some());
        let asks = |of: usize, known: &Known| {
            let is_gone = |id: &String| self.ledger.gone.contains(id) && (of >= first || known.retired);
            known.agent.as_ref().is_some_and(is_gone)
        };
        let known = self.ledger.known.iter().filter(|((of, _), known)| asks(*of, known));
        let lost: Vec<(usize, String)> = known.map(|(key, _)| key.clone()).collect();
        for (index, name) in lost {
            self.ask_scheduler(index, Command::Replace(name));
        }
    }

    fn ask_master(&mut self, call: Call) -> u64 {
        let (run, key, wait) = (self.master.run, self.number(), self.delays.between(1, 20));
        let input = Box::new(Input::Operator { key: CallKey(key), principal: None, call: Box::new(call) });
        self.after(wait, Happening::Master { run, over: None, input });
        key
    }
}

fn agent(id: &str) -> AgentId {
    AgentId { value: id.to_owned() }
}

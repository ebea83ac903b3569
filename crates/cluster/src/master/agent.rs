//! What the master knows of one agent, and how it keeps count of the agent's resources.

use std::collections::BTreeMap;

use cairn_mesos::v1::{AgentInfo, ExecutorId, ExecutorInfo};

use super::event::{LinkKey, Time};
use super::pool::Pool;

/// Whether the agent can be talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentState {
    /// The link is open.
    Connected(LinkKey),
    /// It is not; at the deadline the agent counts as unreachable.
    Disconnected { deadline: Time },
}

/// A registered agent.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub(crate) info: AgentInfo,
    pub(crate) ip: String,
    pub(crate) state: AgentState,
    pub(crate) registered: Time,
    pub(crate) reregistered: Option<Time>,
    /// Everything the agent has, without allocation.
    pub(crate) total: Pool,
    /// What tasks and executors use, with allocation, by framework.
    pub(crate) used: BTreeMap<String, Pool>,
    /// What is in offers, with allocation, by framework.
    pub(crate) offered: BTreeMap<String, Pool>,
    /// Executors that are not made up for a command, by framework and executor id.
    pub(crate) executors: BTreeMap<(String, String), ExecutorInfo>,
}

impl Agent {
    pub(crate) fn link(&self) -> Option<LinkKey> {
        match self.state {
            AgentState::Connected(link) => Some(link),
            AgentState::Disconnected { .. } => None,
        }
    }

    /// What nobody uses and nobody is offered.
    pub(crate) fn free(&self) -> Pool {
        let mut free = self.total.clone();
        for taken in self.used.values().chain(self.offered.values()) {
            free.subtract(&taken.unallocated());
        }
        free
    }

    pub(crate) fn use_more(&mut self, framework: &str, resources: &Pool) {
        self.used.entry(framework.to_owned()).or_default().add(resources);
    }

    pub(crate) fn use_less(&mut self, framework: &str, resources: &Pool) {
        take_back(&mut self.used, framework, resources);
    }

    pub(crate) fn offer_more(&mut self, framework: &str, resources: &Pool) {
        self.offered.entry(framework.to_owned()).or_default().add(resources);
    }

    pub(crate) fn offer_less(&mut self, framework: &str, resources: &Pool) {
        take_back(&mut self.offered, framework, resources);
    }

    /// The executors of a framework here, without those made up for a command.
    pub(crate) fn executors_of(&self, framework: &str) -> Vec<ExecutorId> {
        let of = self.executors.iter().filter(|((owner, _), _)| owner == framework);
        of.map(|(_, info)| info.executor_id.clone()).collect()
    }

    pub(crate) fn hostname(&self) -> &str {
        &self.info.hostname
    }
}

fn take_back(counts: &mut BTreeMap<String, Pool>, framework: &str, resources: &Pool) {
    if let Some(count) = counts.get_mut(framework) {
        count.subtract(resources);
        if count.is_empty() {
            counts.remove(framework);
        }
    }
}

//! What the master knows of one agent, and how it keeps count of the agent's resources.

use std::collections::BTreeMap;

use cairn_mesos::v1::{AgentInfo, ExecutorId, ExecutorInfo};
use cairn_planted::planted;

use super::allocator::{Amounts, Answer, Leaf, Moment, Sorter, Unwanted};
use super::event::{LinkKey, Time};
use super::planted::Bug;
use super::pool::Pool;

/// Whether the agent can be talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentState {
    /// The link is open.
    Connected(LinkKey),
    /// It is not; at the deadline the agent counts as unreachable.
    Disconnected { deadline: Time },
}

/// Something that a framework has taken in a role, or given back.
#[derive(Debug, Clone)]
struct Move {
    framework: String,
    role: String,
    amounts: Amounts,
    back: bool,
}

/// A registered agent.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub(crate) info: AgentInfo,
    pub(crate) ip: String,
    pub(crate) state: AgentState,
    pub(crate) registered: Time,
    pub(crate) reregistered: Option<Time>,
    /// Executors that are not made up for a command, by framework and executor id.
    pub(crate) executors: BTreeMap<(String, String), ExecutorInfo>,
    /// Everything the agent has, without allocation.
    total: Pool,
    /// What tasks and executors use, with allocation, by framework.
    used: BTreeMap<String, Pool>,
    /// The sum of that and of what is in offers, without allocation.
    taken: Pool,
    /// What the sorter does not know yet.
    moves: Vec<Move>,
    /// How much of the agent the sorter counts.
    counted: Amounts,
    changed: bool,
    /// How often it has been told of destroyed volumes and has not said that it has stored that.
    destroying: u32,
    /// What nobody wanted when offers were last made.
    unwanted: Unwanted,
}

impl Agent {
    pub(crate) fn new(info: AgentInfo, ip: String, link: LinkKey, total: Pool, now: Time) -> Self {
        Self {
            info,
            ip,
            state: AgentState::Connected(link),
            registered: now,
            reregistered: None,
            executors: BTreeMap::new(),
            total,
            used: BTreeMap::new(),
            taken: Pool::default(),
            moves: Vec::new(),
            counted: Amounts::default(),
            changed: true,
            destroying: 0,
            unwanted: Unwanted::default(),
        }
    }

    pub(crate) fn link(&self) -> Option<LinkKey> {
        match self.state {
            AgentState::Connected(link) => Some(link),
            AgentState::Disconnected { .. } => None,
        }
    }

    pub(crate) fn hostname(&self) -> &str {
        &self.info.hostname
    }

    pub(crate) fn total(&self) -> &Pool {
        &self.total
    }

    /// What each framework uses.
    pub(crate) fn used(&self) -> impl Iterator<Item = (&String, &Pool)> {
        self.used.iter()
    }

    pub(crate) fn used_by(&self, framework: &str) -> Option<&Pool> {
        self.used.get(framework)
    }

    /// What nobody uses and nobody is offered.
    pub(crate) fn free(&self) -> Pool {
        if planted(Bug::OfferTwice) { self.unused() } else { self.total.without(&self.taken) }
    }

    /// What nobody uses, offered or not.
    pub(crate) fn unused(&self) -> Pool {
        let mut unused = self.total.clone();
        for used in self.used.values() {
            unused.subtract(&used.unallocated());
        }
        unused
    }

    /// A part of the agent becomes something else: reserved, a volume, or plain again.
    pub(crate) fn convert(&mut self, consumed: &Pool, produced: &Pool) {
        self.total.subtract(consumed);
        self.total.add(produced);
        self.changed = true;
    }

    pub(crate) fn use_more(&mut self, framework: &str, resources: &Pool) {
        self.used.entry(framework.to_owned()).or_default().add(resources);
        self.note(framework, resources, false);
    }

    pub(crate) fn use_less(&mut self, framework: &str, resources: &Pool) {
        let given = take_back(&mut self.used, framework, resources);
        self.note(framework, &given, true);
    }

    /// The framework uses nothing any more.
    pub(crate) fn use_nothing(&mut self, framework: &str) {
        if let Some(used) = self.used.remove(framework) {
            self.note(framework, &used, true);
        }
    }

    /// An offer is made, which the sorter has counted already.
    pub(crate) fn offer_more(&mut self, resources: &Pool) {
        self.taken.add(resources);
    }

    /// An offer is taken back, or answered.
    pub(crate) fn offer_less(&mut self, framework: &str, role: &str, resources: &Pool) {
        self.taken.subtract(resources);
        let (framework, role, amounts) = (framework.to_owned(), role.to_owned(), resources.amounts());
        self.moves.push(Move { framework, role, amounts, back: true });
        self.changed = true;
    }

    /// It is told of volumes that are destroyed.
    pub(crate) fn told_of_destroyed(&mut self) {
        self.destroying += 1;
    }

    /// It has stored that.
    pub(crate) fn stored_destroyed(&mut self) {
        self.destroying = self.destroying.saturating_sub(1);
        self.changed = true;
    }

    /// It can be offered: it is there, and what is not on it any more stays gone.
    pub(crate) fn is_open(&self) -> bool {
        self.link().is_some() && self.destroying == 0
    }

    /// The executors of a framework here, without those made up for a command.
    pub(crate) fn executors_of(&self, framework: &str) -> Vec<ExecutorId> {
        let of = self.executors.iter().filter(|((owner, _), _)| owner == framework);
        of.map(|(_, info)| info.executor_id.clone()).collect()
    }

    pub(crate) fn has_executor_of(&self, framework: &str) -> bool {
        self.executors.keys().any(|(owner, _)| owner == framework)
    }

    fn note(&mut self, framework: &str, resources: &Pool, back: bool) {
        if back {
            self.taken.subtract(&resources.unallocated());
        } else {
            self.taken.add(&resources.unallocated());
        }
        for (role, amounts) in resources.amounts_by_role() {
            self.moves.push(Move { framework: framework.to_owned(), role, amounts, back });
        }
        self.changed = true;
    }

    /// Whether something has become free or taken since the last time offers were made.
    pub(crate) fn is_changed(&self) -> bool {
        self.changed
    }

    /// What is known to be wanted by nobody.
    pub(crate) fn unwanted(&self) -> &Unwanted {
        &self.unwanted
    }

    pub(crate) fn learn(&mut self, answer: Answer, now: Moment) {
        self.unwanted.learn(answer, now);
    }

    /// This seeker may want something of what it has refused.
    pub(crate) fn doubt(&mut self, seeker: Leaf) {
        self.unwanted.doubt(seeker);
        self.changed = true;
    }

    /// Tell the sorter what has changed.
    pub(crate) fn settle(&mut self, sorter: &mut Sorter) {
        self.changed = false;
        let total = self.total.amounts();
        if total != self.counted {
            sorter.shrink(&self.counted);
            sorter.grow(&total);
            self.counted = total;
        }
        self.settle_moves(sorter);
    }

    /// The same, of what frameworks have taken and given back only.
    pub(crate) fn settle_moves(&mut self, sorter: &mut Sorter) {
        for Move { framework, role, amounts, back } in self.moves.drain(..) {
            let leaf = sorter.leaf(&role, &framework);
            if back {
                sorter.give_back(leaf, &amounts);
                self.unwanted.doubt(leaf);
            } else {
                sorter.take(leaf, &amounts);
            }
        }
    }

    /// The agent is gone, and all that was used of it. Nothing of it may be on offer any more.
    pub(crate) fn forget(mut self, sorter: &mut Sorter) {
        for (framework, pool) in std::mem::take(&mut self.used) {
            self.note(&framework, &pool, true);
        }
        self.settle(sorter);
        sorter.shrink(&self.counted);
    }
}

/// Take this away from what is counted; what has really been taken away.
fn take_back(counts: &mut BTreeMap<String, Pool>, framework: &str, resources: &Pool) -> Pool {
    let Some(count) = counts.get_mut(framework) else { return Pool::default() };
    let given = count.take(resources);
    if count.is_empty() {
        counts.remove(framework);
    }
    given
}

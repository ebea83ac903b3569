//! The master's state machine: its state, its clock, and who handles what.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use cairn_mesos::v1::scheduler::{self, event};
use cairn_mesos::v1::{AgentInfo, FrameworkId, FrameworkInfo, TaskStatus};

use super::agent::Agent;
use super::allocator::{Seekers, Sorter};
use super::attention::Attention;
use super::event::{CallKey, Effect, Input, LinkKey, Reply, StreamKey, Time};
use super::filters::Filters;
use super::fleet::Fleet;
use super::framework::{Connection, Framework};
use super::identity::Identity;
use super::open_offers::OpenOffers;
use super::operator::{Counters, Maintenance, Sharing, Standing, Watchers};
use super::pool::Pool;
use super::registry::{RegistryState, SCHEMA_VERSION};
use super::told::of;
use crate::security::Acls;
use crate::wire::ToAgent;

/// How many frameworks that are gone are shown to operators.
const COMPLETED_FRAMEWORKS: usize = 50;

/// How many ids of frameworks that are gone are remembered, so that none comes back.
const REMOVED_IDS: usize = 10_000;

/// How long things may take.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeouts {
    /// How long an agent may be disconnected before its tasks count as unreachable.
    pub agent: Duration,
    /// How long after a start of the master a known agent has to come back.
    pub agent_recovery: Duration,
    /// How long a framework may hold an offer. `None`: for ever, as in Apache Mesos.
    pub offer: Option<Duration>,
    /// The interval of heartbeats on event streams.
    pub heartbeat: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            agent: Duration::from_secs(75),
            agent_recovery: Duration::from_secs(600),
            offer: Some(Duration::from_secs(60)),
            heartbeat: Duration::from_secs(15),
        }
    }
}

/// An agent of the registry that is not back yet.
#[derive(Debug, Clone)]
pub(crate) struct Recovered {
    pub(crate) info: AgentInfo,
    pub(crate) deadline: Time,
}

/// An agent that was away for too long.
#[derive(Debug, Clone)]
pub(crate) struct Unreachable {
    pub(crate) info: AgentInfo,
    pub(crate) since: Time,
    /// What it had by then, unless this master has never seen it.
    pub(crate) total: Option<Pool>,
}

/// The master without I/O, clock and randomness.
#[derive(Debug)]
pub struct Master {
    pub(crate) identity: Identity,
    pub(crate) timeouts: Timeouts,
    pub(crate) started: Time,
    pub(crate) frameworks: BTreeMap<String, Framework>,
    pub(crate) completed: VecDeque<Framework>,
    removed: BTreeSet<String>,
    removed_order: VecDeque<String>,
    pub(crate) agents: Fleet,
    pub(crate) recovered: BTreeMap<String, Recovered>,
    pub(crate) unreachable: BTreeMap<String, Unreachable>,
    pub(crate) links: BTreeMap<LinkKey, String>,
    pub(crate) streams: BTreeMap<StreamKey, String>,
    pub(crate) offers: OpenOffers,
    pub(crate) filters: Filters,
    /// Who may be offered something.
    pub(crate) seekers: Seekers,
    /// Whose turn it is.
    pub(crate) sorter: Sorter,
    pub(crate) sharing: Sharing,
    /// What operators have decided about agents.
    pub(crate) standings: BTreeMap<String, Standing>,
    pub(crate) maintenance: Maintenance,
    pub(crate) watchers: Watchers,
    pub(crate) counters: Counters,
    /// Which principals may be in which roles; `None`: all in all.
    acls: Option<Acls>,
    next_framework: u64,
    next_agent: u64,
    next_offer: u64,
    next_operation: u64,
    pub(crate) attention: Attention,
    out: Vec<Effect>,
}

impl Master {
    /// A master that knows what its registry held.
    pub fn new(identity: Identity, timeouts: Timeouts, registry: RegistryState, now: Time) -> Self {
        let mut master = Self {
            identity,
            started: now,
            frameworks: BTreeMap::new(),
            completed: VecDeque::new(),
            removed: registry.completed.iter().cloned().collect(),
            removed_order: registry.completed.into(),
            agents: Fleet::default(),
            recovered: BTreeMap::new(),
            unreachable: BTreeMap::new(),
            links: BTreeMap::new(),
            streams: BTreeMap::new(),
            offers: OpenOffers::default(),
            filters: Filters::default(),
            seekers: Seekers::default(),
            sorter: Sorter::default(),
            sharing: Sharing::recovered(registry.weights, registry.quotas),
            standings: registry.standings.into_iter().map(|one| (one.agent_id.clone(), one)).collect(),
            maintenance: Maintenance::recovered(registry.schedule, registry.down),
            watchers: Watchers::default(),
            counters: Counters::default(),
            acls: None,
            next_framework: 0,
            next_agent: 0,
            next_offer: 0,
            next_operation: 0,
            attention: Attention::default(),
            out: Vec::new(),
            timeouts,
        };
        for info in registry.frameworks {
            master.recover_framework(info, now);
        }
        let deadline = now + master.timeouts.agent_recovery;
        for info in registry.agents {
            let id = info.id.as_ref().map(|id| id.value.clone()).unwrap_or_default();
            master.recovered.insert(id, Recovered { info, deadline });
        }
        master
    }

    /// Let principals do what these rules say only.
    #[must_use]
    pub fn with_acls(self, acls: Option<Acls>) -> Self {
        Self { acls, ..self }
    }

    /// Whether the principal may be in the role.
    pub(crate) fn may_be_in(&self, principal: Option<&str>, role: &str) -> bool {
        self.acls.as_ref().is_none_or(|acls| acls.allow(principal, role))
    }

    /// Handle one input. The effects are to be carried out in order.
    pub fn step(&mut self, input: Input, now: Time) -> Vec<Effect> {
        match input {
            Input::Subscribe { stream, stream_id, principal, call } => {
                self.subscribe(stream, stream_id, principal.as_deref(), *call, now);
            }
            Input::Call { key, stream_id, principal, call } => {
                self.scheduler_call(key, stream_id.as_deref(), principal.as_deref(), *call, now);
            }
            Input::Watch { stream } => self.watch(stream, now),
            Input::StreamClosed { stream } => self.stream_closed(stream, now),
            Input::Operator { key, principal, call } => {
                self.operator_call(key, principal.as_deref(), *call, now);
            }
            Input::Agent { link, message } => self.agent_message(link, *message, now),
            Input::LinkClosed { link } => self.link_closed(link, now),
            Input::Timer => self.timer(now),
        }
        if self.wants_allocation() {
            self.allocate(now);
        }
        std::mem::take(&mut self.out)
    }

    /// How often it has looked who may be offered what.
    pub(crate) fn allocations(&self) -> u64 {
        self.counters.get("allocator/mesos/allocation_runs")
    }

    /// What the master is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Make a framework known that has not subscribed since the master started.
    pub(crate) fn recover_framework(&mut self, info: FrameworkInfo, now: Time) {
        let Some(id) = info.id.as_ref().map(|id| id.value.clone()) else { return };
        let deadline = now + failover_timeout(&info);
        let mut framework = Framework::new(info, Connection::Disconnected { deadline }, now);
        framework.recovered = true;
        self.frameworks.entry(id).or_insert(framework);
    }

    pub(crate) fn is_removed(&self, framework: &str) -> bool {
        self.removed.contains(framework)
    }

    /// Remember a framework that is gone for good.
    pub(crate) fn archive(&mut self, id: String, framework: Framework) {
        if self.removed.insert(id.clone()) {
            self.removed_order.push_back(id);
        }
        if self.removed_order.len() > REMOVED_IDS
            && let Some(oldest) = self.removed_order.pop_front()
        {
            self.removed.remove(&oldest);
        }
        self.completed.push_back(framework);
        if self.completed.len() > COMPLETED_FRAMEWORKS {
            self.completed.pop_front();
        }
    }

    pub(crate) fn new_framework_id(&mut self) -> String {
        let id = format!("{}-{:04}", self.identity.id, self.next_framework);
        self.next_framework += 1;
        id
    }

    pub(crate) fn new_agent_id(&mut self) -> String {
        let id = format!("{}-S{}", self.identity.id, self.next_agent);
        self.next_agent += 1;
        id
    }

    pub(crate) fn new_offer_id(&mut self) -> String {
        let id = format!("{}-O{}", self.identity.id, self.next_offer);
        self.next_offer += 1;
        id
    }

    /// 16 bytes that no other operation of any master has.
    pub(crate) fn new_operation_uuid(&mut self) -> Vec<u8> {
        let number = self.next_operation;
        self.next_operation += 1;
        self.identity.uuid_number(number)
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.out.push(effect);
    }

    pub(crate) fn reply(&mut self, key: CallKey, reply: Reply) {
        self.effect(Effect::Reply { key, reply });
    }

    pub(crate) fn send(&mut self, stream: StreamKey, event: scheduler::Event) {
        let owner = self.streams.get(&stream).and_then(|id| self.frameworks.get_mut(id));
        if let Some(framework) = owner {
            framework.tally.event(event.r#type());
        }
        self.effect(Effect::Send { stream, event: Box::new(event) });
    }

    /// Send an event to a framework, if it is connected.
    pub(crate) fn send_to(&mut self, framework: &str, event: scheduler::Event) {
        if let Some(stream) = self.frameworks.get(framework).and_then(Framework::stream) {
            self.send(stream, event);
        }
    }

    pub(crate) fn send_status(&mut self, framework: &str, status: TaskStatus) {
        let update = event::Update { status };
        self.send_to(framework, scheduler::Event { update: Some(update), ..of(event::Type::Update) });
    }

    /// Tell an agent something, if it is connected.
    pub(crate) fn tell(&mut self, agent: &str, message: ToAgent) {
        if let Some(link) = self.agents.get(agent).and_then(Agent::link) {
            self.effect(Effect::ToAgent { link, message: Box::new(message) });
        }
    }

    /// Take an agent off the books, with all that was taken of it.
    pub(crate) fn drop_agent(&mut self, id: &str) -> Option<AgentInfo> {
        self.rescind_offers_on(id);
        let agent = self.agents.remove(id)?;
        if let Some(link) = agent.link() {
            self.links.remove(&link);
            self.effect(Effect::CloseLink { link });
        }
        let info = agent.info.clone();
        agent.forget(&mut self.sorter);
        Some(info)
    }

    /// Have the registry stored.
    pub(crate) fn persist(&mut self) {
        self.effect(Effect::Persist);
    }

    /// What the registry is to hold.
    pub fn registry(&self) -> RegistryState {
        let known = self.agents.values().map(|agent| &agent.info);
        let away = self.recovered.values().map(|agent| &agent.info);
        let unreachable = self.unreachable.values().map(|agent| &agent.info);
        RegistryState {
            schema_version: SCHEMA_VERSION,
            frameworks: self.frameworks.values().map(|framework| framework.info.clone()).collect(),
            completed: self.removed_order.iter().cloned().collect(),
            agents: known.chain(away).chain(unreachable).cloned().collect(),
            weights: self.sharing.weight_infos(),
            quotas: self.sharing.quota_configs(),
            standings: self.standings.values().cloned().collect(),
            schedule: Some(self.maintenance.schedule()).filter(|schedule| !schedule.windows.is_empty()),
            down: self.maintenance.down().to_vec(),
        }
    }
}

/// How long a framework may be away before it is removed.
pub(crate) fn failover_timeout(info: &FrameworkInfo) -> Duration {
    let seconds = info.failover_timeout.unwrap_or(0.0);
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX / 4)
}

pub(crate) fn framework_id(id: &str) -> FrameworkId {
    FrameworkId { value: id.to_owned() }
}

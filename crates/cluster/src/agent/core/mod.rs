//! What an agent decides: a state machine without I/O, clock or randomness.
//!
//! [`Core::step`] takes one event and gives the effects it has, in the order in which the driver must carry them out:
//! what must survive a crash is saved before anything that depends on it is sent.

mod checks;
mod command;
mod container;
mod counts;
mod executor;
mod ground;
mod group;
mod history;
mod leave;
mod lifecycle;
mod master;
mod plan;
mod planted;
mod show;
mod status;
mod updates;
mod volumes;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use cairn_mesos::v1::executor::{Call, Event as ExecutorEvent};
use cairn_mesos::v1::{AgentId, AgentInfo, Attribute, DomainInfo, DrainConfig, Resource};

use super::checkpoint::{AgentRecord, ContainerRecord};
use super::process::ProcessId;
use super::runner::{self, Answer, ContainerPlan, Probe, Update};
use crate::security;
use crate::wire::{FromAgent, ToAgent};

pub use checks::Which;
use container::Container;
pub use container::Key;
pub(crate) use counts::Counts;
pub use executor::Denial;
pub(crate) use ground::NoGround;
use history::History;
pub(crate) use plan::{check_secrets, command_line, uris, with_variables};
pub use planted::Bug;
pub(crate) use show::{ExecutorView, View};

/// The moment of an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Now {
    /// Time since some fixed moment; never goes back. Deadlines are told in it.
    pub at: Duration,
    /// Seconds since the Unix epoch, for timestamps.
    pub wall: f64,
}

/// Where new ids come from.
pub trait Ids {
    /// 16 bytes that never came before.
    fn uuid(&mut self) -> [u8; 16];
}

/// What does not change while an agent runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it listens, and what its tasks are told as their address.
    pub ip: String,
    /// The port it listens on.
    pub port: u16,
    /// Its name in offers.
    pub hostname: String,
    /// What it says of itself in offers.
    pub attributes: Vec<Attribute>,
    /// The region and zone it is in.
    pub domain: Option<DomainInfo>,
    /// What tokens of executors are signed with.
    pub key: Option<security::Key>,
    /// What the agent offers before anything is reserved.
    pub resources: Vec<Resource>,
    /// Absolute path of the agent's own directory.
    pub work_dir: PathBuf,
    /// Identifies this boot of the machine.
    pub boot: String,
    /// It speaks TLS with its executors.
    pub tls: bool,
    /// A file with the authorities by whose certificates executors know it then.
    pub authorities: Option<PathBuf>,
    /// PATH of executors and commands.
    pub path: String,
    /// How long it waits for what.
    pub timeouts: Timeouts,
}

/// How long an agent waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the start of an executor to its subscription.
    pub registration: Duration,
    /// From the start of an agent to the subscription of an executor that was already running.
    pub reregistration: Duration,
    /// From the order to shut down to SIGKILL, unless the executor says otherwise.
    pub shutdown_grace: Duration,
    /// How long an executor goes on without an agent.
    pub recovery: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            registration: Duration::from_secs(60),
            reregistration: Duration::from_secs(15),
            shutdown_grace: Duration::from_secs(5),
            recovery: Duration::from_secs(15 * 60),
        }
    }
}

/// What happens to an agent.
#[derive(Debug)]
pub enum Event {
    /// The master can be reached.
    LinkUp,
    /// The master said something.
    Master(Box<ToAgent>),
    /// An executor subscribed, or did so again.
    Subscribe(Key, Box<Call>),
    /// An executor sent something else.
    Executor(Key, Box<Call>),
    /// The runner started a container, or could not.
    Started {
        /// Which.
        container: String,
        /// Its first process, or why there is none.
        result: Result<ProcessId, String>,
    },
    /// Nothing is left of a container.
    Exited {
        /// Which.
        container: String,
        /// The wait status, where it can be known.
        status: Option<i32>,
    },
    /// A container needed more memory than it may use. It is being ended.
    OutOfMemory {
        /// Which.
        container: String,
        /// The most that it had, in bytes.
        most: u64,
    },
    /// A running container could not be given what it is to have.
    UpdateFailed {
        /// Which.
        container: String,
        /// Why.
        reason: String,
    },
    /// A task was asked how it is.
    Probed {
        /// In which container.
        container: String,
        /// Which task.
        task: String,
        /// Which of its checks.
        which: Which,
        /// What came back.
        answer: Answer,
    },
    /// Nothing is left of the data of these volumes.
    Deleted(Vec<PathBuf>),
    /// Whoever runs the agent wants it to go for good.
    Unregister,
    /// Time passed.
    Tick,
}

/// What is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// [`Core::agent_record`].
    Agent,
    /// [`Core::container_record`] of this one, which is deleted when there is none any more.
    Container(String),
}

/// What the driver has to do.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Store a record, durably.
    Save(Record),
    /// Start a container; tell by [`Event::Started`].
    Start(Box<ContainerPlan>),
    /// Wait for the end of a container; tell by [`Event::Exited`].
    Wait(String),
    /// End a container, with so much time between SIGTERM and SIGKILL.
    End(String, Duration),
    /// Give a running container what it has from now on; tell only if that fails, by [`Event::UpdateFailed`].
    Update(String, Update),
    /// Ask a task how it is; tell by [`Event::Probed`].
    Probe {
        /// In which container.
        container: String,
        /// Which task.
        task: String,
        /// Which of its checks.
        which: Which,
        /// What is asked.
        probe: Box<Probe>,
    },
    /// Delete the data of volumes; tell by [`Event::Deleted`].
    DeleteVolumes(Vec<PathBuf>),
    /// Send an event on the stream of an executor.
    ToExecutor(Key, Box<ExecutorEvent>),
    /// End the agent, which has nothing left; whether for good.
    Leave {
        /// The master never takes it back.
        for_good: bool,
    },
    /// Tell the master.
    ToMaster(Box<FromAgent>),
}

/// Effects so far, and what decisions may depend on besides the state.
pub(crate) struct Context<'a> {
    now: Now,
    ids: &'a mut dyn Ids,
    effects: Vec<Effect>,
}

impl Context<'_> {
    fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    fn tell_master(&mut self, message: FromAgent) {
        self.push(Effect::ToMaster(Box::new(message)));
    }

    /// Saves a container, once for consecutive changes.
    fn save(&mut self, container: &str) {
        let last = self.effects.last();
        if !matches!(last, Some(Effect::Save(Record::Container(id))) if id == container) {
            self.push(Effect::Save(Record::Container(container.to_owned())));
        }
    }
}

/// Everything an agent knows.
#[derive(Debug)]
pub struct Core {
    settings: Settings,
    id: Option<AgentId>,
    /// Reservations and volumes included, as the master told; none before it told anything.
    resources: Option<Vec<Resource>>,
    /// Directories of destroyed volumes that may still be there.
    deleting: BTreeSet<PathBuf>,
    containers: BTreeMap<String, Container>,
    /// Whether the master has accepted the registration.
    registered: bool,
    /// Everything is being killed because an operator wants the agent empty.
    draining: Option<DrainConfig>,
    /// The agent goes, because an operator of the master or its own wants so; whether for good.
    leaving: Option<bool>,
    history: History,
    counts: Counts,
}

impl Core {
    /// An agent with what an earlier process stored. Gives the effects that recovery needs.
    pub fn recover(
        settings: Settings,
        agent: AgentRecord,
        containers: Vec<ContainerRecord>,
        now: Now,
    ) -> (Self, Vec<Effect>) {
        let resources = agent.has_resources.then_some(agent.resources);
        let mut core = Self {
            settings,
            id: agent.agent_id,
            resources,
            deleting: agent.deleting.into_iter().map(PathBuf::from).collect(),
            containers: BTreeMap::new(),
            registered: false,
            draining: None,
            leaving: None,
            history: History::default(),
            counts: Counts::default(),
        };
        let mut effects = core.recover_containers(containers, now);
        effects.extend(core.delete_again());
        (core, effects)
    }

    /// Takes one event.
    pub fn step(&mut self, event: Event, now: Now, ids: &mut dyn Ids) -> Vec<Effect> {
        let mut cx = Context { now, ids, effects: Vec::new() };
        match event {
            Event::LinkUp => self.link_up(&mut cx),
            Event::Master(message) => self.master(*message, &mut cx),
            Event::Subscribe(key, call) => self.subscribe(&key, *call, &mut cx),
            Event::Executor(key, call) => self.executor(&key, *call, &mut cx),
            Event::Started { container, result } => self.started(&container, result, &mut cx),
            Event::Exited { container, status } => self.exited(&container, status, &mut cx),
            Event::OutOfMemory { container, most } => self.out_of_memory(&container, most),
            Event::UpdateFailed { container, reason } => self.update_failed(&container, &reason, &mut cx),
            Event::Probed { container, task, which, answer } => {
                self.probed(&container, &task, which, &answer, &mut cx);
            }
            Event::Deleted(volumes) => self.deleted(&volumes, &mut cx),
            Event::Unregister => self.unregister(&mut cx),
            Event::Tick => self.tick(&mut cx),
        }
        self.leave_when_empty(&mut cx);
        cx.effects
    }

    /// When [`Event::Tick`] is due next.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.containers.values().filter_map(Container::next_deadline).min()
    }

    /// What is stored about the agent itself.
    pub fn agent_record(&self) -> AgentRecord {
        AgentRecord {
            agent_id: self.id.clone(),
            resources: self.resources.clone().unwrap_or_default(),
            has_resources: self.resources.is_some(),
            deleting: self.deleting.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
        }
    }

    /// What is stored about a container; none when it is to be forgotten.
    pub fn container_record(&self, container: &str) -> Option<ContainerRecord> {
        self.containers.get(container).map(|c| c.record(&self.settings.boot))
    }

    /// The container as the runner knows it.
    pub fn handle(&self, id: &str) -> Option<runner::Container> {
        self.containers.get(id).map(Container::handle)
    }

    /// Whether the master has taken this agent in.
    pub(crate) fn is_registered(&self) -> bool {
        self.registered
    }

    /// The sandboxes of all containers that run or have something to tell.
    pub(crate) fn sandboxes(&self) -> BTreeSet<PathBuf> {
        self.containers.values().map(|container| container.sandbox.clone()).collect()
    }

    /// What the agent says of itself.
    pub(crate) fn agent_info(&self) -> AgentInfo {
        AgentInfo {
            hostname: self.settings.hostname.clone(),
            port: Some(i32::from(self.settings.port)),
            resources: self.settings.resources.clone(),
            attributes: self.settings.attributes.clone(),
            domain: self.settings.domain.clone(),
            id: self.id.clone(),
            ..AgentInfo::default()
        }
    }

    /// The container of an executor that has not ended.
    fn live(&self, key: &Key) -> Option<&Container> {
        self.containers.values().find(|c| c.key == *key && c.parent.is_none() && !c.is_over())
    }

    fn live_id(&self, key: &Key) -> Option<String> {
        self.live(key).map(|c| c.id.clone())
    }
}

//! A machine: an agent's process with what it has on disk, and the containers, which outlive that process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use cairn_cluster::agent::simulation::{
    AgentRecord, ContainerRecord, Core, Effect, Event, Ids, Key, Now, Settings,
};
use cairn_cluster::agent::{ProcessId, Timeouts};
use cairn_cluster::master::{Input, LinkKey};
use cairn_cluster::wire::ToAgent;
use cairn_executor::simulation::Input as ExecutorInput;
use cairn_mesos::resources::Resources;
use cairn_mesos::v1::executor::Call;

use crate::container::{Container, Service};
use crate::fault::Fault;
use crate::rng::Rng;
use crate::standing::Standing;
use crate::work::Work;
use crate::world::{Happening, World};

/// An agent whose link has closed comes back after so long.
const COME_BACK: u64 = 1_000;

/// What an agent process gets.
#[derive(Debug)]
pub(crate) enum AgentNews {
    /// Its link to the master stands.
    Linked,
    Master(Box<ToAgent>),
    /// The master has closed the link, or it broke.
    Unlinked,
    Tick(u64),
    /// The process of a container has been started, or why not.
    Started(String, Result<i32, String>),
    Exited(String, Option<i32>),
    /// It gets to deleting the data of volumes.
    Delete(Vec<PathBuf>),
    /// An executor opens its stream.
    Subscribe {
        container: u64,
        key: Key,
        call: Box<Call>,
    },
    /// An executor's update.
    FromExecutor {
        container: u64,
        key: Key,
        call: Box<Call>,
        uuid: Vec<u8>,
    },
}

/// What an executor gets.
#[derive(Debug)]
pub(crate) enum ExecutorNews {
    Connect,
    FromAgent { life: u64, input: ExecutorInput },
    Disconnected { life: u64 },
    Terminate,
    Kill,
    Tick,
    Service { task: String, step: ServiceStep },
}

/// What becomes of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceStep {
    Runs,
    Ready,
    /// Its probe fails, for no reason.
    Flaps,
    Crashes,
    /// It has been told to stop, and does.
    Stops,
    /// A job is done.
    Finishes,
}

/// Numbers the agent's ids.
#[derive(Debug, Default)]
struct Counter(u128);

impl Ids for Counter {
    fn uuid(&mut self) -> [u8; 16] {
        self.0 += 1;
        self.0.to_be_bytes()
    }
}

#[derive(Debug)]
pub(crate) struct Machine {
    settings: Settings,
    pub(crate) agent: Option<Core>,
    /// Counts the agent's processes.
    pub(crate) life: u64,
    pub(crate) started: u64,
    /// The agent's link to the master.
    pub(crate) link: u64,
    tick: Option<u64>,
    pub(crate) powered: bool,
    boots: u64,
    ids: Counter,
    pub(crate) record: AgentRecord,
    pub(crate) records: BTreeMap<String, ContainerRecord>,
    pub(crate) containers: BTreeMap<u64, Container>,
    /// Directories of volumes that hold data.
    pub(crate) volumes: BTreeSet<PathBuf>,
    pub(crate) standing: Standing,
    /// Its agent has been told to stop everything and to end.
    leaves: bool,
    pub(crate) cut_until: u64,
    pub(crate) full_until: u64,
    /// How far its clock is off, milliseconds.
    pub(crate) skew: i64,
    /// Executors, by container, are answered that an update, by its uuid, is taken.
    pub(crate) work: Work<Effect, (u64, Vec<u8>), AgentNews>,
    /// Executors that came before the agent was told that they had been started: they wait for that.
    early: Vec<AgentNews>,
    pids: i32,
}

impl Machine {
    pub(crate) fn new(number: u64, rng: &mut Rng) -> Self {
        // Room for all that is ever asked for, whoever keeps its place where: what does not fit would never converge.
        let cpus = rng.between(30, 40);
        let text = format!("cpus:{cpus};mem:16384;disk:40000;ports:[31000-31059]");
        let resources: Resources = text.parse().expect("resources as Mesos writes them");
        let settings = Settings {
            ip: format!("127.0.0.{}", number + 2),
            port: 5051,
            hostname: format!("host-{number}"),
            attributes: Vec::new(),
            domain: None,
            key: None,
            resources: resources.to_vec(),
            work_dir: format!("/agent-{number}").into(),
            boot: String::new(),
            tls: false,
            authorities: None,
            path: "/bin".into(),
            timeouts: Timeouts::default(),
        };
        Self {
            settings,
            agent: None,
            life: 0,
            started: 0,
            link: 0,
            tick: None,
            powered: true,
            boots: 0,
            ids: Counter(u128::from(number + 1) << 64),
            record: AgentRecord::default(),
            records: BTreeMap::new(),
            containers: BTreeMap::new(),
            volumes: BTreeSet::new(),
            standing: Standing::default(),
            leaves: false,
            cut_until: 0,
            full_until: 0,
            skew: 0,
            work: Work::default(),
            early: Vec::new(),
            pids: 100,
        }
    }

    /// Its clock and its disk are right again, and the master can be reached.
    pub(crate) fn heal(&mut self) {
        self.skew = 0;
        self.full_until = 0;
        self.cut_until = 0;
    }

    pub(crate) fn agent_is(&self, life: u64) -> bool {
        self.agent.is_some() && self.life == life
    }

    /// The services that run, by task.
    pub(crate) fn services(&self) -> impl Iterator<Item = (&String, &Service)> {
        self.containers.values().flat_map(|container| &container.services)
    }

    /// Nothing is left on its disk.
    pub(crate) fn set_up_anew(&mut self) {
        self.record = AgentRecord::default();
        self.records.clear();
        self.containers.clear();
        self.volumes.clear();
        self.standing = Standing::default();
    }

    fn now(&self, world: u64) -> Now {
        let wall = Duration::from_millis(world.saturating_add_signed(self.skew)).as_secs_f64();
        Now { at: Duration::from_millis(world.saturating_sub(self.started)), wall }
    }

    /// Where its services listen.
    pub(crate) fn address(&self) -> &str {
        &self.settings.ip
    }

    /// The number of a new process.
    pub(crate) fn pid(&mut self) -> i32 {
        self.pids += 1;
        self.pids
    }

    pub(crate) fn container(&self, id: &str) -> Option<u64> {
        self.containers.iter().find(|(_, c)| c.id == id).map(|(n, _)| *n)
    }
}

impl World {
    pub(crate) fn start_agent(&mut self, index: usize) {
        let (now, reachable) = (self.now, self.master.core.is_some());
        let link = self.number();
        let machine = &mut self.machines[index];
        if machine.agent.is_some() || !machine.powered {
            return;
        }
        if now < machine.cut_until || !reachable {
            return self.after(COME_BACK, Happening::AgentStarts { index });
        }
        machine.life += 1;
        machine.started = now;
        machine.link = link;
        machine.tick = None;
        machine.leaves = false;
        let settings = Settings { boot: format!("boot-{}", machine.boots), ..machine.settings.clone() };
        let records = machine.records.values().cloned().collect();
        let (core, recovery) = Core::recover(settings, machine.record.clone(), records, machine.now(now));
        machine.agent = Some(core);
        machine.work.follows(recovery);
        self.open.insert(link);
        self.note(|| format!("agent {index} starts"));
        self.tell_agent(index, AgentNews::Linked);
    }

    /// The agent's process ends. What it has started goes on.
    pub(crate) fn crash_agent(&mut self, index: usize, away: u64) {
        let machine = &mut self.machines[index];
        if machine.agent.take().is_none() {
            return;
        }
        machine.work = Work::default();
        machine.early.clear();
        let life = machine.life;
        let containers: Vec<u64> = machine.containers.keys().copied().collect();
        for container in &mut machine.containers.values_mut() {
            container.waited = false;
        }
        self.note(|| format!("agent {index} ends, for {away} ms"));
        for container in containers {
            let wait = self.delays.between(0, 500);
            let news = ExecutorNews::Disconnected { life };
            self.after(wait, Happening::Executor { machine: index, container, news });
        }
        self.close_link(index);
        self.after(away, Happening::AgentStarts { index });
    }

    fn close_link(&mut self, index: usize) {
        let link = self.machines[index].link;
        if self.open.remove(&link) {
            let (run, wait) = (self.master.run, self.delays.between(0, 2_000));
            let input = Box::new(Input::LinkClosed { link: LinkKey(link) });
            self.after(wait, Happening::Master { run, over: None, input });
        }
    }

    /// The link between agent and master breaks; both learn of it in their own time.
    pub(crate) fn break_link(&mut self, index: usize) {
        if self.machines[index].agent.is_none() {
            return;
        }
        let life = self.machines[index].life;
        self.close_link(index);
        let wait = self.delays.between(0, 2_000);
        self.after(wait, Happening::Agent { index, life, over: None, news: AgentNews::Unlinked });
    }

    /// The machine is off: nothing of it is left but its disk.
    pub(crate) fn lose_power(&mut self, index: usize, away: u64) {
        if !self.machines[index].powered {
            return;
        }
        self.note(|| format!("machine {index} loses power"));
        self.crash_agent(index, away);
        let forgets = self.luck.draw(Fault::PowerLoss).chance(50_000);
        let machine = &mut self.machines[index];
        machine.powered = false;
        machine.boots += 1;
        let lost = std::mem::take(&mut machine.containers);
        if forgets {
            // Containers' records are not forced to disk: they do not outlive the machine's crash anyway.
            machine.records.clear();
        }
        for (container, task) in lost.iter().flat_map(|(n, c)| c.services.keys().map(move |t| (*n, t))) {
            self.child_ends(index, container, task);
        }
        self.after(away, Happening::PowerReturns { index });
    }

    pub(crate) fn power_returns(&mut self, index: usize) {
        self.machines[index].powered = true;
        self.start_agent(index);
    }

    pub(crate) fn tell_agent(&mut self, index: usize, news: AgentNews) {
        self.machines[index].work.arrives(news);
        self.pump_agent(index);
    }

    pub(crate) fn take_news(&mut self, index: usize, news: AgentNews) {
        match news {
            AgentNews::Linked => self.agent_step(index, Event::LinkUp),
            // It does not need the master any more, and does not wait for it.
            AgentNews::Master(_) | AgentNews::Unlinked if self.machines[index].leaves => {}
            AgentNews::Master(message) => {
                self.machines[index].leaves = matches!(*message, ToAgent::Shutdown { .. });
                self.agent_step(index, Event::Master(message));
            }
            AgentNews::Unlinked => self.crash_agent(index, COME_BACK),
            AgentNews::Tick(at) => {
                if self.machines[index].tick == Some(at) {
                    self.machines[index].tick = None;
                    self.agent_step(index, Event::Tick);
                }
            }
            AgentNews::Started(container, result) => {
                let result = result.map(|pid| ProcessId { pid, start_time: 1 });
                self.runner_tells(index, Event::Started { container, result });
            }
            AgentNews::Exited(container, status) => {
                self.runner_tells(index, Event::Exited { container, status });
            }
            AgentNews::Delete(volumes) => {
                self.delete_volumes(index, &volumes);
                self.runner_tells(index, Event::Deleted(volumes));
            }
            AgentNews::Subscribe { container, key, call } => self.executor_comes(index, container, key, call),
            AgentNews::FromExecutor { container, key, call, uuid } => {
                if self.denies(index, container, &key, false) {
                    return self.send_executor(index, container, ExecutorInput::NotAccepted);
                }
                self.machines[index].work.then_answer((container, uuid));
                self.agent_step(index, Event::Executor(key, call));
            }
        }
    }

    /// The runner is done with something: whoever has come too early is heard again.
    fn runner_tells(&mut self, index: usize, event: Event) {
        self.agent_step(index, event);
        let machine = &mut self.machines[index];
        std::mem::take(&mut machine.early).into_iter().for_each(|news| machine.work.arrives(news));
    }

    fn executor_comes(&mut self, index: usize, container: u64, key: Key, call: Box<Call>) {
        if self.machines[index].agent.as_ref().is_some_and(|core| core.is_starting(&key)) {
            self.note(|| format!("container {container} comes before agent {index} knows its process"));
            return self.machines[index].early.push(AgentNews::Subscribe { container, key, call });
        }
        if self.denies(index, container, &key, true) {
            return self.send_executor(index, container, ExecutorInput::Lost);
        }
        self.agent_step(index, Event::Subscribe(key, call));
    }

    fn denies(&mut self, index: usize, container: u64, key: &Key, subscribing: bool) -> bool {
        let Some(core) = &self.machines[index].agent else { return true };
        let admitted = core.admit(key, None, subscribing);
        if let Err(denial) = &admitted {
            self.note(|| format!("agent {index} denies container {container}: {denial:?}"));
        }
        admitted.is_err()
    }

    fn agent_step(&mut self, index: usize, event: Event) {
        let now = self.now;
        let machine = &mut self.machines[index];
        let time = machine.now(now);
        let Some(core) = &mut machine.agent else { return };
        self.steps += 1;
        machine.work.follows(core.step(event, time, &mut machine.ids));
    }

    pub(crate) fn arm_agent(&mut self, index: usize) {
        let now = self.now;
        let machine = &mut self.machines[index];
        let Some(at) = machine.agent.as_ref().and_then(Core::next_deadline) else { return };
        let at = (machine.started + u64::try_from(at.as_millis()).unwrap_or(u64::MAX)).max(now) + 1;
        if machine.tick.is_none_or(|armed| at < armed) {
            machine.tick = Some(at);
            let life = machine.life;
            self.after(at - now, Happening::Agent { index, life, over: None, news: AgentNews::Tick(at) });
        }
    }
}

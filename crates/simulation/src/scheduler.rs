//! A scheduler's process: a core, its store, its connection to the master. It does what the SDK's driver does.

use std::sync::Arc;

use cairn_framework::core::{Core, Effect, Event, Setup};
use cairn_framework::store::{MemoryStore, Store};
use cairn_framework::{Command, Config, Progress, Service, Verdict, simulation};
use cairn_mesos::v1::scheduler::Event as MasterEvent;
use serde_json::Value;

use crate::check::Before;
use crate::child::Home;
use crate::connection::Connection;
use crate::fault::Fault;
use crate::machine::ServiceStep;
use crate::paused::Paused;
use crate::rng::Rng;
use crate::service::{Kind, Shape};
use crate::stack::{Part, Stack};
use crate::work::{Next, Work};
use crate::world::{Happening, World};

pub(crate) const MASTER: &str = "127.0.0.1:5050";

/// What a scheduler process gets.
#[derive(Debug)]
pub(crate) enum Incoming {
    Event(Box<MasterEvent>),
    Disconnected,
    CallFailed,
    /// The master has taken that it leaves.
    Left,
    Verdict(u64, Verdict),
    Progress(u64, Progress),
    /// A fact from a watcher.
    Observe(String, Value),
    /// What the controller asks of itself.
    Tidy(Box<Command>),
    /// An operator's request.
    Command(Box<Command>),
    Tick,
}

/// One scheduler: what outlives its processes, and the process there is.
pub(crate) struct Scheduler {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    service: Arc<dyn Service>,
    pub(crate) store: Arc<MemoryStore>,
    /// What each process is given at its start.
    pub(crate) file: Config,
    pub(crate) core: Option<Core>,
    /// Counts its processes.
    pub(crate) life: u64,
    pub(crate) connection: Option<Connection>,
    /// Operators are answered with the generation of what they have asked for.
    pub(crate) work: Work<Effect, u64, Incoming>,
    pub(crate) wake: Option<u64>,
    /// How far its clock is off, milliseconds.
    pub(crate) skew: i64,
    pub(crate) cut_until: u64,
    pub(crate) full_until: u64,
    /// Other candidates stand by.
    pub(crate) has_candidates: bool,
    /// A process that has been stopped, and may go on.
    pub(crate) paused: Option<Box<Paused>>,
    /// Of a child scheduler: the process that it is, while there is one.
    pub(crate) home: Option<Home>,
    /// Its processes are those of a program that is newer than this one.
    pub(crate) newer: bool,
    /// Such a program has opened its store.
    pub(crate) marked: bool,
}

impl Scheduler {
    pub(crate) fn new(number: u64, rng: &mut Rng) -> Self {
        let kind = [Kind::Quorum, Kind::Shards, Kind::Workers][rng.index(3).unwrap_or_default()];
        let shape = Shape { count: rng.between(1, 4), ..Shape::default() };
        let file = Config { revision: 1, options: shape.to_value().into(), ..Config::default() };
        Self::of(format!("demo-{}{number}", kind.framework()), kind, kind.service(), file)
    }

    /// The controller, and a child scheduler for each service that the stack may have.
    pub(crate) fn all_of(stack: &Stack) -> Vec<Self> {
        let kind = Kind::Controller;
        let name = kind.framework().to_owned();
        let controller = Self::of(name, kind, stack.simulated.service(), Config::default());
        let child =
            |part: &Part| Self::of(part.framework(), part.kind, part.kind.service(), Config::default());
        std::iter::once(controller).chain(stack.parts.iter().map(child)).collect()
    }

    fn of(name: String, kind: Kind, service: Arc<dyn Service>, file: Config) -> Self {
        Self {
            name,
            kind,
            service,
            store: Arc::default(),
            file,
            core: None,
            life: 0,
            connection: None,
            work: Work::default(),
            wake: None,
            skew: 0,
            cut_until: 0,
            full_until: 0,
            has_candidates: false,
            paused: None,
            home: None,
            newer: false,
            marked: false,
        }
    }

    pub(crate) fn connection_key(&self) -> Option<u64> {
        self.connection.as_ref().map(|c| c.key)
    }

    /// Whether this process is still there, and still listens to this connection.
    pub(crate) fn hears(&self, life: u64, over: Option<u64>) -> bool {
        self.core.is_some() && self.life == life && (over.is_none() || over == self.connection_key())
    }

    /// What it is configured to be at its start.
    pub(crate) fn shape(&self) -> Shape {
        Shape::read(&self.file.options)
    }

    /// Its clock and its disk are right again, and the master can be reached.
    pub(crate) fn heal(&mut self) {
        self.skew = 0;
        self.full_until = 0;
        self.cut_until = 0;
    }

    /// The id with which the connection stands.
    pub(crate) fn framework_id(&self) -> Option<String> {
        self.connection.as_ref()?.framework_id.clone()
    }

    /// Its clock.
    pub(crate) fn clock(&self, now: u64) -> u64 {
        now.saturating_add_signed(self.skew)
    }
}

impl World {
    /// The scheduler of a framework of this name.
    pub(crate) fn scheduler_of(&self, framework: &str) -> Option<usize> {
        self.schedulers.iter().position(|scheduler| scheduler.name == framework)
    }

    pub(crate) fn start_scheduler(&mut self, index: usize) {
        let now = self.now;
        let scheduler = &mut self.schedulers[index];
        if scheduler.core.is_some() {
            return;
        }
        self.take_the_lead(index);
        self.schedulers[index].life += 1;
        if !self.opens_store(index) {
            return;
        }
        let scheduler = &mut self.schedulers[index];
        let (life, mut count, salt) = (scheduler.life, 0_u64, scheduler.name.clone());
        let ids = Box::new(move || {
            count += 1;
            format!("{salt}-{life}-{count}")
        });
        let setup = Setup {
            framework: scheduler.name.clone(),
            master: MASTER.into(),
            executor_uri: "http://127.0.0.1:9/cairn".into(),
            room_ms: 3_000,
        };
        let mut entries = scheduler.store.load().expect("memory can be read");
        simulation::reveal(&mut entries, &scheduler.file, scheduler.service.secrets())
            .expect("it has stored this itself");
        let mut core = Core::new(Arc::clone(&scheduler.service), setup, &entries, ids)
            .expect("it has stored this itself");
        // The controller is configured over REST, once it has been started for the first time.
        let given = match scheduler.kind == Kind::Controller && core.configured() {
            true => Ok(Vec::new()),
            false => core.given(scheduler.file.clone(), scheduler.clock(now)),
        };
        scheduler.core = Some(core);
        match given {
            Ok(effects) => scheduler.work.follows(effects),
            Err(problems) => self.violate("what a stack's check lets pass is accepted", || {
                format!("{} refuses its configuration: {problems:?}", self_name(index))
            }),
        }
        self.note(|| format!("{} starts", self_name(index)));
        self.published(index);
        self.pump(index);
        if self.schedulers[index].core.is_some() {
            self.connect_soon(index, 0);
        }
    }

    /// Its process ends; whatever runs on the cluster goes on. That of a child scheduler is a task, which the controller
    /// launches anew.
    pub(crate) fn crash_scheduler(&mut self, index: usize, away: u64) {
        if self.schedulers[index].core.is_none() && !self.kill_paused(index) {
            return;
        }
        if let Some(home) = self.schedulers[index].home.clone() {
            return self.service_step(home.machine, home.container, &home.task, ServiceStep::Crashes);
        }
        self.note(|| format!("{} is away for {away} ms", self_name(index)));
        self.end_process(index);
        self.after(away, Happening::SchedulerStarts { index });
    }

    /// Nothing is left of its process.
    pub(crate) fn end_process(&mut self, index: usize) {
        let scheduler = &mut self.schedulers[index];
        if scheduler.core.take().is_none() {
            self.kill_paused(index);
            return;
        }
        scheduler.work = Work::default();
        scheduler.wake = None;
        self.note(|| format!("{} ends", self_name(index)));
        self.break_connection(index);
        self.schedulers[index].connection = None;
        self.forget_controller(index);
    }

    /// What the controller's process knew, if this is the controller's, is gone with it.
    pub(crate) fn forget_controller(&mut self, index: usize) {
        if self.schedulers[index].kind == Kind::Controller
            && let Some(stack) = &mut self.stack
        {
            stack.forget_process();
        }
    }

    pub(crate) fn tell_scheduler(&mut self, index: usize, message: Incoming) {
        self.schedulers[index].work.arrives(message);
        self.pump(index);
    }

    pub(crate) fn wake_scheduler(&mut self, index: usize, life: u64, at: u64) {
        let scheduler = &mut self.schedulers[index];
        if scheduler.hears(life, None) && scheduler.wake == Some(at) {
            scheduler.wake = None;
            self.tell_scheduler(index, Incoming::Tick);
        }
    }

    /// The store has written what it was given.
    pub(crate) fn written(&mut self, index: usize, life: u64) {
        if self.schedulers[index].hears(life, None) {
            self.schedulers[index].work.write_ends();
            self.pump(index);
        }
    }

    /// Carries out effects, and takes what has come in when there are none left.
    pub(crate) fn pump(&mut self, index: usize) {
        while self.violation.is_none() {
            let scheduler = &mut self.schedulers[index];
            if scheduler.core.is_none() {
                return;
            }
            let can_pause = scheduler.can_pause();
            match scheduler.work.next() {
                Next::Effect(effect) if can_pause && self.luck.strikes(Fault::SchedulerPaused, 25) => {
                    return self.pause_scheduler(index, effect);
                }
                Next::Effect(_) if self.luck.strikes(Fault::SchedulerCrash, 40) => {
                    let away = self.luck.draw(Fault::SchedulerCrash).between(50, 20_000);
                    return self.crash_scheduler(index, away);
                }
                Next::Effect(effect) => self.scheduler_effect(index, effect),
                Next::Answer(generation) => self.check_promise(index, generation),
                Next::Input(message) => {
                    self.check_at_rest(index);
                    self.hang_up_if_gone(index);
                    self.take(index, message);
                }
                Next::Nothing => {
                    self.check_at_rest(index);
                    return self.hang_up_if_gone(index);
                }
                Next::Writing => return,
            }
        }
    }

    fn take(&mut self, index: usize, message: Incoming) {
        let now = self.schedulers[index].clock(self.now);
        let event = match message {
            Incoming::Command(command) => return self.take_command(index, *command, now),
            Incoming::Tidy(command) => {
                if let Some(stack) = &mut self.stack {
                    stack.tidying = false;
                }
                return self.take_command(index, *command, now);
            }
            Incoming::Observe(key, value) => Event::Observe(key, value),
            Incoming::Event(event) => match self.heard(index, *event) {
                Some(event) => event,
                None => return,
            },
            Incoming::Disconnected => {
                self.schedulers[index].connection = None;
                self.connect_soon(index, 500);
                Event::Disconnected
            }
            Incoming::CallFailed => Event::CallFailed,
            Incoming::Left => Event::Left,
            Incoming::Verdict(number, verdict) => Event::Verdict(number, verdict),
            Incoming::Progress(number, progress) => Event::Progress(number, progress),
            Incoming::Tick => Event::Tick,
        };
        self.steps += 1;
        self.note_event(index, &event);
        let before = self.before(index, &event);
        let Some(core) = &mut self.schedulers[index].core else { return };
        let effects = core.step(event, now);
        self.check_step(index, &before, &effects, now);
        let scheduler = &mut self.schedulers[index];
        scheduler.wake = None;
        scheduler.work.follows(effects);
        self.published(index);
    }

    fn take_command(&mut self, index: usize, command: Command, now: u64) {
        self.steps += 1;
        self.note(|| format!("{}: asked for {}", self_name(index), crate::words::command(&command)));
        self.ledger.allow(index, &self.schedulers[index].name, &command);
        let before = Before::command(&command);
        let Some(core) = &mut self.schedulers[index].core else { return };
        let (result, effects) = core.command(command, now);
        self.check_step(index, &before, &effects, now);
        let scheduler = &mut self.schedulers[index];
        scheduler.wake = None;
        // A refused command has no effects, and no timer either: the driver looks again at once.
        let soon = vec![Effect::WakeAt(now + 1)];
        scheduler.work.follows(if effects.is_empty() { soon } else { effects });
        match result {
            Ok(accepted) => scheduler.work.then_answer(accepted.generation),
            Err(problem) => {
                self.note(|| format!("{}: refuses: {}", self_name(index), problem.detail));
            }
        }
        self.published(index);
    }
}

pub(crate) fn self_name(index: usize) -> String {
    format!("scheduler {index}")
}

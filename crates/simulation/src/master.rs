//! The master's process: its core, what its registry holds, and its connections.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use cairn_cluster::master::registry::RegistryState;
use cairn_cluster::master::{Effect, Identity, Input, Master, Reply, StreamKey, Timeouts};
use cairn_cluster::wire::ToAgent;

use crate::fault::Fault;
use crate::ledger::Called;
use crate::machine::AgentNews;
use crate::scheduler::Incoming;
use crate::work::{Next, Work};
use crate::world::{Happening, Lane, World};

/// The process, or its absence.
#[derive(Debug, Default)]
pub(crate) struct MasterHost {
    pub(crate) core: Option<Master>,
    pub(crate) registry: RegistryState,
    /// Counts its starts.
    pub(crate) run: u64,
    timer: Option<u64>,
    /// Its answers are effects.
    work: Work<Effect, Infallible, Input>,
    pub(crate) full_until: u64,
    /// How far its clock is off, milliseconds: it looks at it when it starts.
    skew: i64,
}

impl MasterHost {
    pub(crate) fn is(&self, run: u64) -> bool {
        self.core.is_some() && self.run == run
    }

    /// Its clock.
    fn clock(&self, now: u64) -> Duration {
        Duration::from_millis(now.saturating_add_signed(self.skew))
    }
}

impl World {
    pub(crate) fn start_master(&mut self) {
        if self.master.core.is_some() {
            return;
        }
        self.master.run += 1;
        self.master.timer = None;
        let identity = Identity {
            id: uuid::Uuid::from_u128(u128::from(self.master.run)),
            hostname: "master".into(),
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 5050,
            domain: None,
        };
        let timeouts = Timeouts::default();
        if self.luck.strikes(Fault::MachineClock, 10_000) {
            self.master.skew = self.luck.draw(Fault::MachineClock).clock_jump();
        }
        let now = self.master.clock(self.now);
        self.master.core = Some(Master::new(identity, timeouts, self.master.registry.clone(), now));
        self.note(|| "master starts".into());
        self.arm_master();
    }

    /// The master's process ends; everybody who talks with it will notice.
    pub(crate) fn crash_master(&mut self) {
        if self.master.core.take().is_none() {
            return;
        }
        self.note(|| "master crashes".into());
        for index in 0..self.schedulers.len() {
            self.break_connection(index);
        }
        for index in 0..self.machines.len() {
            self.break_link(index);
        }
        self.master.work = Work::default();
        let away = self.luck.draw(Fault::MasterCrash).between(100, 30_000);
        self.after(away, Happening::MasterStarts);
    }

    pub(crate) fn master_timer(&mut self, run: u64) {
        if self.master.is(run) && self.master.timer.is_some_and(|at| at <= self.now) {
            self.master.timer = None;
            self.tell_master(Input::Timer);
        }
    }

    fn arm_master(&mut self) {
        let Some(core) = &self.master.core else { return };
        let Some(deadline) = core.next_deadline() else { return };
        let at = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        let at = at.saturating_add_signed(-self.master.skew).max(self.now) + 1;
        if self.master.timer.is_none_or(|armed| at < armed) {
            self.master.timer = Some(at);
            let run = self.master.run;
            self.after(at - self.now, Happening::MasterTimer { run });
        }
    }

    pub(crate) fn tell_master(&mut self, input: Input) {
        self.master.work.arrives(input);
        self.pump_master();
    }

    /// Its registry has written what it was given.
    pub(crate) fn master_written(&mut self, run: u64) {
        if self.master.is(run) {
            self.master.work.write_ends();
            self.pump_master();
        }
    }

    /// Carries out effects, and takes what has come in when there are none left.
    fn pump_master(&mut self) {
        loop {
            let now = self.master.clock(self.now);
            let Some(core) = &mut self.master.core else { return };
            match self.master.work.next() {
                Next::Effect(_) if self.luck.strikes(Fault::MasterCrash, 8) => return self.crash_master(),
                Next::Effect(effect) => self.master_effect(effect),
                Next::Answer(never) => match never {},
                Next::Input(input) => {
                    self.steps += 1;
                    self.ledger.hears(&input);
                    self.master.work.follows(core.step(input, now));
                }
                Next::Nothing => return self.arm_master(),
                Next::Writing => return,
            }
        }
    }

    fn persist(&mut self) {
        let Some(core) = &self.master.core else { return };
        let registry = core.registry();
        if registry == self.master.registry {
            return;
        }
        if self.luck.strikes(Fault::RegistryFull, 200) {
            let long = self.luck.draw(Fault::RegistryFull).between(100, 40_000);
            self.master.full_until = self.now + long;
        }
        if self.now < self.master.full_until {
            self.note(|| "the master's disk is full".into());
            return self.crash_master();
        }
        self.master.registry = registry;
        if self.luck.strikes(Fault::RegistrySlow, 500) {
            let (run, long) = (self.master.run, self.luck.draw(Fault::RegistrySlow).between(50, 10_000));
            self.note(|| format!("the master writes for {long} ms"));
            self.master.work.write_begins();
            self.after(long, Happening::MasterWrites { run });
        }
    }

    fn master_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Persist => self.persist(),
            Effect::Publish { .. } => {}
            Effect::Send { stream, event } => {
                let Some((index, life)) = self.scheduler_on(stream) else { return };
                let message = Incoming::Event(event);
                let over = Some(stream.0);
                self.send(Lane::FromMaster(stream.0), Happening::Scheduler { index, life, over, message });
            }
            Effect::CloseStream { stream } => {
                let Some((index, life)) = self.scheduler_on(stream) else { return };
                let over = Some(stream.0);
                let message = Incoming::Disconnected;
                self.send(Lane::FromMaster(stream.0), Happening::Scheduler { index, life, over, message });
            }
            Effect::Reply { key, reply } => self.answer_call(key.0, &reply),
            Effect::ToAgent { link, message } => {
                self.check_order(&message);
                let found = self.machines.iter().position(|m| m.link == link.0);
                let Some(index) = found else { return };
                self.check_standing(index, &message);
                let (life, over) = (self.machines[index].life, Some(link.0));
                let news = AgentNews::Master(message);
                self.send(Lane::FromMaster(link.0), Happening::Agent { index, life, over, news });
            }
            Effect::CloseLink { link } => {
                let Some(index) = self.machines.iter().position(|m| m.link == link.0) else {
                    self.open.remove(&link.0);
                    return;
                };
                // After what has been sent before.
                let (life, over, news) = (self.machines[index].life, Some(link.0), AgentNews::Unlinked);
                self.send(Lane::FromMaster(link.0), Happening::Agent { index, life, over, news });
            }
        }
    }

    /// Which scheduler process reads a stream.
    fn scheduler_on(&self, stream: StreamKey) -> Option<(usize, u64)> {
        let reads = |s: &&crate::scheduler::Scheduler| s.connection_key() == Some(stream.0);
        let index = self.schedulers.iter().position(|s| reads(&s))?;
        Some((index, self.schedulers[index].life))
    }

    /// The scheduler learns how its call went.
    fn answer_call(&mut self, key: u64, reply: &Reply) {
        self.decided(key, reply);
        let Some(Called { index, life, over, leaves }) = self.ledger.calls.remove(&key) else { return };
        self.check_heard(index, over, reply);
        match reply {
            Reply::Refused { status, text } => {
                self.note(|| format!("master refuses a call: {status} {text}"));
                let message = Incoming::CallFailed;
                let news = Happening::Scheduler { index, life, over: Some(over), message };
                self.send(Lane::FromMaster(over), news);
            }
            Reply::Accepted if leaves => {
                // Calls are answered on a connection of their own; that of the events is closed at the same time.
                let (wait, message) = (self.delays.between(1, 20), Incoming::Left);
                self.after(wait, Happening::Scheduler { index, life, over: None, message });
            }
            _ => {}
        }
    }

    /// Nobody stops what no scheduler and no operator wants stopped.
    fn check_order(&mut self, message: &ToAgent) {
        match message {
            ToAgent::Checkpoint { destroyed, .. } if !destroyed.is_empty() => {
                self.note(|| format!("master has {} volumes destroyed", destroyed.len()));
            }
            ToAgent::Kill { task_id, .. } if !self.ledger.killed.contains(&task_id.value) => {
                self.violate("only what is to be stopped is stopped", || {
                    format!("the master has {} killed, which no scheduler has asked for", task_id.value)
                });
            }
            ToAgent::ShutdownFramework { framework_id }
                if !self.ledger.torn.contains(&framework_id.value) =>
            {
                self.violate("only what is to be stopped is stopped", || {
                    format!("the master has framework {} stopped", framework_id.value)
                });
            }
            _ => {}
        }
    }
}

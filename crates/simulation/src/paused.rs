//! Schedulers that are stopped for a while, as by SIGSTOP, and go on with what they had in mind. Where another candidate
//! stands by, it leads by then: the store refuses what the one before it writes, and the master what that one calls.

use std::mem;

use cairn_framework::core::{Core, Effect};
use cairn_mesos::v1::scheduler::{Call, call};

use crate::connection::Connection;
use crate::fault::Fault;
use crate::scheduler::{Incoming, Scheduler, self_name};
use crate::work::Work;
use crate::world::{Happening, World};

/// How long a candidate waits for the leader's session to end, milliseconds: at least, at most.
const SESSION: (u64, u64) = (4_000, 10_000);

/// A process that has been stopped.
pub(crate) struct Paused {
    life: u64,
    core: Core,
    work: Work<Effect, u64, Incoming>,
    wake: Option<u64>,
    /// Of one that another has taken over from; until then it is where it was.
    connection: Option<Connection>,
    /// What it was about to do. If that is a call, it has looked already whether it leads.
    in_hand: Effect,
}

impl Scheduler {
    /// Whether it can be stopped: none of its processes is stopped already.
    pub(crate) fn can_pause(&self) -> bool {
        self.paused.is_none()
    }

    /// What comes for a process that is stopped waits for it.
    pub(crate) fn keep(&mut self, life: u64, over: Option<u64>, message: Incoming) {
        let leads = self.core.is_none() && self.life == life;
        let hears = over.is_none() || over == self.connection_key();
        if let Some(paused) = self.paused.as_mut().filter(|paused| paused.life == life && leads && hears) {
            paused.work.arrives(message);
        }
    }
}

impl World {
    /// A scheduler is stopped just before it does something.
    pub(crate) fn pause_scheduler(&mut self, index: usize, in_hand: Effect) {
        let scheduler = &mut self.schedulers[index];
        let Some(core) = scheduler.core.take() else { return };
        let life = scheduler.life;
        let (work, wake) = (mem::take(&mut scheduler.work), scheduler.wake.take());
        scheduler.paused = Some(Box::new(Paused { life, core, work, wake, connection: None, in_hand }));
        // Whoever launches child schedulers does not notice, and launches no other.
        let has_candidates = scheduler.has_candidates && scheduler.home.is_none();
        let rng = self.luck.draw(Fault::SchedulerPaused);
        let (long, session) = (rng.between(100, 40_000), rng.between(SESSION.0, SESSION.1));
        self.note(|| format!("{} is stopped for {long} ms", self_name(index)));
        self.after(long, Happening::SchedulerResumes { index, life });
        if has_candidates && session < long {
            self.after(session, Happening::SchedulerStarts { index });
        }
    }

    /// A candidate is about to lead: what the one before it was connected with is that one's own.
    pub(crate) fn take_the_lead(&mut self, index: usize) {
        let scheduler = &mut self.schedulers[index];
        let life = scheduler.life;
        let Some(paused) = scheduler.paused.as_mut().filter(|paused| paused.life == life) else { return };
        paused.connection = scheduler.connection.take();
        self.note(|| format!("another candidate of {} leads", self_name(index)));
        self.forget_controller(index);
    }

    /// A process that is stopped, and leads, is ended. False: there is none.
    pub(crate) fn kill_paused(&mut self, index: usize) -> bool {
        let scheduler = &mut self.schedulers[index];
        let (life, ended) = (scheduler.life, scheduler.core.is_none());
        let is_there = scheduler.paused.take_if(|paused| ended && paused.life == life).is_some();
        if is_there {
            self.note(|| format!("{} is ended while it is stopped", self_name(index)));
            self.break_connection(index);
            self.schedulers[index].connection = None;
            self.forget_controller(index);
        }
        is_there
    }

    /// A stopped process goes on.
    pub(crate) fn resume_scheduler(&mut self, index: usize, life: u64) {
        let scheduler = &mut self.schedulers[index];
        let Some(paused) = scheduler.paused.take_if(|paused| paused.life == life) else { return };
        if scheduler.life != life {
            return self.end_former(index, *paused);
        }
        let Paused { core, work, wake, in_hand, .. } = *paused;
        scheduler.core = Some(core);
        scheduler.work = work;
        scheduler.wake = wake;
        let is_connected = scheduler.connection.is_some();
        self.note(|| format!("{} goes on", self_name(index)));
        if let Some(at) = wake {
            self.after(at.saturating_sub(self.now), Happening::SchedulerWakes { index, life, at });
        }
        if !is_connected {
            self.connect_soon(index, 0);
        }
        self.watch_again(index);
        self.scheduler_effect(index, in_hand);
        self.pump(index);
    }

    /// It does not lead any more. A call that it was about to make is made; all else asks the store first, which says so, and
    /// so its process ends.
    fn end_former(&mut self, index: usize, former: Paused) {
        self.note(|| format!("the former leader of {} goes on, and ends", self_name(index)));
        let Some(connection) = former.connection else { return };
        if let Effect::Call(call) = former.in_hand {
            self.note_wanted(&connection, &call);
            self.send_call(index, former.life, &connection, *call);
        }
        self.hang_up(connection.key);
    }

    /// What its call asks for has been wanted, by what was stored then.
    fn note_wanted(&mut self, connection: &Connection, call: &Call) {
        match call.r#type() {
            call::Type::Kill => {
                self.ledger.killed.extend(call.kill.iter().map(|kill| kill.task_id.value.clone()));
            }
            call::Type::Teardown => self.ledger.torn.extend(connection.framework_id.clone()),
            _ => {}
        }
    }
}

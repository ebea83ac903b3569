//! Schedulers that are upgraded to a newer program and then started as this one again, which is older than what they have
//! stored by then: it is refused, as often as it is started, until the newer program is back.
//!
//! The newer program is this one with another mark; what it would store besides is nothing that this one could read.

use cairn_framework::store::SCHEMA;

use crate::fault::Fault;
use crate::machine::ServiceStep;
use crate::scheduler::self_name;
use crate::world::{Happening, World};

/// How long it takes until a process is started by another program, milliseconds.
const INSTALL: u64 = 500;
/// A program that ends at once is started again after so long, milliseconds.
const AGAIN: u64 = 1_000;

fn newer() -> String {
    (SCHEMA + 1).to_string()
}

impl World {
    /// A scheduler is upgraded, then set back, and upgraded again.
    pub(crate) fn change_program(&mut self) {
        if self.luck.strikes(Fault::ProgramOlder, 700) {
            let rng = self.luck.draw(Fault::ProgramOlder);
            let index = rng.index(self.schedulers.len()).unwrap_or_default();
            let (until, long) = (rng.between(1_000, 30_000), rng.between(1_000, 60_000));
            self.install(index, true);
            self.after(until, Happening::Installs { index, newer: false });
            self.after(until + long, Happening::Installs { index, newer: true });
        }
    }

    /// From now on a scheduler is started by another program.
    pub(crate) fn install(&mut self, index: usize, newer: bool) {
        let scheduler = &mut self.schedulers[index];
        if scheduler.newer == newer {
            return;
        }
        scheduler.newer = newer;
        let which = if newer { "a newer" } else { "this" };
        self.note(|| format!("{} is {which} program from now on", self_name(index)));
        self.crash_scheduler(index, INSTALL);
    }

    /// A process opens its store. False: it is refused, and ends.
    pub(crate) fn opens_store(&mut self, index: usize) -> bool {
        let scheduler = &mut self.schedulers[index];
        if scheduler.newer {
            scheduler.store.write_schema(&newer());
            scheduler.marked = true;
            return true;
        }
        let opened = scheduler.store.open();
        if scheduler.store.schema() != Some(newer()) {
            self.check_program(index, "changes the mark");
        }
        let Err(problem) = opened else { return true };
        self.note(|| format!("{} ends at once: {problem}", self_name(index)));
        match self.schedulers[index].home.clone() {
            Some(home) => {
                self.service_later(home.machine, home.container, &home.task, ServiceStep::Crashes, 1);
            }
            None => self.after(AGAIN, Happening::SchedulerStarts { index }),
        }
        false
    }

    /// A process does something that is not for one whose program is older than the state.
    pub(crate) fn check_program(&mut self, index: usize, does: &str) {
        let scheduler = &self.schedulers[index];
        if scheduler.marked && !scheduler.newer {
            self.violate("an older program leaves a newer state alone", || {
                format!("scheduler {index} {does}, and its program is older than its state")
            });
        }
    }
}

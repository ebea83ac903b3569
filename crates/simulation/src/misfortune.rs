//! What goes wrong by itself: no message and no write brings it about.

use crate::fault::Fault;
use crate::machine::ServiceStep;
use crate::world::{Happening, World};

impl World {
    /// Something goes wrong that no message or write brings about.
    pub(crate) fn misfortune(&mut self) {
        if self.luck.is_calm() {
            return;
        }
        let pause = self.delays.between(500, 3_000);
        self.after(pause, Happening::Misfortune);
        self.cut_somebody();
        self.take_out_of_use();
        self.change_program();
        if self.luck.strikes(Fault::PowerLoss, 1_000) {
            let rng = self.luck.draw(Fault::PowerLoss);
            let (index, away) = (rng.index(self.machines.len()), rng.between(1_000, 200_000));
            self.lose_power(index.unwrap_or_default(), away);
        }
        if self.luck.strikes(Fault::ClockJump, 2_000) {
            let rng = self.luck.draw(Fault::ClockJump);
            let index = rng.index(self.schedulers.len()).unwrap_or_default();
            let jump = rng.clock_jump();
            self.note(|| format!("the clock of scheduler {index} jumps by {jump} ms"));
            self.schedulers[index].skew += jump;
        }
        if self.luck.strikes(Fault::MachineClock, 2_000) {
            let rng = self.luck.draw(Fault::MachineClock);
            let index = rng.index(self.machines.len()).unwrap_or_default();
            let jump = rng.clock_jump();
            self.note(|| format!("the clock of agent {index} jumps by {jump} ms"));
            self.machines[index].skew += jump;
        }
        for (fault, step) in
            [(Fault::ServiceCrash, ServiceStep::Crashes), (Fault::LyingProbe, ServiceStep::Flaps)]
        {
            if self.luck.strikes(fault, 6_000) {
                self.hit_service(fault, step);
            }
        }
    }

    fn cut_somebody(&mut self) {
        if self.luck.strikes(Fault::SchedulerCut, 3_000) {
            let rng = self.luck.draw(Fault::SchedulerCut);
            let (index, long) =
                (rng.index(self.schedulers.len()).unwrap_or_default(), rng.between(100, 60_000));
            self.note(|| format!("scheduler {index} and the master are cut off for {long} ms"));
            self.schedulers[index].cut_until = self.now + long;
            self.break_connection(index);
        }
        if self.luck.strikes(Fault::AgentCut, 2_000) {
            let rng = self.luck.draw(Fault::AgentCut);
            let (index, long) =
                (rng.index(self.machines.len()).unwrap_or_default(), rng.between(100, 150_000));
            self.note(|| format!("agent {index} and the master are cut off for {long} ms"));
            self.machines[index].cut_until = self.now + long;
            self.break_link(index);
        }
    }

    fn hit_service(&mut self, fault: Fault, step: ServiceStep) {
        let all: Vec<(usize, u64, String)> = self.services();
        if let Some(hit) = self.luck.draw(fault).index(all.len()) {
            let (machine, container, task) = &all[hit];
            self.note(|| format!("{task} {step:?}"));
            self.service_later(*machine, *container, task, step, 1);
        }
    }

    /// Every service process.
    pub(crate) fn services(&self) -> Vec<(usize, u64, String)> {
        let mut all = Vec::new();
        for (index, machine) in self.machines.iter().enumerate() {
            for (number, container) in &machine.containers {
                all.extend(container.services.keys().map(|task| (index, *number, task.clone())));
            }
        }
        all
    }
}

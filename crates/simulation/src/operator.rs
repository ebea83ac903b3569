//! Operators: what they ask for at random, and what they want in the end.

use cairn_framework::core::Core;
use cairn_framework::{Action, Ask, Command, Config, Moment, Phase, Verdict};

use crate::fault::Plan;
use crate::machine::{Machine, ServiceStep};
use crate::rng::Rng;
use crate::scheduler::{Incoming, Scheduler};
use crate::service::{Kind, Shape};
use crate::world::{Happening, World};

/// What operators want of one service.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) shape: Shape,
    /// It is to be gone; with its data.
    pub(crate) destroyed: Option<bool>,
}

pub(crate) struct Operator {
    pub(crate) rng: Rng,
    left: u64,
    pub(crate) wishes: Vec<Wish>,
}

impl Operator {
    pub(crate) fn new(plan: &Plan, schedulers: &[Scheduler]) -> Self {
        let wish = |s: &Scheduler| Wish { shape: s.shape(), destroyed: None };
        Self {
            rng: Rng::new(plan.seed, 5),
            left: plan.most_requests,
            wishes: schedulers.iter().map(wish).collect(),
        }
    }
}

impl World {
    /// An operator may ask for something.
    pub(crate) fn operate(&mut self) {
        if self.luck.is_calm() || self.operator.left == 0 {
            return;
        }
        self.operator.left -= 1;
        let pause = self.operator.rng.between(500, 15_000);
        self.after(pause, Happening::Operator);
        if self.stack.is_some() {
            return self.operate_stack();
        }
        let index = self.operator.rng.index(self.schedulers.len()).unwrap_or_default();
        if self.operator.wishes[index].destroyed.is_some() {
            return self.create_again(index);
        }
        let kind = self.schedulers[index].kind;
        match self.operator.rng.below(16) {
            0..=2 => self.reshape(index, |shape, rng| shape.count = rng.between(1, 4)),
            3..=5 => self.reshape(index, |shape, rng| shape.mark = rng.below(1_000)),
            6 => self.reshape(index, |shape, rng| shape.cpus = rng.between(1, 2)),
            7 => self.reshape(index, |shape, rng| {
                shape.mark = rng.below(1_000);
                shape.broken = !shape.broken;
            }),
            8..=14 => self.operate_on(index),
            _ => {
                let delete_data = kind == Kind::Workers || self.operator.rng.chance(50_000);
                self.destroy(index, delete_data);
            }
        }
    }

    /// Something is asked of a service's scheduler about what runs, or it is paused.
    pub(crate) fn operate_on(&mut self, index: usize) {
        let rng = &mut self.operator.rng;
        let node = format!("node-{}", rng.below(4));
        let command = match rng.below(7) {
            0 => Command::Restart(vec![node]),
            1 => Command::Stop { instances: vec![node], force: rng.chance(30_000) },
            2 => Command::Start(vec![node]),
            3 => Command::Pause,
            4 => Command::Continue,
            5 => Command::DeleteData(node),
            _ => Command::Replace(node),
        };
        self.ask_scheduler(index, command);
    }

    fn destroy(&mut self, index: usize, delete_data: bool) {
        self.operator.wishes[index].destroyed = Some(delete_data);
        self.ask_scheduler(index, Command::Destroy { delete_data });
    }

    /// A new configuration: over REST, or by file and restart as the controller does it.
    fn reshape(&mut self, index: usize, change: impl Fn(&mut Shape, &mut Rng)) {
        let shape = &mut self.operator.wishes[index].shape;
        change(shape, &mut self.operator.rng);
        let options = shape.to_value();
        if self.operator.rng.chance(50_000) {
            return self.give_file(index);
        }
        let config = self.schedulers[index].core.as_ref().map(Core::config);
        if let Some(config) = config {
            let config = Box::new(Config { options: options.into(), ..config });
            self.ask_scheduler(index, Command::Configure { config, expected: None });
        }
    }

    /// The scheduler is stopped and started with the newest wish.
    fn give_file(&mut self, index: usize) {
        let options = self.operator.wishes[index].shape.to_value();
        let scheduler = &mut self.schedulers[index];
        scheduler.file.revision += 1;
        scheduler.file.options = options.into();
        let file = scheduler.file.clone();
        self.note(|| {
            format!("operator gives scheduler {index} revision {}: {}", file.revision, file.options)
        });
        self.crash_scheduler(index, 300);
    }

    /// A service that is gone may be wanted again.
    fn create_again(&mut self, index: usize) {
        if self.schedulers[index].core.as_ref().is_some_and(Core::destroyed) {
            self.operator.wishes[index].destroyed = None;
            self.give_file(index);
        }
    }

    pub(crate) fn ask_scheduler(&mut self, index: usize, command: Command) {
        let life = self.schedulers[index].life;
        let message = Incoming::Command(Box::new(command));
        let wait = self.delays.between(1, 50);
        self.after(wait, Happening::Scheduler { index, life, over: None, message });
    }

    /// What the service itself says: would it bear this step?
    pub(crate) fn gate(&self, index: usize, ask: &Ask) -> Verdict {
        let role = &self.schedulers[index].name;
        let serves = |instance: &str| {
            let services =
                self.machines.iter().flat_map(|m| m.containers.values()).flat_map(|c| c.services.values());
            services.into_iter().any(|s| s.owner.0 == *role && s.owner.1 == instance && s.serves)
        };
        let wait = |text: &str| Verdict::Wait(text.into());
        match (ask.moment, ask.action) {
            (Moment::After, Action::Launch | Action::Restart) if !serves(&ask.instance) => {
                wait("it does not serve")
            }
            (Moment::Before, Action::Restart | Action::Stop)
                if self.schedulers[index].kind == Kind::Quorum =>
            {
                let stopped =
                    |n: &String| ask.view.instances.get(n).is_some_and(|i| i.phase == Phase::Stopped);
                let others = ask.view.target.iter().filter(|n| **n != ask.instance && !stopped(n));
                match others.into_iter().all(|n| serves(n)) || !serves(&ask.instance) {
                    true => Verdict::Go,
                    false => wait("the quorum would not hold"),
                }
            }
            _ => Verdict::Go,
        }
    }

    /// Nothing goes wrong any more; operators say what they want in the end.
    pub(crate) fn calm_down(&mut self) {
        self.note(|| "from now on nothing goes wrong".into());
        self.luck.calm_down();
        for (machine, container, task) in self.services() {
            self.service_later(machine, container, &task, ServiceStep::Ready, 100);
        }
        self.schedulers.iter_mut().for_each(Scheduler::heal);
        self.machines.iter_mut().for_each(Machine::heal);
        self.master.full_until = 0;
        if self.stack.is_some() {
            return self.settle_stack();
        }
        for index in 0..self.schedulers.len() {
            self.operator.wishes[index].shape.broken = false;
            if self.operator.wishes[index].destroyed.is_none() {
                self.give_file(index);
            }
        }
    }

    /// Asks again for what is still wanted: going on, starting what was stopped, destroying.
    pub(crate) fn insist(&mut self) {
        self.replace_what_is_gone();
        if self.stack.is_some() {
            return self.insist_on_stack();
        }
        for index in 0..self.schedulers.len() {
            match (self.operator.wishes[index].destroyed, &self.schedulers[index].core) {
                (Some(delete_data), Some(core)) if !core.destroyed() => {
                    self.ask_scheduler(index, Command::Destroy { delete_data });
                }
                (None, Some(_)) => self.encourage(index),
                _ => {}
            }
        }
    }

    /// Lets a scheduler go on that was paused, and what was stopped or given up start again.
    pub(crate) fn encourage(&mut self, index: usize) {
        let Some(core) = &self.schedulers[index].core else { return };
        let view = core.view();
        let idle = |n: &&String| {
            let phase = view.instances.get(*n).map(|i| i.phase);
            matches!(phase, Some(Phase::Stopped | Phase::Failed))
        };
        let idle: Vec<String> = view.target.iter().filter(idle).cloned().collect();
        if self.ledger.targets.get(&index).is_some_and(|t| t["paused"] == true) {
            self.ask_scheduler(index, Command::Continue);
        }
        if !idle.is_empty() {
            self.ask_scheduler(index, Command::Start(idle));
        }
    }
}

//! Operators of a stack: what they ask of the controller at random, and what they insist on in the end.

use cairn_controller::simulation::Changed;
use cairn_framework::{Command, Phase};

use crate::controller::CONTROLLER;
use crate::secrets::values;
use crate::stack::{Part, STACK, Stack};
use crate::world::World;

impl World {
    /// An operator asks the controller for something.
    pub(crate) fn operate_stack(&mut self) {
        let rng = &mut self.operator.rng;
        let (what, chosen, delete_data) = (rng.below(14), rng.next(), rng.chance(50_000));
        let known = self.stack_is_known();
        let Some(stack) = &mut self.stack else { return };
        if stack.destroyed.is_some() {
            return self.apply_again();
        }
        if known == Some(false) {
            return self.apply(false);
        }
        let parts = stack.parts.len();
        let at = usize::try_from(chosen % parts as u64).unwrap_or_default();
        let rng = &mut self.operator.rng;
        let part = &mut stack.parts[at];
        match what {
            0 => part.shape.count = rng.between(1, 3),
            1 | 2 => part.shape.mark = rng.below(1_000),
            3 => part.shape.cpus = rng.between(1, 2),
            4 => {
                part.shape.mark = rng.below(1_000);
                part.shape.broken = !part.shape.broken;
            }
            5 => stack.parts[at].there = stack.parts.iter().filter(|p| p.there).count() == 1,
            6 | 7 => part.there = true,
            8 => {
                let other = usize::try_from(rng.below(parts as u64)).unwrap_or_default();
                if other < at && !part.rests_on.remove(&other) {
                    part.rests_on.insert(other);
                }
            }
            9 => {
                part.shape.count = rng.between(1, 3);
                return self.scale(at);
            }
            10 => return self.restart_child(at),
            11 => {
                stack.destroyed = Some(delete_data);
                return self.destroy_stack();
            }
            _ => return self.operate_on(at + 1),
        }
        self.apply(delete_data);
    }

    /// Restarts a child scheduler, or stops it for a while.
    fn restart_child(&mut self, at: usize) {
        let Some(stack) = &self.stack else { return };
        let instance = stack.parts[at].framework();
        let stops = self.operator.rng.chance(30_000);
        let command = match stops {
            true => Command::Stop { instances: vec![instance], force: false },
            false => Command::Restart(vec![instance]),
        };
        self.ask_scheduler(CONTROLLER, command);
    }

    /// Applies the stack file as it is now.
    fn apply(&mut self, delete_data: bool) {
        self.let_go(|part| !part.there, delete_data);
        let Some(core) = &self.schedulers[CONTROLLER].core else { return };
        let Some(stack) = &self.stack else { return };
        let text = stack.text();
        let changed = stack.simulated.apply(&core.config(), &core.view(), &text, values(), delete_data);
        self.change("apply", changed);
    }

    fn scale(&mut self, at: usize) {
        let Some(core) = &self.schedulers[CONTROLLER].core else { return };
        let Some(stack) = &self.stack else { return };
        let part = &stack.parts[at];
        let changed = stack.simulated.scale(&core.config(), &core.view(), STACK, part.name, part.shape.count);
        self.change("scale", changed);
    }

    fn destroy_stack(&mut self) {
        let Some(delete_data) = self.stack.as_ref().and_then(|stack| stack.destroyed) else { return };
        self.let_go(|_| true, delete_data);
        let Some(core) = &self.schedulers[CONTROLLER].core else { return };
        let Some(stack) = &self.stack else { return };
        let changed = stack.simulated.destroy(&core.config(), STACK, delete_data);
        self.change("destroy", changed);
    }

    /// An operator, who reaches the controller, wants these services gone; with their data.
    fn let_go(&mut self, leaves: impl Fn(&Part) -> bool, delete_data: bool) {
        let Some(stack) = self.stack.as_mut().filter(|_| self.schedulers[CONTROLLER].core.is_some()) else {
            return;
        };
        for part in stack.parts.iter().filter(|part| leaves(part)) {
            stack.may_go.insert(part.framework());
            if delete_data {
                self.ledger.given_up.insert((part.framework(), None));
            }
        }
    }

    fn change(&mut self, verb: &str, changed: Changed) {
        let shown = match &changed {
            Ok((_, shown)) => shown,
            Err(why) => why,
        };
        self.check_nothing_secret_shown(verb, shown);
        match changed {
            Ok((Some(config), _)) => {
                self.note(|| format!("operator: {verb}"));
                let command = self.configure(config);
                self.ask_scheduler(CONTROLLER, command);
            }
            Ok((None, _)) => {}
            Err(why) => self.note(|| format!("operator: {verb} is refused: {why}")),
        }
    }

    /// The controller still has the stack. `None`: it does not run.
    pub(crate) fn stack_is_known(&self) -> Option<bool> {
        let config = self.schedulers[CONTROLLER].core.as_ref()?.config();
        Some(!config.options["stacks"][STACK].is_null())
    }

    /// A stack that is gone may be wanted again.
    fn apply_again(&mut self) {
        if self.stack_is_known() == Some(false) {
            if let Some(stack) = &mut self.stack {
                stack.destroyed = None;
            }
            self.apply(false);
        }
    }

    /// Operators want nothing that cannot be.
    pub(crate) fn settle_stack(&mut self) {
        if let Some(stack) = &mut self.stack {
            stack.parts.iter_mut().for_each(|part| part.shape.broken = false);
        }
        self.insist_on_stack();
    }

    /// Asks again for what is still wanted.
    pub(crate) fn insist_on_stack(&mut self) {
        self.replace_what_is_gone();
        let stopped = |world: &Self| {
            let view = world.schedulers[CONTROLLER].core.as_ref()?.view();
            let stopped = |n: &&String| view.instances.get(*n).is_some_and(|i| i.phase == Phase::Stopped);
            Some(view.target.iter().filter(stopped).cloned().collect::<Vec<_>>())
        };
        let stopped = stopped(self).unwrap_or_default();
        if !stopped.is_empty() {
            self.ask_scheduler(CONTROLLER, Command::Start(stopped));
        }
        for index in 1..self.schedulers.len() {
            self.encourage(index);
        }
        match self.stack.as_ref().map(|stack: &Stack| stack.destroyed) {
            Some(None) => self.apply(false),
            Some(Some(_)) if self.stack_is_known() == Some(true) => self.destroy_stack(),
            _ => {}
        }
    }
}

//! What stands in for the controller's own tasks: its watchers, its gates, and what tidies up.

use std::collections::BTreeMap;

use cairn_controller::simulation::{Following, unwatched, wanted};
use cairn_framework::{Ask, Command, Config, Status, Verdict};
use serde_json::Value;

use crate::fault::Fault;
use crate::outside::Played;
use crate::scheduler::Incoming;
use crate::stack::Watcher;
use crate::world::{Happening, World};

/// The controller's place among the schedulers.
pub(crate) const CONTROLLER: usize = 0;

impl World {
    /// A scheduler has shown how it is.
    pub(crate) fn published(&mut self, index: usize) {
        if self.stack.is_none() {
            return;
        }
        if index == CONTROLLER {
            self.adjust_watchers();
            self.tidy();
        } else {
            self.note_outputs(index);
            self.wake_watcher(index);
        }
    }

    /// As `watch_all` does.
    fn adjust_watchers(&mut self) {
        let Some(core) = &self.schedulers[CONTROLLER].core else { return };
        let view = core.view();
        let wanted = wanted(&view);
        let Some(stack) = &mut self.stack else { return };
        let mut gone = Vec::new();
        stack.watchers.retain(|instance, watcher| {
            let keep = wanted.get(instance) == Some(&watcher.endpoint);
            if !wanted.contains_key(instance) {
                gone.push((instance.clone(), unwatched(&view, instance)));
            }
            keep
        });
        let new: Vec<_> = wanted.into_iter().filter(|(i, _)| !stack.watchers.contains_key(i)).collect();
        for (instance, endpoint) in new {
            let number = self.number();
            let following = Following::of(&view, &instance);
            let watcher = Watcher { number, endpoint, following, last: None, parked: false };
            if let Some(stack) = &mut self.stack {
                stack.watchers.insert(instance.clone(), watcher);
            }
            self.poll_later(instance, number, 1);
        }
        for (instance, fact) in gone {
            self.send_controller(1, Incoming::Observe(instance, fact));
        }
    }

    /// As `tidy_up` does.
    fn tidy(&mut self) {
        let Some(core) = &self.schedulers[CONTROLLER].core else { return };
        let Some(stack) = &mut self.stack else { return };
        if stack.tidying {
            return;
        }
        if let Some(config) = stack.simulated.tidied(&core.config(), &core.view()) {
            stack.tidying = true;
            let command = self.configure(config);
            let wait = self.delays.between(1, 50);
            self.send_controller(wait, Incoming::Tidy(Box::new(command)));
        }
    }

    /// A change of the controller's configuration, refused if somebody else is faster.
    pub(crate) fn configure(&self, config: Config) -> Command {
        let now = self.schedulers[CONTROLLER].clock(self.now);
        let core = self.schedulers[CONTROLLER].core.as_ref();
        let expected = core.map(|core| core.status(now).plan.generation);
        Command::Configure { config: Box::new(config), expected }
    }

    fn send_controller(&mut self, wait: u64, message: Incoming) {
        let life = self.schedulers[CONTROLLER].life;
        self.after(wait, Happening::Scheduler { index: CONTROLLER, life, over: None, message });
    }

    fn poll_later(&mut self, instance: String, number: u64, wait: u64) {
        let life = self.schedulers[CONTROLLER].life;
        self.after(wait, Happening::Poll { life, instance, number });
    }

    /// A controller that was stopped goes on: its watchers ask again.
    pub(crate) fn watch_again(&mut self, index: usize) {
        let Some(stack) = self.stack.as_ref().filter(|_| index == CONTROLLER) else { return };
        for instance in stack.watchers.keys().cloned().collect::<Vec<_>>() {
            let number = self.number();
            let watcher = self.stack.as_mut().and_then(|stack| stack.watchers.get_mut(&instance));
            let Some(watcher) = watcher else { continue };
            (watcher.number, watcher.last, watcher.parked) = (number, None, false);
            self.poll_later(instance, number, 1);
        }
    }

    /// A child has news, or is gone: whoever waits for its answer learns of that.
    pub(crate) fn wake_watcher(&mut self, index: usize) {
        let Some(stack) = &mut self.stack else { return };
        let instance = &self.schedulers[index].name;
        let Some(watcher) = stack.watchers.get_mut(instance).filter(|w| w.parked) else { return };
        watcher.parked = false;
        let (instance, number) = (instance.clone(), watcher.number);
        let wait = self.delays.between(1, 20);
        self.poll_later(instance, number, wait);
    }

    /// As `watch` does: asks a child how it is, and again when there is news.
    pub(crate) fn poll(&mut self, life: u64, instance: String, number: u64) {
        let watches = |w: &Watcher| w.number == number;
        let Some(stack) = &self.stack else { return };
        let Some(watcher) = stack.watchers.get(&instance).filter(|w| watches(w)) else { return };
        if !self.schedulers[CONTROLLER].hears(life, None) {
            return;
        }
        let endpoint = watcher.endpoint.clone();
        let answer = self.answer_of(&endpoint, &instance);
        let wait = if self.luck.strikes(Fault::Delay, 300) {
            self.luck.draw(Fault::Delay).between(500, 8_000)
        } else {
            self.delays.between(1, 20)
        };
        let Some(stack) = &mut self.stack else { return };
        let Some(watcher) = stack.watchers.get_mut(&instance) else { return };
        let (fact, pause) = match answer {
            Ok(status) if watcher.last.as_ref() == Some(&status) => {
                watcher.parked = true;
                return;
            }
            Ok(status) => {
                if status.complete {
                    let best = stack.complete.entry(instance.clone()).or_default();
                    *best = status.revision.max(*best);
                }
                watcher.last = Some(status.clone());
                let fact = watcher.following.answered(status.clone());
                self.check_nothing_secret_answered(&status);
                (Some(fact), wait + 1)
            }
            Err(why) => {
                watcher.last = None;
                let (fact, pause) = watcher.following.failed(why);
                (fact, u64::try_from(pause.as_millis()).unwrap_or(u64::MAX).max(wait + 1))
            }
        };
        if let Some(fact) = fact {
            let instance = instance.clone();
            self.after(wait, Happening::Polled { life, instance, number, fact });
        }
        self.poll_later(instance, number, pause);
    }

    /// A watcher has its answer, unless it has been ended while it waited for it.
    pub(crate) fn polled(&mut self, life: u64, instance: String, number: u64, fact: Value) {
        let watches = |w: &Watcher| w.number == number;
        let is_there =
            self.stack.as_ref().and_then(|stack| stack.watchers.get(&instance)).is_some_and(watches);
        if is_there && self.schedulers[CONTROLLER].hears(life, None) {
            self.tell_scheduler(CONTROLLER, Incoming::Observe(instance, fact));
        }
    }

    fn answer_of(&mut self, endpoint: &str, instance: &str) -> Result<Status, String> {
        if self.luck.strikes(Fault::CallLost, 300) {
            return Err("connection reset by peer".into());
        }
        let found =
            (1..self.schedulers.len()).find(|index| self.endpoint(*index).as_deref() == Some(endpoint));
        let scheduler = found.map(|index| &self.schedulers[index]).ok_or("connection refused")?;
        let now = scheduler.clock(self.now);
        let status = scheduler.core.as_ref().map(|core| core.status(now)).unwrap_or_default();
        if status.framework == instance { Ok(status) } else { Err("another scheduler answers".into()) }
    }

    /// The controller's gate. `None`: its process ends while it is asked.
    pub(crate) fn judge(&mut self, ask: &Ask) -> Option<Verdict> {
        let ends = self.luck.strikes(Fault::SchedulerCrash, 1_000);
        let ends = ends.then(|| self.luck.draw(Fault::SchedulerCrash).below(3));
        let refuses = self.luck.strikes(Fault::StoreFull, 1_000);
        let lost = self.luck.strikes(Fault::CallLost, 1_000);
        let endpoints = if lost { BTreeMap::new() } else { self.endpoints() };
        let stack = self.stack.as_mut()?;
        let played = Played::new(std::mem::take(&mut stack.states), endpoints, ends, refuses);
        let verdict = played.once(stack.simulated.gate(&played, ask));
        let done = played.into_done();
        stack.states = done.states;
        for (framework, delete_data) in done.told {
            self.tell_to_go(&framework, delete_data);
        }
        for place in done.removed {
            self.check_removed(&place);
        }
        if verdict.is_none() {
            let away = self.luck.draw(Fault::SchedulerCrash).between(50, 20_000);
            self.crash_scheduler(CONTROLLER, away);
        }
        verdict
    }

    /// Who serves where.
    fn endpoints(&self) -> BTreeMap<String, String> {
        let served = |index| Some((self.endpoint(index)?, self.schedulers[index].name.clone()));
        (1..self.schedulers.len()).filter_map(served).collect()
    }

    fn tell_to_go(&mut self, framework: &str, delete_data: bool) {
        let Some(index) = self.scheduler_of(framework) else { return };
        self.check_take_down(index, delete_data);
        self.ask_scheduler(index, Command::Destroy { delete_data });
    }
}

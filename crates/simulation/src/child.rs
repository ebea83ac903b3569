//! Child schedulers: processes that the controller has launched as tasks.

use std::sync::Arc;

use cairn_framework::Config;
use cairn_task::TaskSpec;

use crate::scheduler::self_name;
use crate::standing::Standing;
use crate::world::World;

/// What a child scheduler is started with.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    framework: String,
    state: String,
    pub(crate) config: Config,
}

impl Start {
    /// Reads a task. `None`: it is no scheduler.
    pub(crate) fn of(spec: &TaskSpec) -> Option<Self> {
        if spec.command.get(1)? != "scheduler" {
            return None;
        }
        let after = |flag: &str| {
            let at = spec.command.iter().position(|word| word == flag)?;
            spec.command.get(at + 1).cloned()
        };
        let path = after("--config")?;
        let file = spec.files.iter().find(|file| file.path == path)?;
        let config = serde_json::from_str(&file.content).ok()?;
        Some(Self { framework: after("--framework")?, state: after("--state")?, config })
    }
}

/// Where a child scheduler's process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) machine: usize,
    pub(crate) container: u64,
    pub(crate) task: String,
}

impl World {
    /// The process of a child scheduler has come up.
    pub(crate) fn child_starts(&mut self, home: Home, start: Start) {
        let Some(index) = self.scheduler_of(&start.framework) else { return };
        let is_gone = self.machines[home.machine].standing == Standing::Gone;
        if is_gone && self.schedulers[index].home.is_some() {
            return;
        }
        self.end_left_behind(index);
        if let Some(other) = self.schedulers[index].home.clone() {
            return self.violate("one scheduler of a service at a time", || {
                format!("{} starts as {home:?}, and there is {other:?}", self_name(index))
            });
        }
        let Some(stack) = &mut self.stack else { return };
        let store = stack.states.entry(start.state).or_default().store.clone();
        let scheduler = &mut self.schedulers[index];
        scheduler.marked &= Arc::ptr_eq(&scheduler.store, &store);
        scheduler.store = store;
        scheduler.file = start.config;
        scheduler.home = Some(home);
        self.start_scheduler(index);
    }

    /// What a scheduler does that goes on where an operator has said that nothing does: its session with its store ends,
    /// and so its process does nothing any more.
    fn end_left_behind(&mut self, index: usize) {
        let scheduler = &mut self.schedulers[index];
        let gone = |home: &mut Home| self.machines[home.machine].standing == Standing::Gone;
        if scheduler.home.take_if(gone).is_some() {
            self.end_process(index);
        }
    }

    /// A process is gone; it may have been a child scheduler.
    pub(crate) fn child_ends(&mut self, machine: usize, container: u64, task: &str) {
        let is = |home: &Home| home.machine == machine && home.container == container && home.task == task;
        let Some(index) = self.schedulers.iter().position(|s| s.home.as_ref().is_some_and(is)) else {
            return;
        };
        self.schedulers[index].home = None;
        self.end_process(index);
        self.wake_watcher(index);
    }

    /// Where its REST is, while it runs.
    pub(crate) fn endpoint(&self, index: usize) -> Option<String> {
        let scheduler = &self.schedulers[index];
        let home = scheduler.home.as_ref().filter(|_| scheduler.core.is_some())?;
        let machine = &self.machines[home.machine];
        let service = machine.containers.get(&home.container)?.services.get(&home.task)?;
        Some(format!("{}:{}", machine.address(), service.ports.first()?))
    }
}

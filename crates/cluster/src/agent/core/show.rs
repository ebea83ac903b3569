//! What the agent shows to operators.

use std::path::PathBuf;

use cairn_mesos::v1::{
    AgentInfo, ContainerId, ContainerStatus, DrainConfig, ExecutorInfo, FrameworkInfo, Resource, Task,
    TaskState,
};

use super::container::{Container, Kind, Phase, TaskEntry};
use super::counts::Counts;
use super::history::PastExecutor;
use super::plan::duration;
use super::{Core, status};

/// Everything an agent shows, at one moment.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) info: AgentInfo,
    pub(crate) ip: String,
    pub(crate) work_dir: PathBuf,
    /// Flags of Mesos, and how long the agent waits for what they name.
    pub(crate) timeouts: [(&'static str, String); 4],
    pub(crate) registered: bool,
    pub(crate) draining: Option<DrainConfig>,
    /// Reservations and volumes included.
    pub(crate) resources: Vec<Resource>,
    pub(crate) executors: Vec<ExecutorView>,
    pub(crate) past: Vec<ExecutorView>,
    /// Tasks whose end is acknowledged.
    pub(crate) completed: Vec<Task>,
    /// Executors that have not subscribed yet.
    pub(crate) registering: usize,
    /// Executors that have been told to end.
    pub(crate) terminating: usize,
    pub(crate) counts: Counts,
}

/// An executor and its tasks.
#[derive(Debug, Clone)]
pub(crate) struct ExecutorView {
    pub(crate) framework: FrameworkInfo,
    pub(crate) info: ExecutorInfo,
    pub(crate) container: ContainerId,
    pub(crate) status: ContainerStatus,
    /// Its sandbox.
    pub(crate) directory: String,
    /// Tasks that the executor has not been given yet.
    pub(crate) queued: Vec<Task>,
    pub(crate) launched: Vec<Task>,
    /// Tasks whose end is not acknowledged yet.
    pub(crate) terminated: Vec<Task>,
    pub(crate) completed: Vec<Task>,
}

impl Core {
    pub(crate) fn show(&self) -> View {
        // Nested containers are tasks of the executor they are in.
        let executors = || self.containers.values().filter(|owner| owner.parent.is_none());
        let live = executors().filter(|owner| !owner.is_over());
        let over = executors().filter(|owner| owner.is_over());
        let in_phase = |which: fn(&Phase) -> bool| executors().filter(|owner| which(&owner.phase)).count();
        let past = self.history.executors().map(|past| self.show_past(past));
        View {
            info: self.agent_info(),
            ip: self.settings.ip.clone(),
            work_dir: self.settings.work_dir.clone(),
            timeouts: self.shown_timeouts(),
            registered: self.registered,
            draining: self.draining,
            resources: self.resources.clone().unwrap_or_else(|| self.settings.resources.clone()),
            executors: live.map(|owner| self.show_executor(owner)).collect(),
            past: over.map(|owner| self.show_executor(owner)).chain(past).collect(),
            completed: self.history.tasks().cloned().collect(),
            registering: in_phase(|phase| matches!(phase, Phase::Preparing | Phase::Registering { .. })),
            terminating: in_phase(|phase| matches!(phase, Phase::Stopping { .. })),
            counts: self.counts.clone(),
        }
    }

    fn shown_timeouts(&self) -> [(&'static str, String); 4] {
        let timeouts = &self.settings.timeouts;
        [
            ("executor_registration_timeout", timeouts.registration),
            ("executor_reregistration_timeout", timeouts.reregistration),
            ("executor_shutdown_grace_period", timeouts.shutdown_grace),
            ("recovery_timeout", timeouts.recovery),
        ]
        .map(|(name, time)| (name, duration(time)))
    }

    fn show_executor(&self, owner: &Container) -> ExecutorView {
        let (mut queued, mut launched, mut terminated) = (Vec::new(), Vec::new(), Vec::new());
        let nested = self.containers.values().filter(|other| other.parent.as_ref() == Some(&owner.id));
        let all = std::iter::once(owner)
            .chain(nested)
            .flat_map(|home| home.tasks.iter().map(move |task| (home, task)));
        for (home, entry) in all {
            let task = with_past(home, entry);
            let place = match (entry.is_over(), entry.delivered) {
                (true, _) => &mut terminated,
                (false, true) => &mut launched,
                (false, false) => &mut queued,
            };
            place.push(task);
        }
        ExecutorView {
            framework: owner.framework.clone(),
            info: shown_info(owner),
            container: ContainerId { value: owner.id.clone(), parent: None },
            status: self.container_status(owner, TaskState::TaskRunning),
            directory: owner.sandbox.display().to_string(),
            queued,
            launched,
            terminated,
            completed: self.history.tasks_of(&owner.id).cloned().collect(),
        }
    }

    fn show_past(&self, past: &PastExecutor) -> ExecutorView {
        let framework = past.framework.id.clone().unwrap_or_default().value;
        let sandbox = self.sandbox(&framework, &past.info.executor_id.value, &past.container);
        ExecutorView {
            framework: past.framework.clone(),
            info: past.info.clone(),
            container: ContainerId { value: past.container.clone(), parent: None },
            status: ContainerStatus::default(),
            directory: sandbox.display().to_string(),
            queued: Vec::new(),
            launched: Vec::new(),
            terminated: Vec::new(),
            completed: self.history.tasks_of(&past.container).cloned().collect(),
        }
    }

    /// Remember a task whose end is acknowledged.
    pub(super) fn remember_task(&mut self, container: &str, task: &str) {
        let Some(owner) = self.containers.get(container) else { return };
        let over = owner.tasks.iter().filter(|entry| entry.id() == task && entry.is_over());
        let over: Vec<Task> =
            over.filter(|entry| entry.updates.is_empty()).map(|entry| with_past(owner, entry)).collect();
        for task in over {
            self.history.add_task(container, task);
        }
    }

    /// Remember an executor of which nothing is left.
    pub(super) fn remember_executor(&mut self, container: &str) {
        let Some(owner) = self.containers.get(container).filter(|owner| !owner.forget) else { return };
        let mut info = shown_info(owner);
        if let (Kind::Command, Some(task)) = (owner.kind, self.history.tasks_of(container).next()) {
            info.source = Some(info.executor_id.value.clone());
            info.resources.clone_from(&task.resources);
            info.labels.clone_from(&task.labels);
        }
        let past = PastExecutor { framework: owner.framework.clone(), info, container: container.to_owned() };
        self.history.add_executor(past);
    }
}

/// The task with all that was said of it.
fn with_past(owner: &Container, entry: &TaskEntry) -> Task {
    let mut task = status::task(owner, entry);
    task.statuses.splice(0..0, entry.past.iter().cloned());
    task
}

/// The executor of a plain command has the resources of its task, and its id as source.
fn shown_info(owner: &Container) -> ExecutorInfo {
    let mut info = owner.info.clone();
    if let (Kind::Command, Some(entry)) = (owner.kind, owner.tasks.first()) {
        info.source = Some(info.executor_id.value.clone());
        info.resources.clone_from(&entry.info.resources);
        info.labels.clone_from(&entry.info.labels);
    }
    info
}

impl ExecutorView {
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.queued.iter().chain(&self.launched).chain(&self.terminated)
    }

    /// Its own resources, and those of its tasks, whether or not their end is acknowledged.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.info.resources.iter().chain(self.tasks().flat_map(|task| &task.resources))
    }

    /// Its own resources, and those of its tasks that have not ended.
    pub(crate) fn used(&self) -> impl Iterator<Item = &Resource> {
        let tasks = self.queued.iter().chain(&self.launched);
        self.info.resources.iter().chain(tasks.flat_map(|task| &task.resources))
    }
}

impl View {
    /// How many tasks that have not ended are in this state.
    pub(crate) fn count(&self, state: TaskState) -> usize {
        self.executors.iter().flat_map(ExecutorView::tasks).filter(|task| task.state() == state).count()
    }
}

//! One container: an executor or a plain command, with its tasks.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cairn_mesos::v1::task_status::Reason;
use cairn_mesos::v1::{
    ExecutorInfo, FrameworkInfo, KillPolicy, Resource, TaskInfo, TaskResourceLimitation, TaskState,
    TaskStatus, value,
};

use super::checks::Checks;
use super::plan::nanoseconds;
use super::updates::Updates;
use crate::agent::checkpoint::{ContainerRecord, TaskRecord};
use crate::agent::process::ProcessId;
use crate::agent::runner;
use crate::terminal::is_terminal;

/// How many uuids of acknowledged updates are remembered, to answer an executor that has not heard.
const REMEMBERED: usize = 64;

/// An executor, told apart from those of other frameworks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Framework id.
    pub framework: String,
    /// Executor id.
    pub executor: String,
}

/// Who speaks for the tasks of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An executor, over HTTP.
    Custom,
    /// The agent itself: the container is the task's command.
    Command,
    /// The agent itself, as the default executor: each task is a command in a container nested in this one, which has
    /// no process.
    Default,
}

/// How far a container is. Times as in [`super::Now::at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The runner is at work on it.
    Preparing,
    /// The process runs, and is to subscribe until then.
    Registering { until: Duration },
    /// It subscribed; or the command runs.
    Running,
    /// It runs since before this agent process, and is to subscribe until then.
    Recovering { until: Duration },
    /// It was told to end, and is killed at that time if it has not.
    Stopping { until: Option<Duration> },
    /// Nothing is left but updates to deliver.
    Over,
}

/// Why an executor is made to end: what its tasks are told.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) reason: Reason,
    pub(crate) message: String,
    /// The resource that it needed too much of.
    pub(crate) limitation: Option<TaskResourceLimitation>,
}

impl Verdict {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), limitation: None }
    }

    /// It was `allowed` an amount of memory in MiB, and had `most` bytes of it when it needed more.
    pub(crate) fn out_of_memory(allowed: f64, most: u64) -> Self {
        let most = (most / 1_048_576) as f64;
        let memory = Resource {
            name: "mem".to_owned(),
            r#type: value::Type::Scalar as i32,
            scalar: Some(value::Scalar { value: most }),
            ..Resource::default()
        };
        Self {
            reason: Reason::ContainerLimitationMemory,
            message: format!("Memory limit exceeded: Requested: {allowed}MB Maximum Used: {most}MB\n"),
            limitation: Some(TaskResourceLimitation { resources: vec![memory] }),
        }
    }
}

/// One task.
#[derive(Debug, Clone)]
pub(crate) struct TaskEntry {
    pub(crate) info: TaskInfo,
    /// Number of the group it was launched with.
    pub(crate) group: Option<u32>,
    /// Sent to the executor.
    pub(crate) delivered: bool,
    /// Somebody wants it killed.
    pub(crate) kill: Option<Option<KillPolicy>>,
    pub(crate) state: TaskState,
    pub(crate) latest: Option<TaskStatus>,
    /// The last of each state before that, as far as this agent process has seen them.
    pub(crate) past: Vec<TaskStatus>,
    pub(crate) updates: Updates,
    /// Health checks and checks, where the agent is the executor.
    pub(crate) checks: Checks,
    /// When a command has run for as long as it may.
    pub(crate) deadline: Option<Duration>,
    /// It has.
    pub(crate) expired: bool,
}

impl TaskEntry {
    pub(crate) fn new(info: TaskInfo, group: Option<u32>) -> Self {
        Self {
            checks: Checks::of(&info),
            info,
            group,
            delivered: false,
            kill: None,
            state: TaskState::TaskStaging,
            latest: None,
            past: Vec::new(),
            updates: Updates::default(),
            deadline: None,
            expired: false,
        }
    }

    /// The command runs, or is found to run still.
    pub(crate) fn runs(&mut self, now: Duration) {
        self.checks.start(now);
        self.deadline = self.info.max_completion_time.map(|time| now + nanoseconds(time.nanoseconds));
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.updates.next_retry().into_iter().chain(self.checks.next()).chain(self.deadline).min()
    }

    pub(crate) fn id(&self) -> &str {
        &self.info.task_id.value
    }

    pub(crate) fn is_over(&self) -> bool {
        is_terminal(self.state)
    }
}

/// One container.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) id: String,
    /// The container of the default executor that this one is nested in.
    pub(crate) parent: Option<String>,
    pub(crate) key: Key,
    pub(crate) kind: Kind,
    pub(crate) framework: FrameworkInfo,
    pub(crate) info: ExecutorInfo,
    pub(crate) sandbox: PathBuf,
    pub(crate) phase: Phase,
    pub(crate) process: Option<ProcessId>,
    pub(crate) verdict: Option<Verdict>,
    /// The framework is gone: nobody wants to hear of the tasks.
    pub(crate) forget: bool,
    pub(crate) tasks: Vec<TaskEntry>,
    /// Its executor has been sent a task.
    pub(crate) sent: bool,
    pub(crate) acknowledged: VecDeque<Vec<u8>>,
}

impl Container {
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Its executor never had a task and gets none: all were killed before.
    pub(crate) fn is_useless(&self) -> bool {
        !self.sent && self.tasks.iter().all(TaskEntry::is_over)
    }

    /// Whether events can be sent to its executor.
    pub(crate) fn listens(&self) -> bool {
        self.kind == Kind::Custom && matches!(self.phase, Phase::Running | Phase::Stopping { .. })
    }

    pub(crate) fn task(&mut self, id: &str) -> Option<&mut TaskEntry> {
        self.tasks.iter_mut().find(|t| t.id() == id)
    }

    pub(crate) fn remember(&mut self, uuid: Vec<u8>) {
        if self.acknowledged.len() == REMEMBERED {
            self.acknowledged.pop_front();
        }
        self.acknowledged.push_back(uuid);
    }

    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        let phase = match self.phase {
            Phase::Registering { until } | Phase::Recovering { until } => Some(until),
            Phase::Stopping { until } => until,
            Phase::Preparing | Phase::Running | Phase::Over => None,
        };
        self.tasks.iter().filter_map(TaskEntry::next_deadline).chain(phase).min()
    }

    /// As the runner knows it.
    pub(crate) fn handle(&self) -> runner::Container {
        runner::Container { id: self.id.clone(), sandbox: self.sandbox.clone(), process: self.process }
    }

    pub(crate) fn record(&self, boot: &str) -> ContainerRecord {
        ContainerRecord {
            container: self.id.clone(),
            framework: Some(self.framework.clone()),
            executor: Some(self.info.clone()),
            command: self.kind == Kind::Command,
            sandbox: self.sandbox.to_string_lossy().into_owned(),
            pid: self.process.map_or(0, |p| p.pid),
            start_time: self.process.map_or(0, |p| p.start_time),
            boot: boot.to_owned(),
            over: self.is_over(),
            forget: self.forget,
            tasks: self.tasks.iter().map(task_record).collect(),
            acknowledged: self.acknowledged.iter().cloned().collect(),
            parent: self.parent.clone().unwrap_or_default(),
            default_executor: self.kind == Kind::Default,
            sent: self.sent,
        }
    }

    /// From a record of an earlier agent process. None when the record lacks what every record has.
    pub(crate) fn recovered(record: ContainerRecord, boot: &str, until: Duration) -> Option<Self> {
        let (framework, info) = (record.framework?, record.executor?);
        let same_boot = record.boot == boot && record.pid != 0;
        let process = same_boot.then_some(ProcessId { pid: record.pid, start_time: record.start_time });
        let kind = match (record.command, record.default_executor) {
            (true, _) => Kind::Command,
            (false, true) => Kind::Default,
            (false, false) => Kind::Custom,
        };
        let phase = match (record.over, kind) {
            (true, _) => Phase::Over,
            (false, Kind::Command | Kind::Default) => Phase::Running,
            (false, Kind::Custom) => Phase::Recovering { until },
        };
        Some(Self {
            key: Key {
                framework: framework.id.as_ref()?.value.clone(),
                executor: info.executor_id.value.clone(),
            },
            id: record.container,
            parent: Some(record.parent).filter(|parent| !parent.is_empty()),
            kind,
            framework,
            info,
            sandbox: Path::new(&record.sandbox).to_owned(),
            phase,
            process,
            verdict: None,
            forget: record.forget,
            sent: record.sent,
            tasks: record.tasks.into_iter().filter_map(recovered_task).collect(),
            acknowledged: record.acknowledged.into(),
        })
    }
}

fn task_record(task: &TaskEntry) -> TaskRecord {
    TaskRecord {
        info: Some(task.info.clone()),
        group: task.group,
        delivered: task.delivered,
        kill: task.kill.is_some(),
        kill_policy: task.kill.flatten(),
        state: task.state as i32,
        latest: task.latest.clone(),
        pending: task.updates.pending().cloned().collect(),
    }
}

fn recovered_task(record: TaskRecord) -> Option<TaskEntry> {
    Some(TaskEntry {
        delivered: record.delivered,
        kill: record.kill.then_some(record.kill_policy),
        state: TaskState::try_from(record.state).unwrap_or(TaskState::TaskLost),
        latest: record.latest,
        past: Vec::new(),
        updates: Updates::recovered(record.pending),
        ..TaskEntry::new(record.info?, record.group)
    })
}

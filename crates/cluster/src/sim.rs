//! An agent that runs nothing: tasks of it are RUNNING as soon as they are launched. For tests and simulations.
//!
//! The core answers each message at once and can be driven by hand; [`SimAgent::run`] puts it on a link.

use std::collections::BTreeMap;

use cairn_mesos::v1::{
    AgentId, AgentInfo, ExecutorInfo, FrameworkId, FrameworkInfo, Resource, Task, TaskId, TaskInfo,
    TaskState, TaskStatus, task_status,
};

use crate::packed::Packed;
use crate::terminal::is_terminal;
use crate::wire::{AgentLink, FromAgent, ToAgent};

/// A simulated agent. It keeps what a real one would have on its disk, so that the same value can register again.
#[derive(Debug, Clone)]
pub struct SimAgent {
    info: AgentInfo,
    ip: String,
    resources: Vec<Resource>,
    frameworks: BTreeMap<String, FrameworkInfo>,
    executors: BTreeMap<(String, String), ExecutorInfo>,
    tasks: BTreeMap<(String, String), Packed<Task>>,
    last_uuid: u64,
}

impl SimAgent {
    /// An agent that has never registered.
    pub fn new(hostname: &str, resources: Vec<Resource>) -> Self {
        Self {
            info: AgentInfo {
                hostname: hostname.to_owned(),
                resources: resources.clone(),
                ..AgentInfo::default()
            },
            ip: "127.0.0.1".to_owned(),
            resources,
            frameworks: BTreeMap::new(),
            executors: BTreeMap::new(),
            tasks: BTreeMap::new(),
            last_uuid: 0,
        }
    }

    /// The id the master gave it.
    pub fn id(&self) -> Option<&AgentId> {
        self.info.id.as_ref()
    }

    /// What it holds: reservations and volumes included.
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// The tasks it knows, whatever their state.
    pub fn tasks(&self) -> impl Iterator<Item = Task> {
        self.tasks.values().map(Packed::open)
    }

    /// What it says first on a new link.
    pub fn register(&self) -> FromAgent {
        let executors = self.executors.iter();
        FromAgent::Register {
            info: self.info.clone(),
            ip: self.ip.clone(),
            resources: self.resources.clone(),
            frameworks: self.frameworks.values().cloned().collect(),
            executors: executors
                .map(|((framework, _), info)| (FrameworkId { value: framework.clone() }, info.clone()))
                .collect(),
            tasks: self.tasks().collect(),
        }
    }

    /// What it answers.
    pub fn handle(&mut self, message: ToAgent) -> Vec<FromAgent> {
        match message {
            ToAgent::Registered { agent_id } if self.info.id.as_ref() != Some(&agent_id) => {
                self.info.id = Some(agent_id);
                return vec![self.register()];
            }
            ToAgent::Registered { .. } => {}
            ToAgent::RunTasks { framework, executor, tasks, .. } => {
                return self.run_tasks(framework, &executor, tasks);
            }
            ToAgent::Kill { framework_id, task_id, .. } => {
                return self
                    .end_task(&framework_id.value, &task_id.value, TaskState::TaskKilled)
                    .into_iter()
                    .collect();
            }
            ToAgent::ShutdownFramework { framework_id } => {
                self.tasks.retain(|(framework, _), _| *framework != framework_id.value);
                self.executors.retain(|(framework, _), _| *framework != framework_id.value);
                self.frameworks.remove(&framework_id.value);
            }
            ToAgent::ShutdownExecutor { framework_id, executor_id } => {
                return self.end_executor(&framework_id.value, &executor_id.value);
            }
            ToAgent::Acknowledge { framework_id, task_id, uuid } => {
                self.acknowledge(&framework_id.value, &task_id.value, &uuid);
            }
            ToAgent::Checkpoint { resources, destroyed } => {
                self.resources = resources;
                return if destroyed.is_empty() { Vec::new() } else { vec![FromAgent::Destroyed] };
            }
            ToAgent::Drain { config: None } => {}
            ToAgent::Drain { config: Some(_) } | ToAgent::Shutdown { .. } => return self.end_all(),
            ToAgent::FrameworkUpdated { framework } => self.meet(framework),
            // Its executors have nothing to say, so they answer with what they were told.
            ToAgent::MessageToExecutor { framework_id, executor_id, data } => {
                return vec![FromAgent::MessageToFramework { framework_id, executor_id, data }];
            }
        }
        Vec::new()
    }

    /// A task comes to its end by itself.
    pub fn end_task(&mut self, framework: &str, task: &str, state: TaskState) -> Option<FromAgent> {
        let known = self.tasks.get(&(framework.to_owned(), task.to_owned()))?.open();
        Some(self.update(known, state))
    }

    /// Every task is killed.
    fn end_all(&mut self) -> Vec<FromAgent> {
        let alive: Vec<Task> = self.tasks().filter(|task| !is_terminal(task.state())).collect();
        alive.into_iter().map(|task| self.update(task, TaskState::TaskKilled)).collect()
    }

    /// An executor ends, and its tasks with it.
    pub fn end_executor(&mut self, framework: &str, executor: &str) -> Vec<FromAgent> {
        let Some(info) = self.executors.remove(&(framework.to_owned(), executor.to_owned())) else {
            return Vec::new();
        };
        let own = self.tasks().filter(|task| {
            task.framework_id.value == framework && task.executor_id.as_ref() == Some(&info.executor_id)
        });
        let own: Vec<Task> = own.collect();
        let mut said = vec![FromAgent::ExecutorExited {
            framework_id: FrameworkId { value: framework.to_owned() },
            executor_id: info.executor_id,
            status: 9,
        }];
        said.extend(own.into_iter().map(|task| self.update(task, TaskState::TaskFailed)));
        said
    }

    /// Live on a link until it is closed.
    pub async fn run(mut self, mut link: AgentLink) -> Self {
        if link.to_master.send(self.register()).await.is_err() {
            return self;
        }
        while let Some(message) = link.from_master.recv().await {
            for said in self.handle(message) {
                if link.to_master.send(said).await.is_err() {
                    return self;
                }
            }
        }
        self
    }

    fn meet(&mut self, framework: FrameworkInfo) {
        let id = framework.id.clone().unwrap_or_default().value;
        self.frameworks.insert(id, framework);
    }

    fn run_tasks(
        &mut self,
        framework: FrameworkInfo,
        executor: &ExecutorInfo,
        tasks: Vec<TaskInfo>,
    ) -> Vec<FromAgent> {
        let framework_id = framework.id.clone().unwrap_or_default();
        self.meet(framework);
        let mut said = Vec::new();
        for info in tasks {
            let custom = info.command.is_none();
            if custom {
                let key = (framework_id.value.clone(), executor.executor_id.value.clone());
                self.executors.insert(key, executor.clone());
            }
            let task = Task {
                name: info.name,
                task_id: info.task_id,
                framework_id: framework_id.clone(),
                executor_id: custom.then(|| executor.executor_id.clone()),
                agent_id: info.agent_id,
                state: TaskState::TaskStaging as i32,
                resources: info.resources,
                ..Task::default()
            };
            said.push(self.update(task, TaskState::TaskRunning));
        }
        said
    }

    fn update(&mut self, mut task: Task, state: TaskState) -> FromAgent {
        self.last_uuid += 1;
        // Of version 4, as updates of Mesos have them.
        let mut uuid = vec![0, 0, 0, 0, 0, 0, 0x40, 0];
        uuid.extend_from_slice(&self.last_uuid.to_be_bytes());
        let status = TaskStatus {
            task_id: TaskId { value: task.task_id.value.clone() },
            state: state as i32,
            source: Some(task_status::Source::Executor as i32),
            agent_id: Some(task.agent_id.clone()),
            executor_id: task.executor_id.clone(),
            timestamp: Some(0.0),
            uuid: Some(uuid.clone()),
            ..TaskStatus::default()
        };
        let framework_id = task.framework_id.clone();
        task.state = state as i32;
        task.status_update_state = Some(state as i32);
        task.status_update_uuid = Some(uuid);
        task.statuses.push(status.clone());
        let key = (framework_id.value.clone(), task.task_id.value.clone());
        self.tasks.insert(key, Packed::new(&task));
        FromAgent::Update { framework_id, status: Box::new(status), latest_state: state }
    }

    fn acknowledge(&mut self, framework: &str, task: &str, uuid: &[u8]) {
        let key = (framework.to_owned(), task.to_owned());
        let over = |task: &Task| {
            task.status_update_uuid.as_deref() == Some(uuid)
                && !matches!(
                    task.state(),
                    TaskState::TaskRunning | TaskState::TaskStaging | TaskState::TaskStarting
                )
        };
        if self.tasks.get(&key).map(Packed::open).as_ref().is_some_and(over) {
            self.tasks.remove(&key);
        }
    }
}

//! An agent, and a master that only takes notes and acknowledges.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cairn_cluster::agent::fetch::Fetcher;
use cairn_cluster::agent::{Agent, AgentOptions, Containment, Housekeeping, LocalRunner, Timeouts};
use cairn_cluster::security::Key;
use cairn_cluster::wire::{FromAgent, MasterLink, ToAgent, link};
use cairn_mesos::v1::resource::{DiskInfo, ReservationInfo, disk_info::Persistence};
use cairn_mesos::v1::{
    AgentId, CommandInfo, DiscoveryInfo, DurationInfo, ExecutorId, ExecutorInfo, FrameworkId, FrameworkInfo,
    KillPolicy, Port, Ports, Resource, TaskId, TaskInfo, TaskState, TaskStatus, Volume, command_info,
    executor_info, value,
};
use cairn_task::{ActionReport, ActionState, Order, TaskSpec};
use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything here takes, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);
const FRAMEWORK: &str = "F-0000";

pub(crate) struct Cluster {
    dir: tempfile::TempDir,
    agent: Option<Agent>,
    master: MasterLink,
    port: u16,
    statuses: HashMap<String, Vec<TaskStatus>>,
    gone: HashMap<String, i32>,
    reports: Vec<ActionReport>,
    /// Appended to the URI of the executor.
    pub(crate) executor_query: String,
}

/// What an agent told when it registered.
pub(crate) struct Registered {
    pub(crate) agent_id: Option<String>,
    pub(crate) tasks: Vec<(String, TaskState)>,
    pub(crate) executors: Vec<String>,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (agent, master) = start_agent(dir.path(), 0).await;
        let port = agent.address().port();
        let mut cluster = Self {
            dir,
            agent: Some(agent),
            master,
            port,
            statuses: HashMap::new(),
            gone: HashMap::new(),
            reports: Vec::new(),
            executor_query: String::new(),
        };
        cluster.register().await;
        cluster
    }

    pub(crate) async fn stop_agent(&mut self) {
        self.agent.take().unwrap().stop().await;
    }

    /// Lets the master go away; the agent ends.
    pub(crate) async fn lose_master(&mut self) {
        self.master = link().1;
        let mut agent = self.agent.take().unwrap();
        agent.ended().await;
        agent.stop().await;
    }

    pub(crate) async fn restart_agent(&mut self) -> Registered {
        let (agent, master) = start_agent(self.dir.path(), self.port).await;
        (self.agent, self.master) = (Some(agent), master);
        self.register().await
    }

    /// Takes the agent's registration; a new one gets its id and comes again with it.
    async fn register(&mut self) -> Registered {
        let first = self.registration().await;
        if first.agent_id.is_none() {
            assert_eq!(self.registration().await.agent_id.as_deref(), Some("S0"));
        }
        first
    }

    async fn registration(&mut self) -> Registered {
        let Some(FromAgent::Register { info, tasks, executors, .. }) = self.master.from_agent.recv().await
        else {
            panic!("the first message must be a registration");
        };
        self.tell(ToAgent::Registered { agent_id: AgentId { value: "S0".into() } }).await;
        Registered {
            agent_id: info.id.map(|id| id.value),
            tasks: tasks.iter().map(|t| (t.task_id.value.clone(), t.state())).collect(),
            executors: executors.into_iter().map(|(_, e)| e.executor_id.value).collect(),
        }
    }

    async fn tell(&self, message: ToAgent) {
        self.master.to_agent.send(message).await.unwrap();
    }

    /// Waits until the agent has taken what it was told.
    pub(crate) async fn until_heard(&self) {
        wait_until(|| self.master.to_agent.capacity() == self.master.to_agent.max_capacity()).await;
    }

    /// Takes the next message of the agent, and acknowledges it if it wants that.
    async fn listen(&mut self) {
        let message = tokio::time::timeout(PATIENCE, self.master.from_agent.recv()).await;
        match message.expect("the agent is silent").expect("the agent is gone") {
            FromAgent::Update { framework_id, status, .. } => {
                let task_id = status.task_id.clone();
                let uuid = status.uuid().to_vec();
                self.statuses.entry(task_id.value.clone()).or_default().push(*status);
                self.tell(ToAgent::Acknowledge { framework_id, task_id, uuid }).await;
            }
            FromAgent::ExecutorExited { executor_id, status, .. } => {
                self.gone.insert(executor_id.value, status);
            }
            FromAgent::MessageToFramework { data, .. } => {
                self.reports.push(serde_json::from_slice(&data).unwrap());
            }
            FromAgent::Destroyed => {}
            other => panic!("unexpected {other:?}"),
        }
    }

    /// Waits for a status of the task that has come or comes.
    pub(crate) async fn until(&mut self, task: &str, is_it: impl Fn(&TaskStatus) -> bool) -> TaskStatus {
        loop {
            if let Some(status) = self.statuses.get(task).and_then(|all| all.iter().find(|s| is_it(s))) {
                return status.clone();
            }
            self.listen().await;
        }
    }

    /// Waits for the end of the task. All its statuses.
    pub(crate) async fn until_over(&mut self, task: &str) -> Vec<TaskStatus> {
        let over = [TaskState::TaskFinished, TaskState::TaskFailed, TaskState::TaskKilled];
        self.until(task, |s| over.contains(&s.state())).await;
        self.statuses[task].clone()
    }

    pub(crate) async fn until_executor_gone(&mut self, executor: &str) -> i32 {
        while !self.gone.contains_key(executor) {
            self.listen().await;
        }
        self.gone[executor]
    }

    /// Sends an order to the executor of a task.
    pub(crate) async fn order(&mut self, task: &str, order: &Order) {
        self.tell(ToAgent::MessageToExecutor {
            framework_id: FrameworkId { value: FRAMEWORK.into() },
            executor_id: ExecutorId { value: task.into() },
            data: serde_json::to_vec(order).unwrap(),
        })
        .await;
    }

    /// The next report of an action.
    pub(crate) async fn report(&mut self, id: &str) -> ActionState {
        loop {
            if let Some(at) = self.reports.iter().position(|r| r.id == id) {
                return self.reports.remove(at).state;
            }
            self.listen().await;
        }
    }

    pub(crate) async fn executor_pid(&mut self, task: &str) -> i32 {
        let status = self.until(task, |s| s.container_status.is_some()).await;
        status.container_status.unwrap().executor_pid().try_into().unwrap()
    }

    pub(crate) async fn pid_file(&mut self, task: &str, name: &str) -> i32 {
        let path = self.sandbox(task).join(name);
        let read = || std::fs::read_to_string(&path).ok().filter(|t| t.ends_with('\n'));
        wait_until(|| read().is_some()).await;
        read().unwrap().trim().parse().unwrap()
    }

    /// The directory of all sandboxes.
    pub(crate) fn sandboxes(&self) -> PathBuf {
        self.dir.path().join("slaves")
    }

    pub(crate) fn sandbox(&self, executor: &str) -> PathBuf {
        let frameworks = self.sandboxes().join("S0/frameworks");
        frameworks.join(FRAMEWORK).join("executors").join(executor).join("runs/latest")
    }

    /// Where the agent keeps its state.
    pub(crate) fn meta(&self) -> PathBuf {
        self.dir.path().join("meta")
    }

    pub(crate) fn volume(&self, id: &str) -> PathBuf {
        self.dir.path().join("volumes/roles/test").join(id)
    }

    pub(crate) async fn launch(&mut self, name: &str, spec: &TaskSpec, ports: &[(&str, u16)]) {
        let mut task = self.task(name);
        task.data = Some(serde_json::to_vec(spec).unwrap());
        task.discovery = Some(DiscoveryInfo {
            ports: Some(Ports { ports: ports.iter().map(|(name, number)| port(name, *number)).collect() }),
            ..DiscoveryInfo::default()
        });
        self.run(self.executor(name), task).await;
    }

    pub(crate) async fn launch_with_volume(&mut self, name: &str, spec: &TaskSpec, id: &str) {
        let mut task = self.task(name);
        task.data = Some(serde_json::to_vec(spec).unwrap());
        task.resources = vec![disk(id)];
        self.run(self.executor(name), task).await;
    }

    pub(crate) async fn destroy(&mut self, id: &str) {
        self.tell(ToAgent::Checkpoint { resources: Vec::new(), destroyed: vec![disk(id)] }).await;
    }

    pub(crate) async fn command(&mut self, name: &str, script: &str) {
        let command = CommandInfo { value: Some(script.into()), ..CommandInfo::default() };
        let task = TaskInfo { command: Some(command), ..self.task(name) };
        let executor = ExecutorInfo { r#type: None, command: None, ..self.executor(name) };
        self.run(executor, task).await;
    }

    async fn run(&mut self, executor: ExecutorInfo, task: TaskInfo) {
        let framework = FrameworkInfo {
            id: Some(FrameworkId { value: FRAMEWORK.into() }),
            user: "root".into(),
            name: "test".into(),
            checkpoint: Some(true),
            ..FrameworkInfo::default()
        };
        self.tell(ToAgent::RunTasks { framework, executor, tasks: vec![task], group: false }).await;
    }

    pub(crate) async fn kill(&mut self, task: &str, grace: Option<Duration>) {
        let nanoseconds = |d: Duration| i64::try_from(d.as_nanos()).unwrap();
        self.tell(ToAgent::Kill {
            framework_id: FrameworkId { value: FRAMEWORK.into() },
            task_id: TaskId { value: task.into() },
            kill_policy: grace.map(|grace| KillPolicy {
                grace_period: Some(DurationInfo { nanoseconds: nanoseconds(grace) }),
            }),
        })
        .await;
    }

    fn task(&self, name: &str) -> TaskInfo {
        TaskInfo {
            name: name.into(),
            task_id: TaskId { value: name.into() },
            agent_id: AgentId { value: "S0".into() },
            ..TaskInfo::default()
        }
    }

    fn executor(&self, name: &str) -> ExecutorInfo {
        let uri = command_info::Uri {
            value: format!("file://{}{}", env!("CARGO_BIN_EXE_cairn-executor"), self.executor_query),
            executable: Some(true),
            cache: Some(true),
            output_file: Some("cairn".into()),
            ..command_info::Uri::default()
        };
        let command = CommandInfo {
            shell: Some(false),
            value: Some("./cairn".into()),
            arguments: vec!["cairn".into(), "executor".into()],
            uris: vec![uri],
            ..CommandInfo::default()
        };
        ExecutorInfo {
            executor_id: ExecutorId { value: name.into() },
            framework_id: Some(FrameworkId { value: FRAMEWORK.into() }),
            r#type: Some(executor_info::Type::Custom as i32),
            command: Some(command),
            ..ExecutorInfo::default()
        }
    }
}

impl Drop for Cluster {
    /// Ends executors that still wait for something. They are known by their sandbox, so that no other is hit.
    fn drop(&mut self) {
        let marker = format!("MESOS_DIRECTORY={}", self.dir.path().display());
        let statuses = self.statuses.values().flatten();
        for pid in statuses.filter_map(|s| s.container_status.as_ref()?.executor_pid) {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            if String::from_utf8_lossy(&environment).contains(&marker) {
                kill_9(pid.try_into().unwrap());
            }
        }
    }
}

async fn start_agent(dir: &Path, port: u16) -> (Agent, MasterLink) {
    let options = AgentOptions {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port,
        hostname: "localhost".into(),
        work_dir: dir.to_owned(),
        resources: Vec::new(),
        attributes: Vec::new(),
        domain: None,
        // The executor has to say who it is, so each test shows that it does.
        credentials: None,
        executor_secret: Some(Key::new(b"what tokens are signed with")),
        anonymous_executors: false,
        tls: None,
        trust: None,
        path: std::env::var("PATH").unwrap(),
        timeouts: Timeouts::default(),
        housekeeping: Housekeeping::default(),
    };
    let (agent, master) = link();
    let runner = LocalRunner::new(Fetcher::new(dir.join("cache")), Containment::default()).unwrap();
    (Agent::start(options, agent, Arc::new(runner)).await.unwrap(), master)
}

fn port(name: &str, number: u16) -> Port {
    Port { number: number.into(), name: Some(name.into()), ..Port::default() }
}

fn disk(id: &str) -> Resource {
    Resource {
        name: "disk".into(),
        r#type: value::Type::Scalar as i32,
        scalar: Some(value::Scalar { value: 10.0 }),
        reservations: vec![ReservationInfo { role: Some("test".into()), ..ReservationInfo::default() }],
        disk: Some(Box::new(DiskInfo {
            persistence: Some(Persistence { id: id.into(), principal: None }),
            volume: Some(Volume { container_path: "data".into(), ..Volume::default() }),
            ..DiskInfo::default()
        })),
        ..Resource::default()
    }
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

pub(crate) fn kill_9(pid: i32) {
    signal(pid, Signal::KILL);
}

pub(crate) fn terminate(pid: i32) {
    signal(pid, Signal::TERM);
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Waits for a condition that nothing announces.
pub(crate) async fn wait_until(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the condition did not come");
}

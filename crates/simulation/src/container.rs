//! A container: the executor's session and the services that it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_cluster::agent::ContainerPlan;
use cairn_cluster::agent::simulation::Key;
use cairn_executor::simulation::{Effect, End, Input, Now, PortTaken, Report, Session};
use cairn_mesos::client::ExecutorEnvironment;
use cairn_mesos::v1::executor::{Call, Event, call, event};
use cairn_mesos::v1::{TaskInfo, TaskStatus};
use cairn_task::TaskSpec;

use crate::child::{Home, Start};
use crate::fault::Fault;
use crate::machine::{AgentNews, ExecutorNews, ServiceStep};
use crate::world::{Happening, Lane, World};

/// A service process.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// Framework's role and instance.
    pub(crate) owner: (String, String),
    pub(crate) command: Vec<String>,
    pub(crate) ports: Vec<u64>,
    /// Its process has been started.
    pub(crate) runs: bool,
    /// It really serves.
    pub(crate) serves: bool,
    /// It will not become ready by itself before things calm down.
    pub(crate) stuck: bool,
    stopping: bool,
    /// It is a child scheduler.
    child: Option<Box<Start>>,
}

impl Service {
    fn of(info: &TaskInfo) -> Self {
        let role = info.resources.iter().find_map(|r| r.reservations.last()?.role.clone());
        let spec: TaskSpec = serde_json::from_slice(info.data()).unwrap_or_default();
        let ranges = info.resources.iter().filter_map(|r| r.ranges.as_ref()).flat_map(|r| &r.range);
        Self {
            owner: (role.unwrap_or_default(), info.name.clone()),
            child: Start::of(&spec).map(Box::new),
            command: spec.command,
            ports: ranges.map(|r| r.begin).collect(),
            runs: false,
            serves: false,
            stuck: false,
            stopping: false,
        }
    }

    fn is_broken(&self) -> bool {
        self.command.iter().any(|word| word == "broken")
    }

    /// It is there to come to an end.
    fn is_job(&self) -> bool {
        self.command.first().is_some_and(|word| word == "once")
    }
}

#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) key: Key,
    session: Session,
    born: u64,
    recovery: u64,
    /// Life of the agent with which its stream stands.
    pub(crate) connected: Option<u64>,
    apart_since: Option<u64>,
    /// The agent waits for its end.
    pub(crate) waited: bool,
    tick: Option<u64>,
    pub(crate) services: BTreeMap<String, Service>,
}

impl Container {
    /// A process with the environment that the agent gives it.
    pub(crate) fn new(plan: &ContainerPlan, now: u64) -> Option<Self> {
        let read = |name: &str| plan.env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let env = ExecutorEnvironment::read(read).ok()?;
        Some(Self {
            id: plan.container.clone(),
            key: Key { framework: env.framework_id.value.clone(), executor: env.executor_id.value.clone() },
            session: Session::new(&env),
            born: now,
            recovery: u64::try_from(env.recovery_timeout.as_millis()).unwrap_or(u64::MAX),
            connected: None,
            apart_since: None,
            waited: false,
            tick: None,
            services: BTreeMap::new(),
        })
    }
}

/// What an event from the agent is for the session.
pub(crate) fn heard(event: Event) -> Input {
    match (event.r#type(), event.subscribed) {
        (event::Type::Subscribed, Some(subscribed)) => Input::Subscribed(Box::new(subscribed)),
        (_, subscribed) => Input::Event(Box::new(Event { subscribed, ..event })),
    }
}

impl World {
    pub(crate) fn tell_executor(&mut self, machine: usize, container: u64, news: ExecutorNews) {
        let Some(own) = self.machines[machine].containers.get_mut(&container) else { return };
        match news {
            ExecutorNews::Connect => self.connect_executor(machine, container),
            ExecutorNews::FromAgent { life, input } => {
                if own.connected == Some(life) {
                    self.session_step(machine, container, input);
                }
            }
            ExecutorNews::Disconnected { life } => {
                if own.connected == Some(life) {
                    own.connected = None;
                    own.apart_since = Some(self.now);
                    self.session_step(machine, container, Input::Disconnected);
                    self.reconnect(machine, container);
                }
            }
            ExecutorNews::Terminate => self.session_step(machine, container, Input::Terminate),
            ExecutorNews::Kill => self.container_ends(machine, container, Some(9)),
            ExecutorNews::Tick => {
                own.tick = None;
                self.session_step(machine, container, Input::Tick);
            }
            ExecutorNews::Service { task, step } => self.service_step(machine, container, &task, step),
        }
    }

    fn reconnect(&mut self, machine: usize, container: u64) {
        let wait = self.delays.between(100, 2_000);
        self.after(wait, Happening::Executor { machine, container, news: ExecutorNews::Connect });
    }

    fn connect_executor(&mut self, machine: usize, container: u64) {
        let (now, there) = (self.now, self.machines[machine].agent.is_some());
        let life = self.machines[machine].life;
        let Some(own) = self.machines[machine].containers.get_mut(&container) else { return };
        if own.connected.is_some() {
            return;
        }
        if !there {
            let since = *own.apart_since.get_or_insert(now);
            if now - since > own.recovery {
                return self.session_step(machine, container, Input::Lost);
            }
            return self.reconnect(machine, container);
        }
        own.apart_since = None;
        own.connected = Some(life);
        let call = Call {
            r#type: Some(call::Type::Subscribe as i32),
            subscribe: Some(own.session.unacknowledged()),
            ..Call::default()
        };
        let news = AgentNews::Subscribe { container, key: own.key.clone(), call: Box::new(call) };
        self.tell_agent(machine, news);
    }

    fn session_step(&mut self, machine: usize, container: u64, input: Input) {
        self.steps += 1;
        let uuid = u128::from(self.number()).to_be_bytes();
        let now = self.now;
        let Some(own) = self.machines[machine].containers.get_mut(&container) else { return };
        let wall = Duration::from_millis(now).as_secs_f64();
        let time = Now { at: Duration::from_millis(now - own.born), wall, uuid };
        for effect in own.session.step(input, time) {
            match effect {
                Effect::Send(status) => {
                    if status.uuid() == uuid {
                        self.check_said(machine, container, &status);
                    }
                    self.send_update(machine, container, *status);
                }
                Effect::Start(info, _) => self.start_service(machine, container, &info),
                Effect::Stop(task, _) => self.stop_service(machine, container, &task),
                Effect::Exit => return self.container_ends(machine, container, Some(0)),
            }
        }
        self.arm_executor(machine, container);
    }

    fn arm_executor(&mut self, machine: usize, container: u64) {
        let now = self.now;
        let Some(own) = self.machines[machine].containers.get_mut(&container) else { return };
        let Some(at) = own.session.deadline() else { return };
        let at = (own.born + u64::try_from(at.as_millis()).unwrap_or(u64::MAX)).max(now) + 1;
        if own.tick.is_none_or(|armed| at < armed) {
            own.tick = Some(at);
            self.after(at - now, Happening::Executor { machine, container, news: ExecutorNews::Tick });
        }
    }

    fn send_update(&mut self, machine: usize, container: u64, status: TaskStatus) {
        let life = self.machines[machine].life;
        let Some(own) = self.machines[machine].containers.get(&container) else { return };
        if own.connected != Some(life) {
            return;
        }
        let (key, uuid) = (own.key.clone(), status.uuid().to_vec());
        let call = Call {
            r#type: Some(call::Type::Update as i32),
            update: Some(call::Update { status }),
            ..Call::default()
        };
        let news = AgentNews::FromExecutor { container, key, call: Box::new(call), uuid };
        let happening = Happening::Agent { index: machine, life, over: None, news };
        self.send(Lane::FromExecutor(container), happening);
    }

    fn start_service(&mut self, machine: usize, container: u64, info: &TaskInfo) {
        let id = info.task_id.value.clone();
        let service = Service::of(info);
        self.check_start(machine, &id, &service);
        if self.luck.strikes(Fault::PortTaken, 2_000) {
            let port = service.ports.first().and_then(|p| u16::try_from(*p).ok()).unwrap_or_default();
            let address = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
            let taken = PortTaken { name: "main".into(), port, address, holder: None };
            return self.report(machine, container, &id, Report::Ended(End::PortTaken(taken)));
        }
        let Some(own) = self.machines[machine].containers.get_mut(&container) else { return };
        let stuck = self.luck.strikes(Fault::NeverReady, 2_000);
        own.services.insert(id.clone(), Service { stuck, ..service });
        self.report(machine, container, &id, Report::Starting);
        let wait = self.delays.between(10, 300);
        self.service_later(machine, container, &id, ServiceStep::Runs, wait);
    }

    pub(crate) fn service_later(
        &mut self,
        machine: usize,
        container: u64,
        task: &str,
        step: ServiceStep,
        wait: u64,
    ) {
        let news = ExecutorNews::Service { task: task.to_owned(), step };
        self.after(wait, Happening::Executor { machine, container, news });
    }

    fn stop_service(&mut self, machine: usize, container: u64, task: &str) {
        let Some(own) = self.machines[machine].containers.get_mut(&container) else { return };
        let Some(service) = own.services.get_mut(task) else { return };
        if !std::mem::replace(&mut service.stopping, true) {
            let wait = self.delays.between(10, 2_000);
            self.service_later(machine, container, task, ServiceStep::Stops, wait);
            self.report(machine, container, task, Report::Killing);
        }
    }

    pub(crate) fn service_step(&mut self, machine: usize, container: u64, task: &str, step: ServiceStep) {
        let calm = self.luck.is_calm();
        let Some(own) = self.machines[machine].containers.get_mut(&container) else { return };
        let Some(service) = own.services.get_mut(task) else { return };
        let running = |healthy| Report::Running { healthy, message: None };
        let mut child = None;
        let report = match step {
            ServiceStep::Stops => {
                own.services.remove(task);
                self.child_ends(machine, container, task);
                Report::Ended(End::Killed("Command terminated".into()))
            }
            ServiceStep::Crashes => {
                own.services.remove(task);
                self.child_ends(machine, container, task);
                Report::Ended(End::Failed("Command exited with status 1".into()))
            }
            _ if service.stopping => return,
            // Nobody probes what does not run yet.
            ServiceStep::Ready | ServiceStep::Flaps if !service.runs => return,
            ServiceStep::Finishes => {
                own.services.remove(task);
                Report::Ended(End::Finished("Command exited with status 0".into()))
            }
            ServiceStep::Runs => {
                let next = if service.is_job() { ServiceStep::Finishes } else { ServiceStep::Ready };
                service.runs = true;
                child = service.child.take();
                let wait = self.delays.between(50, 2_000);
                self.service_later(machine, container, task, next, wait);
                running(None)
            }
            ServiceStep::Ready if service.is_broken() || (service.stuck && !calm) => return,
            ServiceStep::Ready => {
                service.serves = true;
                running(Some(true))
            }
            ServiceStep::Flaps => {
                let wait = self.delays.between(100, 5_000);
                self.service_later(machine, container, task, ServiceStep::Ready, wait);
                running(Some(false))
            }
        };
        self.report(machine, container, task, report);
        if let Some(start) = child {
            self.child_starts(Home { machine, container, task: task.to_owned() }, *start);
        }
    }

    fn report(&mut self, machine: usize, container: u64, task: &str, report: Report) {
        self.session_step(machine, container, Input::Report(task.to_owned(), report));
    }

    /// Nothing is left of a container.
    fn container_ends(&mut self, machine: usize, container: u64, status: Option<i32>) {
        let Some(own) = self.machines[machine].containers.remove(&container) else { return };
        for task in own.services.keys() {
            self.child_ends(machine, container, task);
        }
        if own.waited && self.machines[machine].agent.is_some() {
            self.tell_exit(machine, own.id, status);
        }
    }
}

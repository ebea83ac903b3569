//! Decisions of the agent, without processes.

use cairn_mesos::v1::executor::{call, event};
use cairn_mesos::v1::task_status::{Reason, Source};
use cairn_mesos::v1::{
    CommandInfo, ContainerInfo, ExecutorId, ExecutorInfo, FrameworkId, FrameworkInfo, TaskId, TaskInfo,
    TaskState, TaskStatus, container_info, executor_info,
};

use super::*;
use crate::security::Claims;

struct Counter(u8);

impl Ids for Counter {
    fn uuid(&mut self) -> [u8; 16] {
        self.0 += 1;
        [self.0; 16]
    }
}

struct Agent {
    core: Core,
    ids: Counter,
    at: Duration,
}

fn settings() -> Settings {
    Settings {
        ip: "127.0.0.2".into(),
        port: 5051,
        hostname: "h".into(),
        attributes: Vec::new(),
        domain: None,
        key: None,
        resources: Vec::new(),
        work_dir: "/w".into(),
        boot: "boot".into(),
        tls: false,
        authorities: None,
        path: "/bin".into(),
        timeouts: Timeouts::default(),
    }
}

fn registered() -> ToAgent {
    ToAgent::Registered { agent_id: AgentId { value: "S0".into() } }
}

fn framework_id() -> FrameworkId {
    FrameworkId { value: "F".into() }
}

fn framework() -> FrameworkInfo {
    FrameworkInfo { id: Some(framework_id()), checkpoint: Some(true), ..FrameworkInfo::default() }
}

fn task(id: &str) -> TaskInfo {
    TaskInfo { name: id.into(), task_id: TaskId { value: id.into() }, ..TaskInfo::default() }
}

fn key() -> Key {
    Key { framework: "F".into(), executor: "e".into() }
}

fn call(kind: call::Type) -> Call {
    Call { r#type: Some(kind as i32), ..Call::default() }
}

fn status(state: TaskState, uuid: u8) -> TaskStatus {
    TaskStatus {
        task_id: TaskId { value: "t".into() },
        state: state as i32,
        source: Some(Source::Executor as i32),
        uuid: Some(vec![uuid; 16]),
        ..TaskStatus::default()
    }
}

impl Agent {
    fn new() -> Self {
        Self::recover(AgentRecord::default(), Vec::new()).0
    }

    fn recover(record: AgentRecord, containers: Vec<ContainerRecord>) -> (Self, Vec<Effect>) {
        let now = Now { at: Duration::ZERO, wall: 1.0 };
        let (core, effects) = Core::recover(settings(), record, containers, now);
        (Self { core, ids: Counter(100), at: Duration::ZERO }, effects)
    }

    fn step(&mut self, event: Event) -> Vec<Effect> {
        self.core.step(event, Now { at: self.at, wall: 1.0 }, &mut self.ids)
    }

    fn master(&mut self, message: ToAgent) -> Vec<Effect> {
        self.step(Event::Master(Box::new(message)))
    }

    fn after(&mut self, seconds: u64) -> Vec<Effect> {
        self.at += Duration::from_secs(seconds);
        self.step(Event::Tick)
    }

    fn register(&mut self) -> Vec<Effect> {
        self.step(Event::LinkUp);
        let mut effects = self.master(registered());
        // A new one comes again with its id.
        if !self.core.is_registered() {
            effects = self.master(registered());
        }
        effects
    }

    /// Asks for a task on the executor `e`. The plan, if a container is to be started.
    fn run(&mut self, id: &str) -> Option<ContainerPlan> {
        let command = CommandInfo { value: Some("run".into()), ..CommandInfo::default() };
        let executor = ExecutorInfo {
            executor_id: ExecutorId { value: "e".into() },
            r#type: Some(executor_info::Type::Custom as i32),
            command: Some(command),
            ..ExecutorInfo::default()
        };
        let tasks = vec![task(id)];
        let effects =
            self.master(ToAgent::RunTasks { framework: framework(), executor, tasks, group: false });
        effects.into_iter().find_map(|e| match e {
            Effect::Start(plan) => Some(*plan),
            _ => None,
        })
    }

    fn started(&mut self, plan: &ContainerPlan) -> Vec<Effect> {
        let result = Ok(ProcessId { pid: 7, start_time: 1 });
        self.step(Event::Started { container: plan.container.clone(), result })
    }

    fn subscribe(&mut self) -> Vec<Effect> {
        self.step(Event::Subscribe(key(), Box::new(call(call::Type::Subscribe))))
    }

    fn update(&mut self, status: TaskStatus) -> Vec<Effect> {
        let update = Some(call::Update { status });
        self.step(Event::Executor(key(), Box::new(Call { update, ..call(call::Type::Update) })))
    }

    /// An agent with a subscribed executor that got the task `t`.
    fn running() -> (Self, String) {
        let mut agent = Self::new();
        agent.register();
        let plan = agent.run("t").unwrap();
        agent.started(&plan);
        agent.subscribe();
        (agent, plan.container)
    }

    fn acknowledge(&mut self, uuid: u8) -> Vec<Effect> {
        self.master(ToAgent::Acknowledge {
            framework_id: framework_id(),
            task_id: TaskId { value: "t".into() },
            uuid: vec![uuid; 16],
        })
    }
}

/// The effects as short words, one each.
fn words(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .map(|effect| match effect {
            Effect::ToExecutor(_, event) => format!("executor {}", event.r#type().as_str_name()),
            Effect::ToMaster(message) => match &**message {
                FromAgent::Update { status, .. } => format!("master {}", status.state().as_str_name()),
                FromAgent::ExecutorExited { status, .. } => format!("master exited {status}"),
                FromAgent::Register { tasks, .. } => format!("master register {}", tasks.len()),
                other => format!("{other:?}"),
            },
            Effect::Leave { .. } => "leave".into(),
            Effect::Save(Record::Agent) => "save agent".into(),
            Effect::Save(Record::Container(_)) => "save".into(),
            Effect::Start(_) => "start".into(),
            Effect::Wait(_) => "wait".into(),
            Effect::End(_, grace) => format!("end {}", grace.as_secs()),
            Effect::Update(_, update) => format!("update {}", update.volumes.len()),
            Effect::Probe { task, which, .. } => format!("probe {which:?} of {task}"),
            Effect::DeleteVolumes(paths) => format!("delete {paths:?}"),
        })
        .collect()
}

fn last_status(effects: &[Effect]) -> &TaskStatus {
    effects
        .iter()
        .rev()
        .find_map(|e| match e {
            Effect::ToMaster(message) => match &**message {
                FromAgent::Update { status, .. } => Some(&**status),
                _ => None,
            },
            _ => None,
        })
        .unwrap()
}

#[test]
fn calls_are_taken_from_an_executor_that_has_subscribed() {
    let admit = |agent: &Agent, key: &Key| agent.core.admit(key, None, false);
    let mut agent = Agent::new();
    agent.register();
    assert_eq!(agent.core.admit(&key(), None, true), Err(Denial::NoFramework));
    let plan = agent.run("t").unwrap();
    assert_eq!(admit(&agent, &Key { executor: "other".into(), ..key() }), Err(Denial::NoExecutor));
    assert_eq!(admit(&agent, &key()), Err(Denial::NotSubscribed));
    assert!(agent.core.is_starting(&key()), "what it says now would go without its process");
    agent.started(&plan);
    assert!(!agent.core.is_starting(&key()));
    assert_eq!(
        (admit(&agent, &key()), agent.core.admit(&key(), None, true)),
        (Err(Denial::NotSubscribed), Ok(()))
    );
    agent.subscribe();
    assert_eq!(admit(&agent, &key()), Ok(()));
    let claims = |cid: &str| Claims { fid: "F".into(), eid: "e".into(), cid: cid.into() };
    assert_eq!(agent.core.admit(&key(), Some(&claims(&plan.container)), false), Ok(()));
    let text = "Authenticated principal '{ cid: x, eid: e, fid: F }' does not contain a 'cid' claim with the correct active \
                ContainerID";
    assert_eq!(agent.core.admit(&key(), Some(&claims("x")), true), Err(Denial::Foreign(text.to_owned())));
    let (mut back, _) = Agent::recover(
        agent.core.agent_record(),
        agent.core.container_record(&plan.container).into_iter().collect(),
    );
    assert_eq!(admit(&back, &key()), Err(Denial::NotBack));
    back.subscribe();
    assert_eq!(admit(&back, &key()), Ok(()));
}

#[test]
fn tasks_wait_for_their_executor() {
    let mut agent = Agent::new();
    agent.register();
    let plan = agent.run("t").unwrap();
    assert_eq!(
        plan.sandbox,
        PathBuf::from(format!("/w/slaves/S0/frameworks/F/executors/e/runs/{}", plan.container))
    );
    assert_eq!(agent.run("t2"), None);
    assert_eq!(words(&agent.started(&plan)), ["save", "wait"]);
    let effects = agent.subscribe();
    assert_eq!(words(&effects), ["executor SUBSCRIBED", "save", "executor LAUNCH", "executor LAUNCH"]);
}

#[test]
fn the_environment_is_that_of_mesos() {
    let mut agent = Agent::new();
    agent.register();
    let plan = agent.run("t").unwrap();
    let sandbox = plan.sandbox.display().to_string();
    let expected = [
        ("PATH", "/bin"),
        ("LIBPROCESS_IP", "127.0.0.2"),
        ("LIBPROCESS_PORT", "0"),
        ("MESOS_FRAMEWORK_ID", "F"),
        ("MESOS_EXECUTOR_ID", "e"),
        ("MESOS_SLAVE_ID", "S0"),
        ("MESOS_SLAVE_PID", "slave(1)@127.0.0.2:5051"),
        ("MESOS_AGENT_ENDPOINT", "127.0.0.2:5051"),
        ("MESOS_CHECKPOINT", "1"),
        ("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5secs"),
        ("MESOS_HTTP_COMMAND_EXECUTOR", "0"),
        ("MESOS_RECOVERY_TIMEOUT", "15mins"),
        ("MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs"),
        ("MESOS_DIRECTORY", &sandbox),
        ("MESOS_SANDBOX", &sandbox),
    ];
    let env: Vec<(&str, &str)> = plan.env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(env, expected);
}

#[test]
fn an_update_is_saved_before_it_is_sent_and_the_next_waits_for_its_acknowledgement() {
    let (mut agent, _) = Agent::running();
    let effects = agent.update(status(TaskState::TaskStarting, 1));
    assert_eq!(words(&effects), ["save", "master TASK_STARTING"]);
    let sent = last_status(&effects);
    assert_eq!(sent.container_status.as_ref().unwrap().executor_pid, Some(7));
    assert_eq!(sent.agent_id.as_ref().unwrap().value, "S0");
    assert_eq!(words(&agent.update(status(TaskState::TaskRunning, 2))), ["save"]);
    assert_eq!(words(&agent.update(status(TaskState::TaskRunning, 2))), [""; 0]);
    assert_eq!(words(&agent.after(10)), ["master TASK_STARTING"]);
    assert_eq!(words(&agent.acknowledge(1)), ["save", "executor ACKNOWLEDGED", "master TASK_RUNNING"]);
    assert_eq!(words(&agent.acknowledge(1)), [""; 0]);
}

#[test]
fn a_dead_executor_takes_its_tasks_with_it() {
    let (mut agent, container) = Agent::running();
    let effects = agent.step(Event::Exited { container, status: Some(9) });
    assert_eq!(words(&effects), ["master exited 9", "save", "master TASK_FAILED"]);
    let sent = last_status(&effects);
    assert_eq!(
        (sent.message(), sent.reason(), sent.source()),
        ("Executor terminated", Reason::ExecutorTerminated, Source::Agent)
    );
    assert_eq!(words(&agent.acknowledge(102)), ["save"]);
    assert_eq!(agent.core.next_deadline(), None);
}

#[test]
fn an_executor_that_does_not_register_is_ended() {
    let mut agent = Agent::new();
    agent.register();
    let plan = agent.run("t").unwrap();
    agent.started(&plan);
    assert_eq!(words(&agent.after(59)), [""; 0]);
    assert_eq!(words(&agent.after(1)), ["end 0"]);
    let effects = agent.step(Event::Exited { container: plan.container, status: Some(9) });
    let sent = last_status(&effects);
    assert_eq!(sent.message(), "Executor did not register within 1mins");
    assert_eq!(sent.reason(), Reason::ExecutorRegistrationTimeout);
}

#[test]
fn a_launch_that_fails_says_why() {
    let mut agent = Agent::new();
    agent.register();
    let plan = agent.run("t").unwrap();
    let effects = agent.step(Event::Started { container: plan.container, result: Err("disk full".into()) });
    assert_eq!(words(&effects), ["master exited 9", "save", "master TASK_FAILED"]);
    let sent = last_status(&effects);
    assert_eq!(sent.message(), "Failed to launch container: disk full");
    assert_eq!(sent.reason(), Reason::ContainerLaunchFailed);
}

#[test]
fn a_command_that_wants_an_image_does_not_run_without() {
    let mut agent = Agent::new();
    agent.register();
    let command = CommandInfo { value: Some("true".into()), ..CommandInfo::default() };
    let executor = ExecutorInfo { executor_id: ExecutorId { value: "t".into() }, ..ExecutorInfo::default() };
    let container = ContainerInfo { r#type: container_info::Type::Docker as i32, ..ContainerInfo::default() };
    let tasks = vec![TaskInfo { command: Some(command), container: Some(container), ..task("t") }];
    let effects = agent.master(ToAgent::RunTasks { framework: framework(), executor, tasks, group: false });
    let sent = last_status(&effects);
    assert_eq!((sent.state(), sent.reason()), (TaskState::TaskFailed, Reason::ContainerLaunchFailed));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Start(_))));
}

fn kill(agent: &mut Agent) -> Vec<Effect> {
    agent.master(ToAgent::Kill {
        framework_id: framework_id(),
        task_id: TaskId { value: "t".into() },
        kill_policy: None,
    })
}

#[test]
fn an_executor_that_comes_back_to_no_task_at_all_is_shut_down() {
    let mut agent = Agent::new();
    agent.register();
    let plan = agent.run("t").unwrap();
    agent.started(&plan);
    let record = agent.core.container_record(&plan.container).unwrap();
    let (mut agent, _) = Agent::recover(agent.core.agent_record(), vec![record]);
    agent.register();
    assert_eq!(last_status(&kill(&mut agent)).state(), TaskState::TaskKilled);
    assert_eq!(words(&agent.subscribe()), ["executor SUBSCRIBED", "executor SHUTDOWN"]);

    // One that has had a task may get another.
    let (mut agent, container) = Agent::running();
    agent.update(status(TaskState::TaskFinished, 1));
    agent.acknowledge(1);
    let record = agent.core.container_record(&container).unwrap();
    let (mut agent, _) = Agent::recover(agent.core.agent_record(), vec![record]);
    agent.register();
    assert_eq!(words(&agent.subscribe()), ["executor SUBSCRIBED"]);
}

#[test]
fn a_kill_before_the_delivery_needs_no_executor() {
    let mut agent = Agent::new();
    agent.register();
    let plan = agent.run("t").unwrap();
    let effects = kill(&mut agent);
    assert_eq!(last_status(&effects).reason(), Reason::TaskKilledDuringLaunch);
    let end = |effect: &Effect| matches!(effect, Effect::End(id, _) if *id == plan.container);
    assert!(effects.iter().any(end), "it may still be fetching");
    assert_eq!(words(&agent.started(&plan)), ["save", "wait", "end 0"]);
}

#[test]
fn a_kill_is_repeated_to_an_executor_that_comes_back() {
    let (mut agent, _) = Agent::running();
    assert_eq!(words(&kill(&mut agent)), ["save", "executor KILL"]);
    let known = call::Subscribe { unacknowledged_tasks: vec![task("t")], ..call::Subscribe::default() };
    let again = Call { subscribe: Some(known), ..call(call::Type::Subscribe) };
    let effects = agent.step(Event::Subscribe(key(), Box::new(again)));
    assert_eq!(words(&effects), ["executor SUBSCRIBED", "executor KILL"]);
}

#[test]
fn a_launch_that_was_lost_is_repeated() {
    let (mut agent, _) = Agent::running();
    assert_eq!(words(&agent.subscribe()), ["executor SUBSCRIBED", "save", "executor LAUNCH"]);
}

#[test]
fn shutdown_is_polite_first() {
    let (mut agent, _) = Agent::running();
    let shutdown = ToAgent::ShutdownExecutor {
        framework_id: framework_id(),
        executor_id: ExecutorId { value: "e".into() },
    };
    assert_eq!(words(&agent.master(shutdown)), ["executor SHUTDOWN"]);
    assert_eq!(words(&agent.after(5)), ["end 0"]);
}

#[test]
fn an_executor_that_is_shut_down_during_its_start_ends_with_that() {
    let shutdown = || ToAgent::ShutdownExecutor {
        framework_id: framework_id(),
        executor_id: ExecutorId { value: "e".into() },
    };
    let starting = || {
        let mut agent = Agent::new();
        agent.register();
        let plan = agent.run("t").unwrap();
        assert_eq!(words(&agent.master(shutdown())), ["end 5"], "it may still be fetching");
        (agent, plan)
    };
    let (mut agent, plan) = starting();
    assert_eq!(words(&agent.started(&plan)), ["save", "wait", "end 0"]);
    assert_eq!(words(&agent.subscribe()), ["executor SUBSCRIBED", "executor SHUTDOWN"]);

    let (mut agent, plan) = starting();
    let effects = agent.step(Event::Started { container: plan.container, result: Err("no file".into()) });
    assert_eq!(words(&effects), ["master exited 9", "save", "master TASK_FAILED"]);
}

#[test]
fn a_framework_that_is_gone_hears_nothing_more() {
    let (mut agent, container) = Agent::running();
    agent.update(status(TaskState::TaskRunning, 1));
    let effects = agent.master(ToAgent::ShutdownFramework { framework_id: framework_id() });
    assert_eq!(words(&effects), ["save", "executor SHUTDOWN"]);
    agent.update(status(TaskState::TaskKilled, 2));
    let id = container.clone();
    assert_eq!(words(&agent.step(Event::Exited { container, status: Some(0) })), ["save"]);
    assert_eq!(agent.core.container_record(&id), None);
}

#[test]
fn a_new_agent_stores_its_id_and_registers_with_it() {
    let (mut agent, _) = Agent::recover(AgentRecord::default(), Vec::new());
    let named = |effects: &[Effect]| match effects {
        [.., Effect::ToMaster(message)] => match &**message {
            FromAgent::Register { info, .. } => info.id.as_ref().map(|id| id.value.clone()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!(named(&agent.step(Event::LinkUp)), None);
    let effects = agent.master(registered());
    assert!(matches!(effects[0], Effect::Save(Record::Agent)), "{effects:?}");
    assert_eq!(named(&effects).as_deref(), Some("S0"));
    assert!(!agent.core.is_registered());
    assert!(agent.master(registered()).is_empty());
    assert!(agent.core.is_registered());
}

#[test]
fn a_scheduler_that_comes_again_is_told_at_once_what_nobody_has_acknowledged() {
    let (mut agent, _) = Agent::running();
    agent.update(status(TaskState::TaskRunning, 1));
    let again = || ToAgent::FrameworkUpdated { framework: framework() };
    assert_eq!(words(&agent.master(again())), ["master TASK_RUNNING"]);
    agent.acknowledge(1);
    assert_eq!(words(&agent.master(again())), [""; 0]);
    let renamed = FrameworkInfo { name: "renamed".into(), ..framework() };
    assert_eq!(words(&agent.master(ToAgent::FrameworkUpdated { framework: renamed })), ["save"]);
}

#[test]
fn a_restarted_agent_goes_on_where_it_stopped() {
    let (mut agent, container) = Agent::running();
    agent.update(status(TaskState::TaskRunning, 1));
    let record = agent.core.container_record(&container).unwrap();
    let (mut agent, effects) = Agent::recover(agent.core.agent_record(), vec![record]);
    assert_eq!(words(&effects), ["wait"]);
    assert_eq!(words(&agent.step(Event::LinkUp)), ["master register 1"]);
    assert_eq!(words(&agent.master(registered())), ["master TASK_RUNNING"]);
    assert_eq!(words(&agent.subscribe()), ["executor SUBSCRIBED"]);
    // An executor that has not heard of the acknowledgement is told again.
    assert_eq!(words(&agent.acknowledge(1)), ["save", "executor ACKNOWLEDGED"]);
    assert_eq!(words(&agent.update(status(TaskState::TaskRunning, 1))), ["executor ACKNOWLEDGED"]);
}

#[test]
fn an_executor_that_does_not_come_back_after_a_restart_is_ended() {
    let (agent, container) = Agent::running();
    let record = agent.core.container_record(&container).unwrap();
    let (mut agent, _) = Agent::recover(agent.core.agent_record(), vec![record]);
    agent.register();
    assert_eq!(words(&agent.after(15)), ["end 0"]);
    let effects = agent.step(Event::Exited { container, status: None });
    assert_eq!(last_status(&effects).reason(), Reason::ExecutorReregistrationTimeout);
}

#[test]
fn an_agent_that_unregisters_tells_the_master_and_ends_what_it_runs() {
    let (mut agent, container) = Agent::running();
    let effects = agent.step(Event::Unregister);
    assert_eq!(words(&effects), ["Unregister", "save agent", "save", "executor SHUTDOWN"]);
    assert_eq!(agent.core.agent_record().agent_id, None, "the next one here is another agent");
    let effects = agent.update(status(TaskState::TaskKilled, 1));
    assert_eq!(words(&effects), ["save"], "nobody wants to know");
    assert_eq!(words(&agent.step(Event::Unregister)), [""; 0]);
    let effects = agent.step(Event::Exited { container, status: Some(0) });
    assert_eq!(words(&effects), ["save", "leave"]);
}

#[test]
fn what_was_being_ended_for_nobody_is_ended_after_a_restart() {
    let (mut agent, container) = Agent::running();
    agent.master(ToAgent::ShutdownFramework { framework_id: framework_id() });
    let record = agent.core.container_record(&container).unwrap();
    let (_, effects) = Agent::recover(agent.core.agent_record(), vec![record]);
    assert_eq!(words(&effects), ["wait", "end 0"]);
}

#[test]
fn processes_of_another_boot_are_not_believed_in() {
    let (agent, container) = Agent::running();
    let record = agent.core.container_record(&container).unwrap();
    let stale = ContainerRecord { boot: "earlier".into(), ..record };
    let (agent, _) = Agent::recover(agent.core.agent_record(), vec![stale]);
    assert_eq!(agent.core.handle(&container).unwrap().process, None);
}

#[test]
fn destroyed_volumes_are_deleted_after_the_list_is_saved() {
    let mut agent = Agent::new();
    agent.register();
    let persistence = cairn_mesos::v1::resource::disk_info::Persistence { id: "v1".into(), principal: None };
    let volume = Resource {
        reservations: vec![cairn_mesos::v1::resource::ReservationInfo {
            role: Some("a/b".into()),
            ..Default::default()
        }],
        disk: Some(Box::new(cairn_mesos::v1::resource::DiskInfo {
            persistence: Some(persistence),
            ..Default::default()
        })),
        ..Resource::default()
    };
    let mut climbing = volume.clone();
    climbing.disk.as_mut().unwrap().persistence.as_mut().unwrap().id = "../../..".into();
    let effects =
        agent.master(ToAgent::Checkpoint { resources: Vec::new(), destroyed: vec![volume, climbing] });
    assert_eq!(words(&effects), ["save agent", "Destroyed", "delete [\"/w/volumes/roles/a b/v1\"]"]);

    let (mut agent, effects) = Agent::recover(agent.core.agent_record(), Vec::new());
    assert_eq!(
        words(&effects),
        ["delete [\"/w/volumes/roles/a b/v1\"]"],
        "an earlier process may have ended first"
    );
    assert_eq!(words(&agent.step(Event::Deleted(vec!["/w/volumes/roles/a b/v1".into()]))), ["save agent"]);
    let (_, effects) = Agent::recover(agent.core.agent_record(), Vec::new());
    assert_eq!(words(&effects), [""; 0]);
}

#[test]
fn a_command_is_its_own_executor() {
    let mut agent = Agent::new();
    agent.register();
    let command = CommandInfo { value: Some("exit 3".into()), ..CommandInfo::default() };
    let executor = ExecutorInfo { executor_id: ExecutorId { value: "t".into() }, ..ExecutorInfo::default() };
    let tasks = vec![TaskInfo { command: Some(command), ..task("t") }];
    let effects = agent.master(ToAgent::RunTasks { framework: framework(), executor, tasks, group: false });
    let Some(Effect::Start(plan)) = effects.into_iter().find(|e| matches!(e, Effect::Start(_))) else {
        panic!("nothing is started");
    };
    assert_eq!(plan.argv, ["sh", "-c", "exit 3"]);
    assert_eq!(words(&agent.started(&plan)), ["save", "wait", "save", "master TASK_STARTING", "save"]);
    let effects = agent.step(Event::Exited { container: plan.container, status: Some(3 << 8) });
    assert_eq!(words(&effects), ["save"]);
    let first =
        agent.core.containers.values().next().unwrap().tasks[0].updates.pending().next().unwrap().clone();
    agent.acknowledge(first.uuid()[0]);
    let running =
        agent.core.containers.values().next().unwrap().tasks[0].updates.pending().next().unwrap().clone();
    let effects = agent.acknowledge(running.uuid()[0]);
    let sent = last_status(&effects);
    assert_eq!((sent.state(), sent.message()), (TaskState::TaskFailed, "Command exited with status 3"));
}

#[test]
fn messages_pass_both_ways() {
    let (mut agent, _) = Agent::running();
    let message = Some(call::Message { data: b"up".to_vec() });
    let effects = agent.step(Event::Executor(key(), Box::new(Call { message, ..call(call::Type::Message) })));
    assert!(
        matches!(&effects[..], [Effect::ToMaster(m)] if matches!(&**m, FromAgent::MessageToFramework { data, .. } if data == b"up"))
    );
    let effects = agent.master(ToAgent::MessageToExecutor {
        framework_id: framework_id(),
        executor_id: ExecutorId { value: "e".into() },
        data: b"down".to_vec(),
    });
    assert!(
        matches!(&effects[..], [Effect::ToExecutor(_, e)] if e.message == Some(event::Message { data: b"down".to_vec() }))
    );
}

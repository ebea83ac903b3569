//! What the executor owes its agent: a state machine without I/O.
//!
//! It keeps every update until the scheduler has acknowledged it, and every task until one of its updates is; after a
//! broken connection both are told again. It decides what to start, what to stop, and when there is nothing left to do.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_mesos::v1::executor::{Call, Event, call, event};
use cairn_mesos::v1::framework_info::capability;
use cairn_mesos::v1::task_status::Source;
use cairn_mesos::v1::{AgentInfo, ExecutorId, FrameworkId, KillPolicy, TaskInfo, TaskState, TaskStatus};

use crate::environment::Environment;
use crate::service::{End, Report, Stop};

/// How long the executor waits for the last acknowledgement. The agent holds the update by then, so that nothing is
/// lost when it goes.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// Part of the agent's patience that is kept for reporting, when it wants the executor gone.
const REPORTING: Duration = Duration::from_millis(500);

/// The moment of an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Time since the start of the executor.
    pub(crate) at: Duration,
    /// Seconds since the Unix epoch.
    pub(crate) wall: f64,
    /// 16 bytes that never came before, for an update that may be made.
    pub(crate) uuid: [u8; 16],
}

/// What happens to the executor.
#[derive(Debug)]
pub(crate) enum Input {
    /// The agent said something.
    Event(Box<Event>),
    /// The stream of the agent ended, or a call did not reach it.
    Disconnected,
    /// A service told something.
    Report(String, Report),
    /// The executor itself is asked to end.
    Terminate,
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    /// Send a call, if there is a connection.
    Send(Box<Call>),
    /// Start a task.
    Start(Box<TaskInfo>, Box<AgentInfo>),
    /// Stop a task.
    Stop(String, StopWish),
    /// There is nothing left to do.
    Exit,
}

/// [`Stop`], comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct StopWish {
    pub(crate) grace: Option<Duration>,
    pub(crate) at_most: Option<Duration>,
}

impl From<StopWish> for Stop {
    fn from(wish: StopWish) -> Self {
        Self { grace: wish.grace, at_most: wish.at_most }
    }
}

#[derive(Debug)]
struct Task {
    info: TaskInfo,
    /// An update of it was acknowledged, so the agent need not be told of the task any more.
    acknowledged: bool,
    over: bool,
}

/// The whole state.
#[derive(Debug)]
pub(crate) struct Session {
    framework_id: String,
    executor_id: String,
    recovery_timeout: Option<Duration>,
    shutdown_grace: Duration,
    agent: AgentInfo,
    wants_killing: bool,
    tasks: BTreeMap<String, Task>,
    /// Oldest first.
    updates: Vec<TaskStatus>,
    connected: bool,
    had_task: bool,
    leaving: bool,
    /// When to give up: on the agent, or on the last acknowledgement.
    deadline: Option<Duration>,
}

impl Session {
    pub(crate) fn new(env: &Environment) -> Self {
        Self {
            framework_id: env.framework_id.clone(),
            executor_id: env.executor_id.clone(),
            recovery_timeout: env.recovery_timeout,
            shutdown_grace: env.shutdown_grace,
            agent: AgentInfo::default(),
            wants_killing: false,
            tasks: BTreeMap::new(),
            updates: Vec::new(),
            connected: false,
            had_task: false,
            leaving: false,
            deadline: None,
        }
    }

    /// The call that opens a stream: with all that the agent may not know.
    pub(crate) fn subscribe(&self) -> Call {
        let unacknowledged = self.tasks.values().filter(|t| !t.acknowledged);
        let subscribe = call::Subscribe {
            unacknowledged_tasks: unacknowledged.map(|t| t.info.clone()).collect(),
            unacknowledged_updates: self
                .updates
                .iter()
                .map(|status| call::Update { status: status.clone() })
                .collect(),
        };
        Call { subscribe: Some(subscribe), ..self.call(call::Type::Subscribe) }
    }

    /// When [`Input::Tick`] is due.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    pub(crate) fn step(&mut self, input: Input, now: Now) -> Vec<Effect> {
        let mut effects = match input {
            Input::Event(event) => self.event(*event),
            Input::Disconnected => self.disconnected(now),
            Input::Report(task, report) => self.report(&task, report, now),
            Input::Terminate => self.leave(None),
            Input::Tick => self.tick(now),
        };
        self.consider_leaving(now, &mut effects);
        effects
    }

    fn event(&mut self, event: Event) -> Vec<Effect> {
        match event.r#type() {
            event::Type::Subscribed => {
                self.connected = true;
                self.deadline = None;
                if let Some(subscribed) = event.subscribed {
                    self.agent = subscribed.agent_info;
                    self.wants_killing = subscribed
                        .framework_info
                        .capabilities
                        .iter()
                        .any(|c| c.r#type() == capability::Type::TaskKillingState);
                }
                Vec::new()
            }
            event::Type::Launch => event.launch.map_or_else(Vec::new, |l| self.launch([l.task])),
            event::Type::LaunchGroup => {
                event.launch_group.map_or_else(Vec::new, |l| self.launch(l.task_group.tasks))
            }
            event::Type::Kill => {
                event.kill.map_or_else(Vec::new, |k| self.kill(&k.task_id.value, k.kill_policy))
            }
            event::Type::Acknowledged => {
                if let Some(acknowledged) = event.acknowledged {
                    self.acknowledged(&acknowledged.task_id.value, &acknowledged.uuid);
                }
                Vec::new()
            }
            event::Type::Shutdown => {
                self.leave(Some(self.shutdown_grace.saturating_sub(REPORTING).max(REPORTING)))
            }
            event::Type::Message | event::Type::Heartbeat | event::Type::Unknown => Vec::new(),
            event::Type::Error => {
                let message = event.error.map(|e| e.message).unwrap_or_default();
                tracing::error!(%message, "the agent refuses this executor");
                self.leave(Some(self.shutdown_grace))
            }
        }
    }

    fn launch(&mut self, tasks: impl IntoIterator<Item = TaskInfo>) -> Vec<Effect> {
        let mut effects = Vec::new();
        for info in tasks {
            let id = info.task_id.value.clone();
            if self.leaving || self.tasks.contains_key(&id) {
                // Told twice because the agent could not know that it had arrived; or too late.
                continue;
            }
            self.had_task = true;
            effects.push(Effect::Start(Box::new(info.clone()), Box::new(self.agent.clone())));
            self.tasks.insert(id, Task { info, acknowledged: false, over: false });
        }
        effects
    }

    fn kill(&self, id: &str, policy: Option<KillPolicy>) -> Vec<Effect> {
        let Some(task) = self.tasks.get(id).filter(|t| !t.over) else { return Vec::new() };
        let grace = policy.or(task.info.kill_policy).and_then(|p| p.grace_period);
        let grace = grace.map(|d| Duration::from_nanos(u64::try_from(d.nanoseconds).unwrap_or_default()));
        vec![Effect::Stop(id.to_owned(), StopWish { grace, at_most: None })]
    }

    /// Stops everything, and then goes.
    fn leave(&mut self, at_most: Option<Duration>) -> Vec<Effect> {
        self.leaving = true;
        let running = self.tasks.iter().filter(|(_, t)| !t.over);
        running.map(|(id, _)| Effect::Stop(id.clone(), StopWish { grace: None, at_most })).collect()
    }

    fn acknowledged(&mut self, id: &str, uuid: &[u8]) {
        self.updates.retain(|status| status.uuid() != uuid);
        if let Some(task) = self.tasks.get_mut(id) {
            task.acknowledged = true;
        }
    }

    fn disconnected(&mut self, now: Now) -> Vec<Effect> {
        let was = std::mem::replace(&mut self.connected, false);
        match self.recovery_timeout {
            Some(timeout) => {
                if was || self.deadline.is_none() {
                    self.deadline = Some(now.at + timeout);
                }
                Vec::new()
            }
            None if was => {
                tracing::warn!("the agent is gone, and the framework does not checkpoint: stopping");
                self.leave(Some(self.shutdown_grace))
            }
            None => Vec::new(),
        }
    }

    fn tick(&mut self, now: Now) -> Vec<Effect> {
        if self.deadline.is_none_or(|at| now.at < at) {
            return Vec::new();
        }
        self.deadline = None;
        if self.leaving || self.all_over() {
            return vec![Effect::Exit];
        }
        tracing::warn!("the agent did not come back within the recovery timeout: stopping");
        self.leave(None)
    }

    fn report(&mut self, id: &str, report: Report, now: Now) -> Vec<Effect> {
        let (state, healthy, message) = match report {
            Report::Starting => (TaskState::TaskStarting, None, None),
            Report::Running { healthy, message } => (TaskState::TaskRunning, healthy, message),
            Report::Killing if !self.wants_killing => return Vec::new(),
            Report::Killing => (TaskState::TaskKilling, None, None),
            Report::Ended(End::Finished(message)) => (TaskState::TaskFinished, None, Some(message)),
            Report::Ended(End::Failed(message)) => (TaskState::TaskFailed, None, Some(message)),
            Report::Ended(End::Killed(message)) => (TaskState::TaskKilled, None, Some(message)),
        };
        let Some(task) = self.tasks.get_mut(id) else { return Vec::new() };
        task.over =
            !matches!(state, TaskState::TaskStarting | TaskState::TaskRunning | TaskState::TaskKilling);
        let status = TaskStatus {
            task_id: task.info.task_id.clone(),
            state: state as i32,
            source: Some(Source::Executor as i32),
            executor_id: Some(ExecutorId { value: self.executor_id.clone() }),
            uuid: Some(now.uuid.to_vec()),
            timestamp: Some(now.wall),
            healthy,
            message,
            ..TaskStatus::default()
        };
        self.updates.push(status.clone());
        if !self.connected {
            // It goes with the next subscription.
            return Vec::new();
        }
        let update = Some(call::Update { status });
        vec![Effect::Send(Box::new(Call { update, ..self.call(call::Type::Update) }))]
    }

    /// Goes when all tasks are over and told, or after some patience.
    fn consider_leaving(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !self.all_over() || !(self.leaving || self.had_task) {
            return;
        }
        if self.updates.is_empty() {
            effects.push(Effect::Exit);
        } else if self.deadline.is_none() && (self.connected || self.recovery_timeout.is_none()) {
            self.deadline = Some(now.at + LAST_WORDS);
        }
    }

    fn all_over(&self) -> bool {
        self.tasks.values().all(|t| t.over)
    }

    fn call(&self, kind: call::Type) -> Call {
        Call {
            executor_id: ExecutorId { value: self.executor_id.clone() },
            framework_id: FrameworkId { value: self.framework_id.clone() },
            r#type: Some(kind as i32),
            ..Call::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_mesos::v1::TaskId;

    fn session(checkpoint: bool) -> Session {
        Session::new(&Environment {
            framework_id: "f".into(),
            executor_id: "e".into(),
            agent_endpoint: "127.0.0.1:1".into(),
            sandbox: "/s".into(),
            recovery_timeout: checkpoint.then_some(Duration::from_secs(900)),
            backoff_max: Duration::from_secs(2),
            shutdown_grace: Duration::from_secs(5),
            token: None,
        })
    }

    fn now(seconds: u64) -> Now {
        let uuid = [u8::try_from(seconds % 250).unwrap(); 16];
        Now { at: Duration::from_secs(seconds), wall: 0.0, uuid }
    }

    fn of(kind: event::Type) -> Event {
        Event { r#type: Some(kind as i32), ..Event::default() }
    }

    fn launch(session: &mut Session) {
        session.step(Input::Event(Box::new(of(event::Type::Subscribed))), now(0));
        let task = TaskInfo { task_id: TaskId { value: "t".into() }, ..TaskInfo::default() };
        let event = Event { launch: Some(event::Launch { task }), ..of(event::Type::Launch) };
        let effects = session.step(Input::Event(Box::new(event.clone())), now(0));
        assert!(matches!(effects[..], [Effect::Start(..)]));
        assert_eq!(session.step(Input::Event(Box::new(event)), now(0)), []);
    }

    fn acknowledge(session: &mut Session, uuid: u8) -> Vec<Effect> {
        let acknowledged =
            event::Acknowledged { task_id: TaskId { value: "t".into() }, uuid: vec![uuid; 16] };
        let event = Event { acknowledged: Some(acknowledged), ..of(event::Type::Acknowledged) };
        session.step(Input::Event(Box::new(event)), now(0))
    }

    fn ended() -> Report {
        Report::Ended(End::Finished("Command exited with status 0".into()))
    }

    #[test]
    fn leaves_when_the_last_update_is_acknowledged() {
        let mut session = session(true);
        launch(&mut session);
        session.step(Input::Report("t".into(), Report::Starting), now(1));
        let effects = session.step(Input::Report("t".into(), ended()), now(2));
        assert!(matches!(effects[..], [Effect::Send(_)]));
        assert_eq!(acknowledge(&mut session, 1), []);
        assert_eq!(acknowledge(&mut session, 2), [Effect::Exit]);
    }

    #[test]
    fn does_not_wait_for_ever_for_the_last_acknowledgement() {
        let mut session = session(true);
        launch(&mut session);
        session.step(Input::Report("t".into(), ended()), now(2));
        assert_eq!(session.deadline(), Some(Duration::from_secs(12)));
        assert_eq!(session.step(Input::Tick, now(11)), []);
        assert!(session.step(Input::Tick, now(12)).contains(&Effect::Exit));
    }

    #[test]
    fn tells_a_returning_agent_what_it_may_not_know() {
        let mut session = session(true);
        launch(&mut session);
        session.step(Input::Report("t".into(), Report::Starting), now(1));
        assert_eq!(session.step(Input::Disconnected, now(2)), []);
        let running = Report::Running { healthy: Some(true), message: None };
        assert_eq!(session.step(Input::Report("t".into(), running), now(3)), []);
        let subscribe = session.subscribe().subscribe.unwrap();
        assert_eq!((subscribe.unacknowledged_tasks.len(), subscribe.unacknowledged_updates.len()), (1, 2));
        session.step(Input::Event(Box::new(of(event::Type::Subscribed))), now(4));
        acknowledge(&mut session, 1);
        let subscribe = session.subscribe().subscribe.unwrap();
        assert_eq!((subscribe.unacknowledged_tasks.len(), subscribe.unacknowledged_updates.len()), (0, 1));
    }

    #[test]
    fn gives_up_on_the_agent_after_the_recovery_timeout() {
        let mut session = session(true);
        launch(&mut session);
        session.step(Input::Disconnected, now(10));
        session.step(Input::Disconnected, now(100));
        assert_eq!(session.step(Input::Tick, now(909)), []);
        let effects = session.step(Input::Tick, now(910));
        assert!(matches!(effects[..], [Effect::Stop(..)]));
    }

    #[test]
    fn without_checkpointing_it_ends_with_its_agent() {
        let mut session = session(false);
        launch(&mut session);
        assert!(matches!(session.step(Input::Disconnected, now(10))[..], [Effect::Stop(..)]));
        session.step(Input::Report("t".into(), ended()), now(11));
        assert!(session.step(Input::Tick, now(21)).contains(&Effect::Exit));
    }

    #[test]
    fn shutdown_bounds_the_grace_by_the_agents_patience() {
        let mut session = session(true);
        launch(&mut session);
        let effects = session.step(Input::Event(Box::new(of(event::Type::Shutdown))), now(1));
        let at_most = Some(Duration::from_millis(4500));
        assert_eq!(effects, [Effect::Stop("t".into(), StopWish { grace: None, at_most })]);
    }
}

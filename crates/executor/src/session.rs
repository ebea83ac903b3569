//! What the executor owes its agent: a state machine without I/O.
//!
//! It keeps every update until the scheduler has acknowledged it, and every task until one of its updates is; after a
//! broken connection both are told again. It decides what to start, what to stop, and when there is nothing left to do.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_mesos::client::ExecutorEnvironment;
use cairn_mesos::v1::executor::event::Subscribed;
use cairn_mesos::v1::executor::{Event, call, event};
use cairn_mesos::v1::framework_info::capability;
use cairn_mesos::v1::task_status::Source;
use cairn_mesos::v1::{AgentInfo, ExecutorId, KillPolicy, Label, Labels, TaskInfo, TaskState, TaskStatus};
use cairn_planted::planted;

use crate::planted::Bug;
use crate::service::{End, Report, Stop};

/// How long the executor waits for the last acknowledgement. The agent holds the update by then, so that nothing is
/// lost when it goes.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// Pause before an update is sent again that a reachable agent did not take.
const RESEND: Duration = Duration::from_secs(2);
/// Part of the agent's patience that is kept for reporting, when it wants the executor gone.
const REPORTING: Duration = Duration::from_millis(500);

/// The moment of an event.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Time since the start of the executor.
    pub at: Duration,
    /// Seconds since the Unix epoch.
    pub wall: f64,
    /// 16 bytes that never came before, for an update that may be made.
    pub uuid: [u8; 16],
}

/// What happens to the executor.
#[derive(Debug)]
pub enum Input {
    /// The agent has opened its stream, for the first time or again.
    Subscribed(Box<Subscribed>),
    /// The agent said something else.
    Event(Box<Event>),
    /// The agent is gone, for now.
    Disconnected,
    /// The agent is gone, and nobody tries to reach it any more.
    Lost,
    /// The agent has taken, and thus stored, the update with this uuid.
    Accepted(Vec<u8>),
    /// The agent has not taken an update, although its stream stands.
    NotAccepted,
    /// A service told something.
    Report(String, Report),
    /// The executor itself is asked to end.
    Terminate,
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Send an update.
    Send(Box<TaskStatus>),
    /// Start a task.
    Start(Box<TaskInfo>, Box<AgentInfo>),
    /// Stop a task.
    Stop(String, Stop),
    /// There is nothing left to do.
    Exit,
}

#[derive(Debug)]
struct Task {
    info: TaskInfo,
    /// An update of it was acknowledged, so the agent need not be told of the task any more.
    acknowledged: bool,
    over: bool,
}

/// An update that is not acknowledged.
#[derive(Debug)]
struct Pending {
    status: TaskStatus,
    /// The agent holds it.
    accepted: bool,
}

/// How things stand with the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    /// It may come back.
    Down,
    /// It will not.
    Lost,
}

/// The whole state.
#[derive(Debug)]
pub struct Session {
    executor_id: ExecutorId,
    shutdown_grace: Duration,
    agent: AgentInfo,
    wants_killing: bool,
    tasks: BTreeMap<String, Task>,
    /// Oldest first.
    updates: Vec<Pending>,
    link: Link,
    had_task: bool,
    leaving: bool,
    /// When to give up on the last acknowledgement.
    deadline: Option<Duration>,
    /// When to send again what the agent did not take. Until then nothing is sent, so that the order stays.
    resend: Option<Duration>,
}

impl Session {
    /// A session that has never reached its agent.
    pub fn new(env: &ExecutorEnvironment) -> Self {
        Self {
            executor_id: env.executor_id.clone(),
            shutdown_grace: env.shutdown_grace_period,
            agent: AgentInfo::default(),
            wants_killing: false,
            tasks: BTreeMap::new(),
            updates: Vec::new(),
            link: Link::Down,
            had_task: false,
            leaving: false,
            deadline: None,
            resend: None,
        }
    }

    /// What a subscription tells the agent, because it may not know.
    pub fn unacknowledged(&self) -> call::Subscribe {
        let tasks = self.tasks.values().filter(|t| !t.acknowledged);
        call::Subscribe {
            unacknowledged_tasks: tasks.map(|t| t.info.clone()).collect(),
            unacknowledged_updates: self
                .updates
                .iter()
                .map(|update| call::Update { status: update.status.clone() })
                .collect(),
        }
    }

    /// When [`Input::Tick`] is due.
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline.into_iter().chain(self.resend).min()
    }

    /// Takes one input. The effects are to be carried out in order.
    pub fn step(&mut self, input: Input, now: Now) -> Vec<Effect> {
        let mut effects = match input {
            Input::Subscribed(subscribed) => self.subscribed(*subscribed),
            Input::Event(event) => self.event(*event),
            Input::Disconnected => {
                self.link = Link::Down;
                Vec::new()
            }
            Input::Lost => {
                self.link = Link::Lost;
                self.leave(Some(self.shutdown_grace))
            }
            Input::Accepted(uuid) => {
                self.accepted(&uuid);
                Vec::new()
            }
            Input::NotAccepted => {
                self.resend = Some(now.at + RESEND);
                Vec::new()
            }
            Input::Report(task, report) => self.report(&task, report, now),
            Input::Terminate => self.leave(None),
            Input::Tick => self.tick(now),
        };
        self.consider_leaving(now, &mut effects);
        effects
    }

    /// Tells again what the agent may not hold: an update may have been made after the subscription was sent and
    /// before it was answered.
    fn subscribed(&mut self, subscribed: Subscribed) -> Vec<Effect> {
        self.link = Link::Up;
        self.agent = subscribed.agent_info;
        self.wants_killing = subscribed
            .framework_info
            .capabilities
            .iter()
            .any(|c| c.r#type() == capability::Type::TaskKillingState);
        self.send_doubtful()
    }

    fn send_doubtful(&mut self) -> Vec<Effect> {
        self.resend = None;
        if self.link != Link::Up {
            return Vec::new();
        }
        let doubtful = self.updates.iter().filter(|u| !u.accepted);
        doubtful.map(|u| Effect::Send(Box::new(u.status.clone()))).collect()
    }

    fn event(&mut self, event: Event) -> Vec<Effect> {
        match event.r#type() {
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
            event::Type::Subscribed
            | event::Type::Message
            | event::Type::Heartbeat
            | event::Type::Unknown => Vec::new(),
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
        vec![Effect::Stop(id.to_owned(), Stop { grace, at_most: None })]
    }

    /// Stops everything, and then goes.
    fn leave(&mut self, at_most: Option<Duration>) -> Vec<Effect> {
        self.leaving = true;
        let running = self.tasks.iter().filter(|(_, t)| !t.over);
        running.map(|(id, _)| Effect::Stop(id.clone(), Stop { grace: None, at_most })).collect()
    }

    fn acknowledged(&mut self, id: &str, uuid: &[u8]) {
        self.updates.retain(|update| update.status.uuid() != uuid);
        if let Some(task) = self.tasks.get_mut(id) {
            task.acknowledged = true;
        }
    }

    fn accepted(&mut self, uuid: &[u8]) {
        for update in self.updates.iter_mut().filter(|u| u.status.uuid() == uuid) {
            update.accepted = true;
        }
    }

    fn tick(&mut self, now: Now) -> Vec<Effect> {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now.at);
        if is_due(self.deadline) {
            return vec![Effect::Exit];
        }
        if is_due(self.resend) { self.send_doubtful() } else { Vec::new() }
    }

    fn report(&mut self, id: &str, report: Report, now: Now) -> Vec<Effect> {
        let mut labels = None;
        let (state, healthy, message) = match report {
            Report::Starting if planted(Bug::RunsBeforeStart) => (TaskState::TaskRunning, None, None),
            Report::Starting => (TaskState::TaskStarting, None, None),
            Report::Running { healthy, message } => (TaskState::TaskRunning, healthy, message),
            Report::Killing if planted(Bug::StoppedAtOnce) => (TaskState::TaskKilled, None, None),
            Report::Killing if !self.wants_killing => return Vec::new(),
            Report::Killing => (TaskState::TaskKilling, None, None),
            Report::Ended(End::Finished(message)) => (TaskState::TaskFinished, None, Some(message)),
            Report::Ended(End::Failed(message)) => (TaskState::TaskFailed, None, Some(message)),
            Report::Ended(End::Killed(message)) => (TaskState::TaskKilled, None, Some(message)),
            Report::Ended(End::PortTaken(taken)) => {
                labels = Some(port_label(taken.port));
                (TaskState::TaskFailed, None, Some(taken.to_string()))
            }
        };
        let Some(task) = self.tasks.get_mut(id) else { return Vec::new() };
        task.over =
            !matches!(state, TaskState::TaskStarting | TaskState::TaskRunning | TaskState::TaskKilling);
        let status = TaskStatus {
            task_id: task.info.task_id.clone(),
            state: state as i32,
            source: Some(Source::Executor as i32),
            executor_id: Some(self.executor_id.clone()),
            uuid: Some(now.uuid.to_vec()),
            timestamp: Some(now.wall),
            healthy,
            message,
            labels,
            ..TaskStatus::default()
        };
        if !planted(Bug::SilentWhileApart) || self.link == Link::Up {
            self.updates.push(Pending { status: status.clone(), accepted: false });
        }
        match self.link {
            Link::Up if self.resend.is_none() => vec![Effect::Send(Box::new(status))],
            // It goes with the next subscription, or with those that have to be sent again.
            _ => Vec::new(),
        }
    }

    /// Goes when all tasks are over and told, or after some patience.
    fn consider_leaving(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !self.all_over() || !(self.leaving || self.had_task) {
            return;
        }
        if self.updates.is_empty() || self.link == Link::Lost {
            effects.push(Effect::Exit);
        } else if self.updates.iter().all(|u| u.accepted) {
            self.deadline.get_or_insert(now.at + LAST_WORDS);
        }
    }

    fn all_over(&self) -> bool {
        self.tasks.values().all(|t| t.over)
    }
}

fn port_label(port: u16) -> Labels {
    let label = Label { key: cairn_task::LABEL_PORT_TAKEN.into(), value: Some(port.to_string()) };
    Labels { labels: vec![label] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_mesos::v1::TaskId;

    fn session() -> Session {
        let variable = |name: &str| match name {
            "MESOS_AGENT_ENDPOINT" => Some("127.0.0.1:5051".to_owned()),
            "MESOS_FRAMEWORK_ID" | "MESOS_EXECUTOR_ID" => Some("x".to_owned()),
            _ => None,
        };
        Session::new(&ExecutorEnvironment::read(variable).unwrap())
    }

    fn subscribed() -> Input {
        Input::Subscribed(Box::default())
    }

    fn now(seconds: u64) -> Now {
        let uuid = [u8::try_from(seconds % 250).unwrap(); 16];
        Now { at: Duration::from_secs(seconds), wall: 0.0, uuid }
    }

    fn of(kind: event::Type) -> Event {
        Event { r#type: Some(kind as i32), ..Event::default() }
    }

    fn launch(session: &mut Session) {
        session.step(subscribed(), now(0));
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
        let mut session = session();
        launch(&mut session);
        session.step(Input::Report("t".into(), Report::Starting), now(1));
        let effects = session.step(Input::Report("t".into(), ended()), now(2));
        assert!(matches!(effects[..], [Effect::Send(_)]));
        assert_eq!(acknowledge(&mut session, 1), []);
        assert_eq!(acknowledge(&mut session, 2), [Effect::Exit]);
    }

    #[test]
    fn does_not_wait_for_ever_for_the_last_acknowledgement() {
        let mut session = session();
        launch(&mut session);
        session.step(Input::Report("t".into(), ended()), now(2));
        assert_eq!(session.deadline(), None);
        session.step(Input::Accepted(vec![2; 16]), now(2));
        assert_eq!(session.deadline(), Some(Duration::from_secs(12)));
        session.step(Input::Disconnected, now(3));
        assert_eq!(session.deadline(), Some(Duration::from_secs(12)));
        assert_eq!(session.step(Input::Tick, now(11)), []);
        assert!(session.step(Input::Tick, now(12)).contains(&Effect::Exit));
    }

    #[test]
    fn tells_a_returning_agent_what_it_may_not_know() {
        let mut session = session();
        launch(&mut session);
        session.step(Input::Report("t".into(), Report::Starting), now(1));
        assert_eq!(session.step(Input::Disconnected, now(2)), []);
        let running = Report::Running { healthy: Some(true), message: None };
        assert_eq!(session.step(Input::Report("t".into(), running), now(3)), []);
        let subscribe = session.unacknowledged();
        assert_eq!((subscribe.unacknowledged_tasks.len(), subscribe.unacknowledged_updates.len()), (1, 2));
        let repeated = session.step(subscribed(), now(4));
        assert_eq!(repeated.len(), 2);
        acknowledge(&mut session, 1);
        let subscribe = session.unacknowledged();
        assert_eq!((subscribe.unacknowledged_tasks.len(), subscribe.unacknowledged_updates.len()), (0, 1));
    }

    #[test]
    fn sends_again_in_order_what_the_agent_did_not_take() {
        let mut session = session();
        launch(&mut session);
        session.step(Input::Report("t".into(), Report::Starting), now(1));
        session.step(Input::NotAccepted, now(1));
        let running = Report::Running { healthy: None, message: None };
        assert_eq!(session.step(Input::Report("t".into(), running), now(2)), []);
        assert_eq!(session.deadline(), Some(Duration::from_secs(3)));
        let states = session.step(Input::Tick, now(3));
        let states = states.iter().map(|e| match e {
            Effect::Send(status) => status.state(),
            other => panic!("unexpected {other:?}"),
        });
        assert!(states.eq([TaskState::TaskStarting, TaskState::TaskRunning]));
    }

    #[test]
    fn ends_with_an_agent_that_does_not_come_back() {
        let mut session = session();
        launch(&mut session);
        session.step(Input::Disconnected, now(10));
        assert!(matches!(session.step(Input::Lost, now(910))[..], [Effect::Stop(..)]));
        assert_eq!(session.step(Input::Report("t".into(), ended()), now(911)), [Effect::Exit]);
    }

    #[test]
    fn shutdown_bounds_the_grace_by_the_agents_patience() {
        let mut session = session();
        launch(&mut session);
        let effects = session.step(Input::Event(Box::new(of(event::Type::Shutdown))), now(1));
        let at_most = Some(Duration::from_millis(4500));
        assert_eq!(effects, [Effect::Stop("t".into(), Stop { grace: None, at_most })]);
    }
}

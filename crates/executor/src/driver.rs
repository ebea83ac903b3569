//! The shell around the session: the agent's stream, the services, signals and the clock.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cairn_mesos::client::{
    Access, AccessError, Backoff, ClientError, ExecutorClient, ExecutorEnvironment, ExecutorEvent, Options,
};
use cairn_mesos::v1::{AgentInfo, TaskInfo, TaskStatus};
use cairn_task::{ActionReport, Order, Place, TaskSpec};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use crate::action::Actions;
use crate::group;
use crate::lean;
use crate::place;
use crate::service::{Agent, End, Report, Service, Stop};
use crate::session::{Effect, Input, Now, Session};

/// Reports that may wait.
const REPORTS: usize = 64;
/// Wishes to stop one service that may wait; more say nothing new.
const STOPS: usize = 4;
/// How long the agent may take to answer; an update that it does not take goes with the next subscription.
const ANSWER: Duration = Duration::from_secs(5);
/// Pauses before further attempts to reach an agent that went away.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(100), cap: Duration::from_secs(2) };
/// How long to look for processes that a service left behind when everything else is done.
const SWEEP: Duration = Duration::from_secs(3);

/// The executor cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DriverError {
    #[error("the agent cannot be reached by TLS: {0}")]
    Access(#[from] AccessError),
    #[error("cannot make a client for the agent: {0}")]
    Client(#[from] ClientError),
    #[error("cannot take signals, or find the working directory: {0}")]
    Io(#[from] std::io::Error),
}

/// Runs until there is nothing left to do.
pub(crate) async fn run(env: ExecutorEnvironment) -> Result<(), DriverError> {
    let (reports_in, reports) = mpsc::channel(REPORTS);
    let session = Arc::new(Mutex::new(Session::new(&env)));
    let options = Options { call_timeout: ANSWER, backoff: BACKOFF, ..Options::default() };
    let access = env.access()?;
    let shared = Arc::clone(&session);
    let (client, events) =
        ExecutorClient::connect(env.clone(), options, move || locked(&shared).unacknowledged())?;
    let sandbox = env.sandbox.clone().map_or_else(std::env::current_dir, Ok)?;
    let (actions, endings) = Actions::new(&sandbox);
    let mut driver = Driver {
        sandbox,
        task: None,
        actions,
        endings,
        session,
        client,
        events,
        access,
        start: Instant::now(),
        services: JoinSet::new(),
        stops: HashMap::new(),
        reports_in,
        reports,
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        children: signal(SignalKind::child())?,
        env,
    };
    while driver.next().await.is_continue() {}
    driver.services.shutdown().await;
    drop(driver.actions);
    group::sweep(SWEEP).await;
    Ok(())
}

struct Driver {
    env: ExecutorEnvironment,
    sandbox: PathBuf,
    /// What runs here, which actions run beside.
    task: Option<(TaskSpec, Place)>,
    actions: Actions,
    endings: mpsc::Receiver<ActionReport>,
    /// Shared with the client, which asks it at each subscription for what the agent may not know.
    session: Arc<Mutex<Session>>,
    client: ExecutorClient,
    events: mpsc::Receiver<ExecutorEvent>,
    access: Access,
    start: Instant,
    services: JoinSet<()>,
    stops: HashMap<String, mpsc::Sender<Stop>>,
    reports_in: mpsc::Sender<(String, Report)>,
    reports: mpsc::Receiver<(String, Report)>,
    terminate: Signal,
    interrupt: Signal,
    children: Signal,
}

type Flow = std::ops::ControlFlow<()>;

impl Driver {
    async fn next(&mut self) -> Flow {
        let deadline = locked(&self.session).deadline().map(|at| self.start + at);
        tokio::select! {
            Some(event) = self.events.recv() => self.heard(event).await,
            Some((task, report)) = self.reports.recv() => self.step(Input::Report(task, report)).await,
            Some(report) = self.endings.recv() => {
                self.actions.ended(&report);
                self.tell(&report).await;
                Flow::Continue(())
            }
            () = sleep_until(deadline) => self.step(Input::Tick).await,
            Some(_) = self.terminate.recv() => self.step(Input::Terminate).await,
            Some(_) = self.interrupt.recv() => self.step(Input::Terminate).await,
            Some(_) = self.children.recv() => {
                group::reap_adopted();
                Flow::Continue(())
            }
            Some(_) = self.services.join_next(), if !self.services.is_empty() => Flow::Continue(()),
        }
    }

    async fn heard(&mut self, event: ExecutorEvent) -> Flow {
        let input = match event {
            ExecutorEvent::Subscribed(subscribed) => Input::Subscribed(subscribed),
            ExecutorEvent::Event(event) => {
                if let Some(message) = &event.message {
                    self.ordered(&message.data).await;
                }
                Input::Event(event)
            }
            // An agent answers only when it knows which executors it has: this one it does not want.
            ExecutorEvent::Disconnected {
                reason: reason @ ClientError::Refused { status: 400..=499, .. },
                ..
            } => {
                tracing::error!(%reason, "the agent does not know this executor: stopping");
                Input::Lost
            }
            ExecutorEvent::Disconnected { reason, .. } => {
                tracing::warn!(%reason, "the agent is gone; waiting for it to come back");
                Input::Disconnected
            }
            ExecutorEvent::Lost { reason } => {
                tracing::error!(%reason, "the agent is gone for good: stopping");
                Input::Lost
            }
        };
        self.step(input).await
    }

    async fn step(&mut self, input: Input) -> Flow {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let effects = locked(&self.session).step(input, self.now());
            let mut refused = false;
            for effect in effects {
                match effect {
                    // An update must not overtake one that the agent did not take; both are sent again.
                    Effect::Send(_) if refused => {}
                    Effect::Send(status) => {
                        let answer = self.send(*status).await;
                        refused = matches!(answer, Input::NotAccepted);
                        inputs.push(answer);
                    }
                    Effect::Start(task, agent) => self.launch(&task, &agent).await,
                    Effect::Stop(task, wish) => {
                        if let Some(stops) = self.stops.get(&task) {
                            let _ = stops.try_send(wish);
                        }
                    }
                    Effect::Exit => return Flow::Break(()),
                }
            }
        }
        Flow::Continue(())
    }

    /// A scheduler's message. What cannot be read is from one that is newer, or from a framework of another kind.
    async fn ordered(&mut self, data: &[u8]) {
        match serde_json::from_slice::<Order>(data) {
            Ok(order) => {
                let report = self.actions.order(order, self.task.as_ref());
                self.tell(&report).await;
            }
            Err(error) => tracing::warn!(%error, "a framework message is no order that this executor knows"),
        }
    }

    /// Tells the scheduler of an action. If that gets lost, it asks again.
    async fn tell(&self, report: &ActionReport) {
        let told = self.client.message(serde_json::to_vec(report).unwrap_or_default()).await;
        if let Err(error) = told {
            tracing::warn!(%error, "a report did not reach the agent");
        }
    }

    /// Sends an update, and tells what became of it.
    async fn send(&self, status: TaskStatus) -> Input {
        let uuid = status.uuid().to_vec();
        match self.client.update(status).await {
            Ok(()) => Input::Accepted(uuid),
            Err(error) => {
                tracing::warn!(%error, "an update did not reach the agent");
                Input::NotAccepted
            }
        }
    }

    async fn launch(&mut self, task: &TaskInfo, agent: &AgentInfo) {
        let id = task.task_id.value.clone();
        let spec: TaskSpec = match serde_json::from_slice(task.data()) {
            Ok(spec) => spec,
            Err(error) => {
                let message = format!("TaskInfo.data is not a task spec of this executor: {error}");
                let _ = self.reports_in.try_send((id, Report::Ended(End::Failed(message))));
                return;
            }
        };
        let place = place::of(task, agent, &self.env, &self.sandbox);
        self.task = Some((spec.clone(), place.clone()));
        let service = Service {
            spec,
            place,
            path: std::env::var("PATH").unwrap_or_default(),
            agent: Agent { address: self.env.agent.to_string(), access: self.access.clone() },
        };
        let (stop, stops) = mpsc::channel(STOPS);
        self.stops.insert(id.clone(), stop);
        let (mine, mut told) = mpsc::channel(STOPS);
        let all = self.reports_in.clone();
        self.services.spawn(async move {
            let forward = async {
                while let Some(report) = told.recv().await {
                    if matches!(report, Report::Running { healthy: Some(true), .. }) {
                        lean::let_go_of_start_up();
                    }
                    let _ = all.send((id.clone(), report)).await;
                }
            };
            tokio::join!(service.run(stops, mine), forward);
        });
    }

    #[expect(clippy::disallowed_methods, reason = "the driver is where time comes from")]
    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { at: self.start.elapsed(), wall: wall.as_secs_f64(), uuid: Uuid::new_v4().into_bytes() }
    }
}

/// A panic elsewhere does not make the state wrong: it is changed by pure steps only.
fn locked(session: &Mutex<Session>) -> MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

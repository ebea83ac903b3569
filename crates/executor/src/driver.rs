//! The shell around the session: the agent's stream, the services, signals and the clock.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cairn_mesos::v1::executor::{Call, Event};
use cairn_mesos::v1::{AgentInfo, TaskInfo};
use cairn_task::TaskSpec;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use crate::environment::Environment;
use crate::group;
use crate::link::Link;
use crate::place;
use crate::service::{End, Report, Service, Stop};
use crate::session::{Effect, Input, Now, Session};

/// Reports that may wait.
const REPORTS: usize = 64;
/// Wishes to stop one service that may wait; more say nothing new.
const STOPS: usize = 4;
/// First pause before another attempt to reach the agent; it doubles up to what the agent says.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How long to look for processes that a service left behind when everything else is done.
const SWEEP: Duration = Duration::from_secs(3);

/// Runs until there is nothing left to do.
pub(crate) async fn run(env: Environment) -> std::io::Result<()> {
    let (reports_in, reports) = mpsc::channel(REPORTS);
    let mut driver = Driver {
        session: Session::new(&env),
        link: Link::new(&env),
        start: Instant::now(),
        retry: Some((Instant::now(), FIRST_PAUSE)),
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
    group::sweep(SWEEP).await;
    Ok(())
}

struct Driver {
    env: Environment,
    session: Session,
    link: Link,
    start: Instant,
    /// When to try to reach the agent again, and the pause after that; none while connected.
    retry: Option<(Instant, Duration)>,
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
        let deadline = self.session.deadline().map(|at| self.start + at);
        let retry = self.retry.map(|(at, _)| at);
        tokio::select! {
            event = self.link.next(), if retry.is_none() => self.heard(event).await,
            () = sleep_until(retry) => self.connect().await,
            Some((task, report)) = self.reports.recv() => self.step(Input::Report(task, report)).await,
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

    async fn connect(&mut self) -> Flow {
        let pause = self.retry.map_or(FIRST_PAUSE, |(_, pause)| pause);
        match self.link.open(&self.session.subscribe()).await {
            Ok(()) => {
                self.retry = None;
                Flow::Continue(())
            }
            Err(error) => {
                tracing::warn!(%error, "cannot reach the agent");
                self.retry = Some((Instant::now() + pause, (pause * 2).min(self.env.backoff_max)));
                self.step(Input::Disconnected).await
            }
        }
    }

    async fn heard(&mut self, event: Option<Event>) -> Flow {
        match event {
            Some(event) => self.step(Input::Event(Box::new(event))).await,
            None => {
                tracing::warn!("the stream of the agent ended");
                self.disconnected();
                self.step(Input::Disconnected).await
            }
        }
    }

    fn disconnected(&mut self) {
        self.link.close();
        self.retry = Some((Instant::now() + FIRST_PAUSE, FIRST_PAUSE * 2));
    }

    async fn step(&mut self, input: Input) -> Flow {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for effect in self.session.step(input, self.now()) {
                match effect {
                    Effect::Send(call) => inputs.extend(self.send(&call).await),
                    Effect::Start(task, agent) => self.launch(&task, &agent).await,
                    Effect::Stop(task, wish) => {
                        if let Some(stops) = self.stops.get(&task) {
                            let _ = stops.try_send(wish.into());
                        }
                    }
                    Effect::Exit => return Flow::Break(()),
                }
            }
        }
        Flow::Continue(())
    }

    /// A call that fails means that the agent is gone; what it carried goes with the next subscription.
    async fn send(&mut self, call: &Call) -> Option<Input> {
        if self.retry.is_some() {
            return None;
        }
        let error = self.link.send(call).await.err()?;
        tracing::warn!(%error, "a call did not reach the agent");
        self.disconnected();
        Some(Input::Disconnected)
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
        let service = Service {
            spec,
            place: place::of(task, agent, &self.env),
            path: std::env::var("PATH").unwrap_or_default(),
        };
        let (stop, stops) = mpsc::channel(STOPS);
        self.stops.insert(id.clone(), stop);
        let (mine, mut told) = mpsc::channel(STOPS);
        let all = self.reports_in.clone();
        self.services.spawn(async move {
            let forward = async {
                while let Some(report) = told.recv().await {
                    let _ = all.send((id.clone(), report)).await;
                }
            };
            tokio::join!(service.run(stops, mine), forward);
        });
    }

    #[allow(clippy::disallowed_methods)]
    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { at: self.start.elapsed(), wall: wall.as_secs_f64(), uuid: Uuid::new_v4().into_bytes() }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

//! The shell around the agent's core: feeds it events and carries out its effects.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cairn_mesos::v1::executor::{Call, Event as ExecutorEvent};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::checkpoint::{CheckpointError, Store};
use super::core::{Core, Denial, Effect, Event, Ids, Key, NoGround, Now, Record, View};
use super::housekeeping::Keeper;
use super::lock::Lock;
use super::nested::{Ground, Nested};
use super::runner::Runner;
use crate::security::Claims;
use crate::wire::AgentLink;

/// Events that may wait for one executor; one that reads so slowly is disconnected.
const STREAM: usize = 256;
/// How long a master may take to hear that the agent goes.
const FAREWELL: Duration = Duration::from_secs(2);
/// Between two attempts to store a record.
const SAVE_AGAIN: Duration = Duration::from_secs(1);

/// The executor that somebody is.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) key: Key,
    /// What its token says; `None`: no tokens are asked for.
    pub(crate) proved: Option<Claims>,
}

/// A request from outside the core.
#[derive(Debug)]
pub(crate) enum Input {
    Event(Event),
    /// An executor opens its stream.
    Subscribe(Caller, Box<Call>, oneshot::Sender<Result<mpsc::Receiver<ExecutorEvent>, Denial>>),
    /// An executor sends something; answered when it is stored.
    Call(Caller, Box<Call>, oneshot::Sender<Result<(), Denial>>),
    /// Somebody wants to see what the agent has and does.
    Look(oneshot::Sender<View>),
    /// What is given to containers that are started within one of these ids, the outermost first.
    Ground(Vec<String>, oneshot::Sender<Result<Ground, NoGround>>),
}

/// The only place where the agent asks what time it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { start: Instant::now() }
    }

    #[expect(clippy::disallowed_methods, reason = "the driver is where time comes from")]
    pub(super) fn now(self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { at: self.start.elapsed(), wall: wall.as_secs_f64() }
    }
}

struct RandomIds;

impl Ids for RandomIds {
    fn uuid(&mut self) -> [u8; 16] {
        Uuid::new_v4().into_bytes()
    }
}

/// What runs an agent.
pub(super) struct Driver {
    /// Whether the master has taken the agent in.
    pub(super) registers: watch::Sender<bool>,
    pub(super) keeper: Keeper,
    /// Executors that came before the agent was told that they had been started: they wait for that.
    pub(super) early: Vec<Input>,
    pub(super) core: Core,
    pub(super) store: Store,
    pub(super) runner: Arc<dyn Runner>,
    /// What has been started within tasks; ends with them.
    pub(super) nested: Arc<Nested>,
    pub(super) link: AgentLink,
    pub(super) streams: HashMap<Key, mpsc::Sender<ExecutorEvent>>,
    /// What the runner is doing; ends with the driver.
    pub(super) work: JoinSet<()>,
    pub(super) sender: mpsc::Sender<Input>,
    pub(super) inbox: mpsc::Receiver<Input>,
    pub(super) clock: Clock,
    /// Held as long as the agent runs.
    pub(super) _lock: Lock,
}

/// Why an agent has ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The link to the master was closed. The agent may come back on another.
    LinkClosed,
    /// An operator has taken it away, or it has unregistered, and everything on it has been stopped.
    SentAway {
        /// The master will never take it back.
        for_good: bool,
    },
}

impl Driver {
    /// Runs until the master, an operator or the end of the link ends it.
    pub(super) async fn run(mut self, recovery: Vec<Effect>) -> Ended {
        let result: Result<(), Ended> = async {
            self.carry_out(recovery).await?;
            self.step(Event::LinkUp).await?;
            loop {
                self.next().await?;
            }
        }
        .await;
        result.err().unwrap_or(Ended::LinkClosed)
    }

    async fn next(&mut self) -> Result<(), Ended> {
        let deadline = self.core.next_deadline().map(|at| self.clock.start + at);
        tokio::select! {
            message = self.link.from_master.recv(), if !self.core.is_leaving() => {
                self.step(Event::Master(Box::new(message.ok_or(Ended::LinkClosed)?))).await
            }
            Some(input) = self.inbox.recv() => self.input(input).await,
            () = sleep_until(deadline) => self.step(Event::Tick).await,
            Some(_) = self.work.join_next(), if !self.work.is_empty() => Ok(()),
            () = self.keeper.next() => {
                let tidy = self.keeper.tidy(self.sandboxes());
                self.work.spawn(tidy);
                Ok(())
            }
        }
    }

    async fn input(&mut self, input: Input) -> Result<(), Ended> {
        match input {
            Input::Event(event) => {
                self.step(event).await?;
                for input in std::mem::take(&mut self.early) {
                    Box::pin(self.input(input)).await?;
                }
                Ok(())
            }
            Input::Subscribe(ref caller, ..) if self.core.is_starting(&caller.key) => {
                self.early.push(input);
                Ok(())
            }
            Input::Subscribe(caller, call, reply) => {
                if let Err(denial) = self.core.admit(&caller.key, caller.proved.as_ref(), true) {
                    let _ = reply.send(Err(denial));
                    return Ok(());
                }
                let key = caller.key;
                let (sender, receiver) = mpsc::channel(STREAM);
                self.streams.insert(key.clone(), sender);
                let _ = reply.send(Ok(receiver));
                self.step(Event::Subscribe(key, call)).await
            }
            Input::Call(caller, call, reply) => {
                let admitted = self.core.admit(&caller.key, caller.proved.as_ref(), false);
                if admitted.is_ok() {
                    self.step(Event::Executor(caller.key, call)).await?;
                }
                let _ = reply.send(admitted);
                Ok(())
            }
            Input::Look(reply) => {
                let _ = reply.send(self.core.show());
                Ok(())
            }
            Input::Ground(ids, reply) => {
                let _ = reply.send(self.core.ground(&ids));
                Ok(())
            }
        }
    }

    async fn step(&mut self, event: Event) -> Result<(), Ended> {
        let effects = self.core.step(event, self.clock.now(), &mut RandomIds);
        self.carry_out(effects).await?;
        self.nested.keep(|id| self.core.is_alive(id));
        self.registers.send_if_modified(|told| {
            let registered = self.core.is_registered();
            std::mem::replace(told, registered) != registered
        });
        Ok(())
    }

    async fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), Ended> {
        for effect in effects {
            match effect {
                Effect::ToMaster(message) => {
                    let sent = self.link.to_master.send(*message).await;
                    if sent.is_err() && !self.core.is_leaving() {
                        return Err(Ended::LinkClosed);
                    }
                }
                Effect::Leave { for_good } => {
                    self.part().await;
                    return Err(Ended::SentAway { for_good });
                }
                Effect::ToExecutor(key, event) => self.send(&key, *event),
                Effect::Save(record) => self.save(&record).await,
                effect => self.order(effect),
            }
        }
        Ok(())
    }

    /// Stores a record. What comes next may depend on it, so nothing goes on until it is stored: on a full disk an agent waits
    /// for room, which it makes by deleting old sandboxes.
    async fn save(&mut self, record: &Record) {
        while let Err(error) = self.store(record) {
            tracing::error!(%error, "the agent cannot store its state, and goes on when it can");
            self.keeper.tidy(self.sandboxes()).await;
            tokio::time::sleep(SAVE_AGAIN).await;
        }
    }

    /// Those that are in use.
    fn sandboxes(&self) -> BTreeSet<PathBuf> {
        let mut sandboxes = self.core.sandboxes();
        sandboxes.append(&mut self.nested.sandboxes());
        sandboxes
    }

    fn store(&self, record: &Record) -> Result<(), CheckpointError> {
        match record {
            Record::Agent => self.store.save_agent(&self.core.agent_record()),
            Record::Container(id) => match self.core.container_record(id) {
                Some(record) => self.store.save_container(&record),
                None => self.store.remove_container(id),
            },
        }
    }

    /// Waits until the master has closed the link, which it does when it has heard that the agent goes.
    async fn part(&mut self) {
        let closed = async { while self.link.from_master.recv().await.is_some() {} };
        let _ = tokio::time::timeout(FAREWELL, closed).await;
    }

    /// Sends an event to an executor. One whose stream is broken or full comes back and is told again.
    fn send(&mut self, key: &Key, event: ExecutorEvent) {
        let sent = self.streams.get(key).is_some_and(|stream| stream.try_send(event).is_ok());
        if !sent {
            self.streams.remove(key);
        }
    }

    /// What the runner is to do, beside everything else.
    fn order(&mut self, effect: Effect) {
        let (runner, sender) = (Arc::clone(&self.runner), self.sender.clone());
        let tell = async move |event| {
            let _ = sender.send(Input::Event(event)).await;
        };
        match effect {
            Effect::Start(plan) => {
                self.work.spawn(async move {
                    let container = plan.container.clone();
                    let result = runner.start(*plan).await;
                    tell(Event::Started { container, result }).await;
                });
            }
            Effect::Wait(id) => {
                let Some(handle) = self.core.handle(&id) else { return };
                self.work.spawn(async move {
                    let ended = runner.wait(handle).await;
                    if let Some(most) = ended.out_of_memory {
                        tell(Event::OutOfMemory { container: id.clone(), most }).await;
                    }
                    tell(Event::Exited { container: id, status: ended.status }).await;
                });
            }
            Effect::End(id, grace) => {
                let Some(handle) = self.core.handle(&id) else { return };
                self.work.spawn(async move { runner.end(handle, grace).await });
            }
            Effect::Update(id, update) => {
                let Some(handle) = self.core.handle(&id) else { return };
                self.work.spawn(async move {
                    if let Err(reason) = runner.update(handle, update).await {
                        tell(Event::UpdateFailed { container: id, reason }).await;
                    }
                });
            }
            Effect::Probe { container, task, which, probe } => {
                self.work.spawn(async move {
                    let answer = runner.probe(*probe).await;
                    tell(Event::Probed { container, task, which, answer }).await;
                });
            }
            Effect::DeleteVolumes(paths) => {
                self.work.spawn(async move {
                    let deleted = runner.delete(paths).await;
                    tell(Event::Deleted(deleted)).await;
                });
            }
            Effect::Leave { .. } | Effect::ToMaster(_) | Effect::ToExecutor(..) | Effect::Save(_) => {}
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

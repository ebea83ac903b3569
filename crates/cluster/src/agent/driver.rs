//! The shell around the agent's core: feeds it events and carries out its effects.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cairn_mesos::v1::executor::{Call, Event as ExecutorEvent};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;

use super::checkpoint::{CheckpointError, Store};
use super::core::{Core, Denial, Effect, Event, Ids, Key, NoGround, Now, Record, Settings, View};
use super::entry::Entry;
use super::housekeeping::Keeper;
use super::http::{self, Web};
use super::metrics::Around;
use super::nested::{Ground, Nested, Records};
use super::options::AgentOptions;
use super::process;
use super::runner::Runner;
use crate::listen::Listener;
use crate::security::{self, Claims, Exposed, SecurityError, exposure};
use crate::wire::AgentLink;

/// Requests that may wait for the agent.
const INBOX: usize = 256;
/// Events that may wait for one executor; one that reads so slowly is disconnected.
const STREAM: usize = 256;
/// How long a master may take to hear that the agent goes.
const FAREWELL: Duration = Duration::from_secs(2);
/// Between two attempts to store a record.
const SAVE_AGAIN: Duration = Duration::from_secs(1);
/// How long open connections may take to end when the agent stops.
const CLOSING: Duration = Duration::from_secs(2);

/// An agent could not start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The address is taken or is not this machine's.
    #[error("the agent cannot listen on {address}: {source}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The directory cannot be used.
    #[error("the agent cannot use {path}: {source}")]
    WorkDir {
        /// Which directory.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Another process runs an agent there.
    #[error("{path} is in use by another agent; stop that one, or choose another work directory")]
    Locked {
        /// Which directory.
        path: PathBuf,
    },
    /// The stored state cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// What the tokens of executors are signed with can be neither read nor made.
    #[error(transparent)]
    Secret(#[from] SecurityError),
    /// The agent could be used or overheard from elsewhere.
    #[error("the agent would listen on {0}")]
    Open(#[from] Exposed),
}

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

/// A running agent. Dropping it ends the agent and leaves its containers running.
#[derive(Debug)]
pub struct Agent {
    address: SocketAddr,
    inbox: mpsc::Sender<Input>,
    driver: JoinHandle<Ended>,
    over: Option<Ended>,
    registered: watch::Receiver<bool>,
    server: JoinHandle<()>,
    nested: Arc<Nested>,
    closing: Option<oneshot::Sender<()>>,
}

impl Agent {
    /// Starts an agent: takes up what an earlier one left in its directory, listens, registers over `link`.
    ///
    /// # Errors
    /// The directory or the address cannot be used, or the stored state cannot be read.
    pub async fn start(
        options: AgentOptions,
        link: AgentLink,
        runner: Arc<dyn Runner>,
    ) -> Result<Self, AgentError> {
        let wanted = SocketAddr::new(options.address, options.port);
        exposure::check(wanted, options.credentials.is_some(), options.tls.is_some())?;
        let meta = options.work_dir.join("meta");
        let store = Store::open(meta.clone())?;
        let lock = lock(&meta)?;
        let work_dir = std::fs::canonicalize(&options.work_dir)
            .map_err(|source| AgentError::WorkDir { path: options.work_dir.clone(), source })?;
        let listen = |source| AgentError::Listen { address: wanted, source };
        let listener = TcpListener::bind(wanted).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;

        let secret = secret(&options, &meta)?;
        let clock = Clock::start();
        let (agent, containers) = store.load()?;
        let settings = settings(&options, address, work_dir.clone(), secret.clone());
        let (core, recovery) = Core::recover(settings, agent, containers, clock.now());
        let around = Around {
            started: clock.now().wall,
            recovery: clock.now().at,
            work_dir: work_dir.clone(),
            gc_delay: options.housekeeping.gc_delay,
        };
        let (sender, inbox) = mpsc::channel(INBOX);
        let (registers, registered) = watch::channel(false);
        let records = Records::open(meta.join("nested"))
            .map_err(|source| AgentError::WorkDir { path: meta.join("nested"), source })?;
        let nested = Nested::new(Arc::clone(&runner), sender.clone(), records, process::boot_id());
        nested.recover(|id| core.is_alive(id));
        let driver = Driver {
            registers,
            keeper: Keeper::new(options.housekeeping, work_dir.clone()),
            early: Vec::new(),
            core,
            store,
            runner,
            nested: Arc::clone(&nested),
            link,
            streams: HashMap::new(),
            work: JoinSet::new(),
            sender: sender.clone(),
            inbox,
            clock,
            _lock: lock,
        };
        let (closing, closed) = oneshot::channel();
        let web = Web {
            agent: sender.clone(),
            work_dir,
            around,
            entry: Arc::new(Entry {
                credentials: options.credentials,
                key: secret,
                anonymous: options.anonymous_executors,
            }),
            nested: Arc::clone(&nested),
        };
        Ok(Self {
            address,
            inbox: sender,
            driver: tokio::spawn(driver.run(recovery)),
            over: None,
            registered,
            server: tokio::spawn(http::serve(Listener::new(listener, options.tls.as_ref()), web, closed)),
            nested,
            closing: Some(closing),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the master has taken the agent in, or the agent has ended.
    pub async fn registered(&mut self) {
        let _ = self.registered.wait_for(|registered| *registered).await;
    }

    /// Waits until the agent has ended by itself.
    pub async fn ended(&mut self) -> Ended {
        if let Some(ended) = self.over {
            return ended;
        }
        let ended = (&mut self.driver).await.unwrap_or(Ended::LinkClosed);
        self.over = Some(ended);
        ended
    }

    /// Ends the agent and all that it runs, for good; the next one on its directory is another agent. [`Self::ended`] tells
    /// when that is done.
    pub async fn unregister(&self) {
        // One that has ended by itself has nothing left to say.
        let _ = self.inbox.send(Input::Event(Event::Unregister)).await;
    }

    /// Stops the agent and leaves its containers running. Its address is free afterwards.
    pub async fn stop(mut self) {
        // One that has ended by itself may have been waited for already, and a task is waited for only once.
        if !self.driver.is_finished() {
            self.driver.abort();
            self.ended().await;
        }
        self.nested.close().await;
        self.closing.take();
        if tokio::time::timeout(CLOSING, &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.driver.abort();
        self.server.abort();
        self.nested.abandon();
    }
}

/// What executors' tokens are signed with, where they are asked for: what was given, or what the agent makes for itself.
fn secret(options: &AgentOptions, meta: &Path) -> Result<Option<security::Key>, SecurityError> {
    match &options.executor_secret {
        None if options.credentials.is_some() => security::Key::kept(&meta.join("executor-secret")).map(Some),
        given => Ok(given.clone()),
    }
}

/// What the core has to know of an agent that listens at `address`.
fn settings(
    options: &AgentOptions,
    address: SocketAddr,
    work_dir: PathBuf,
    key: Option<security::Key>,
) -> Settings {
    Settings {
        ip: address.ip().to_string(),
        port: address.port(),
        hostname: options.hostname.clone(),
        attributes: options.attributes.clone(),
        domain: options.domain.clone(),
        key,
        resources: options.resources.clone(),
        work_dir,
        boot: process::boot_id(),
        path: options.path.clone(),
        tls: options.tls.is_some(),
        authorities: options.trust.as_ref().map(|trust| trust.path().to_owned()),
        timeouts: options.timeouts,
    }
}

fn lock(meta: &Path) -> Result<File, AgentError> {
    let failed = |source| AgentError::WorkDir { path: meta.to_owned(), source };
    let file = File::create(meta.join("lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(AgentError::Locked { path: meta.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// The only place where the agent asks what time it is.
#[derive(Debug, Clone, Copy)]
struct Clock {
    start: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { start: Instant::now() }
    }

    #[expect(clippy::disallowed_methods, reason = "the driver is where time comes from")]
    fn now(self) -> Now {
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

struct Driver {
    /// Whether the master has taken the agent in.
    registers: watch::Sender<bool>,
    keeper: Keeper,
    /// Executors that came before the agent was told that they had been started: they wait for that.
    early: Vec<Input>,
    core: Core,
    store: Store,
    runner: Arc<dyn Runner>,
    /// What has been started within tasks; ends with them.
    nested: Arc<Nested>,
    link: AgentLink,
    streams: HashMap<Key, mpsc::Sender<ExecutorEvent>>,
    /// What the runner is doing; ends with the driver.
    work: JoinSet<()>,
    sender: mpsc::Sender<Input>,
    inbox: mpsc::Receiver<Input>,
    clock: Clock,
    /// Held as long as the agent runs.
    _lock: File,
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
    async fn run(mut self, recovery: Vec<Effect>) -> Ended {
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

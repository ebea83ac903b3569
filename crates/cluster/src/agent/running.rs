//! An agent that runs: how it comes up on its directory and its address, and how it ends.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::checkpoint::{CheckpointError, Store};
use super::core::{Core, Event, Settings};
use super::driver::{Clock, Driver, Ended, Input};
use super::entry::Entry;
use super::housekeeping::Keeper;
use super::http::{self, Web};
use super::lock::Lock;
use super::metrics::Around;
use super::nested::{Nested, Records};
use super::options::AgentOptions;
use super::process;
use super::runner::Runner;
use crate::listen::Listener;
use crate::security::{self, Exposed, SecurityError, exposure};
use crate::wire::AgentLink;

/// Requests that may wait for the agent.
const INBOX: usize = 256;
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
        let lock = Lock::take(&meta)?;
        let work_dir = std::fs::canonicalize(&options.work_dir)
            .map_err(|source| AgentError::WorkDir { path: options.work_dir.clone(), source })?;
        let (listener, address) = listen(wanted).await?;

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

/// Where the agent listens.
async fn listen(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), AgentError> {
    let failed = |source| AgentError::Listen { address: wanted, source };
    let listener = TcpListener::bind(wanted).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
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

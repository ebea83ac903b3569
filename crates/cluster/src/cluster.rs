//! A master and its agents in one process.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::agent::fetch::Fetcher;
use crate::agent::{Agent, AgentError, AgentOptions, CgroupError, Ended, LocalRunner};
use crate::master::registry::{FileRegistry, RegistryError};
use crate::master::{AgentConnector, MasterError, MasterServer, MasterSettings};
use crate::options::{AgentPlan, ClusterOptions, OptionsError, plan};
use crate::security::{SecurityError, Trust};

/// How long an agent whose link was closed waits before it comes back.
const COME_BACK: Duration = Duration::from_secs(1);

/// How long the next agent waits for the one before it to register. It takes milliseconds.
const REGISTRATION: Duration = Duration::from_secs(2);

/// How long an agent waits before it asks whether an operator wants it back.
const AWAY: Duration = Duration::from_secs(5);

/// The cluster could not start.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Containers cannot be held to what they asked for.
    #[error(transparent)]
    Isolation(#[from] CgroupError),
    /// The options make no sense.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The master could not start.
    #[error(transparent)]
    Master(#[from] MasterError),
    /// Nobody would believe the certificate.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// An agent could not start.
    #[error("agent {number}: {source}")]
    Agent {
        /// Which, from 1.
        number: u8,
        /// The cause.
        source: AgentError,
    },
    /// The directory cannot be used.
    #[error("cannot use {} as the work directory: {source}", path.display())]
    WorkDir {
        /// Which directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// A running cluster. Stopping it, or the loss of its process, leaves all executors and tasks running; a cluster that
/// starts on the same work directory finds them again.
#[derive(Debug)]
pub struct Cluster {
    master: MasterServer,
    agents: Vec<Supervised>,
}

#[derive(Debug)]
struct Supervised {
    address: SocketAddr,
    stop: oneshot::Sender<Stop>,
    done: JoinHandle<()>,
}

/// How an agent is to stop.
#[derive(Debug)]
pub(crate) enum Stop {
    /// What it runs goes on.
    Leaving,
    /// It goes for good, with all that it runs.
    Unregister,
}

impl Cluster {
    /// Start the master, then its agents.
    ///
    /// # Errors
    /// Bad options, addresses or directories that cannot be used, or stored state that cannot be read.
    pub async fn start(options: ClusterOptions) -> Result<Self, ClusterError> {
        let plans = plan(&options)?;
        let addresses = plans.iter().map(|plan| plan.address).chain([options.listen.ip()]);
        Trust::check_all(options.trust.as_ref(), options.tls.as_ref(), addresses)?;
        let work_dir = absolute(&options.work_dir)?;
        let registry = Box::new(FileRegistry::new(&work_dir.join("master")));
        let domain = options.master_domain.as_deref().map(crate::options::domain).transpose()?;
        let settings = MasterSettings {
            hostname: hostname(options.listen),
            domain,
            timeouts: options.master_timeouts.clone(),
            credentials: options.credentials.clone(),
            acls: options.acls.clone(),
            tls: options.tls.clone(),
        };
        let master = MasterServer::start(options.listen, settings, registry).await?;
        let runner = LocalRunner::new(fetcher(&work_dir, options.trust.as_ref()), options.containment)?;
        let mut agents = Vec::new();
        for plan in plans {
            let agent = start_agent(&options, plan, &work_dir, &master, &runner).await?;
            agents.push(agent);
        }
        Ok(Self { master, agents })
    }

    /// Where the master listens.
    pub fn master_address(&self) -> SocketAddr {
        self.master.address()
    }

    /// Where the agents listen, in order.
    pub fn agent_addresses(&self) -> Vec<SocketAddr> {
        self.agents.iter().map(|agent| agent.address).collect()
    }

    /// Wait until the cluster ends by itself, which it does only when it cannot store what it must.
    ///
    /// # Errors
    /// What went wrong with the store.
    pub async fn ended(&mut self) -> Result<(), RegistryError> {
        self.master.ended().await
    }

    /// Stop, and leave everything that the agents run as it is.
    pub async fn shutdown(self) {
        // The master first: it must not take agents that stop for lost ones.
        self.master.stop().await;
        for agent in self.agents {
            let _ = agent.stop.send(Stop::Leaving);
            let _ = agent.done.await;
        }
    }
}

async fn start_agent(
    options: &ClusterOptions,
    plan: AgentPlan,
    work_dir: &Path,
    master: &MasterServer,
    runner: &LocalRunner,
) -> Result<Supervised, ClusterError> {
    let number = plan.number;
    let dir = work_dir.join(format!("agent-{number}"));
    std::fs::create_dir_all(&dir).map_err(|source| ClusterError::WorkDir { path: dir.clone(), source })?;
    let port_file = dir.join("port");
    let known_port =
        std::fs::read_to_string(&port_file).ok().and_then(|text| text.trim().parse::<u16>().ok());
    let mut agent_options = AgentOptions {
        address: plan.address,
        port: known_port.unwrap_or_else(|| master.address().port().saturating_add(1)),
        hostname: plan.address.to_string(),
        work_dir: dir.clone(),
        resources: plan.resources,
        attributes: plan.attributes,
        domain: plan.domain,
        credentials: options.credentials.clone(),
        executor_secret: options.executor_secret.clone(),
        anonymous_executors: options.anonymous_executors,
        tls: options.tls.clone(),
        trust: options.trust.clone(),
        path: std::env::var("PATH").unwrap_or_default(),
        timeouts: options.agent_timeouts,
        housekeeping: options.housekeeping,
    };
    let connector = master.connector();
    let failed = |source| ClusterError::Agent { number, source };
    // An agent that comes back learns how its children ended.
    let runner = runner.anew();
    let own = || Arc::new(runner.clone());
    let first = Agent::start(agent_options.clone(), connector.connect().await, own()).await;
    let mut agent = match first {
        Err(AgentError::Listen { address, source })
            if known_port.is_none() && source.kind() == io::ErrorKind::AddrInUse =>
        {
            agent_options.port = 0;
            let agent = Agent::start(agent_options.clone(), connector.connect().await, own())
                .await
                .map_err(failed)?;
            tracing::warn!(agent = number, taken = %address, chosen = %agent.address(), "the agent's port is taken; another is used");
            agent
        }
        other => other.map_err(failed)?,
    };
    // One after the other, so that the first agent is the first for the master too.
    let _ = tokio::time::timeout(REGISTRATION, agent.registered()).await;
    let address = agent.address();
    agent_options.port = address.port();
    std::fs::write(&port_file, format!("{}\n", address.port()))
        .map_err(|source| ClusterError::WorkDir { path: port_file, source })?;
    let (stop, stopped) = oneshot::channel();
    let again = Again { options: agent_options, connector, runner };
    Ok(Supervised { address, stop, done: tokio::spawn(supervise(agent, again, stopped)) })
}

/// What an agent needs to come back.
pub(crate) struct Again {
    pub(crate) options: AgentOptions,
    pub(crate) connector: AgentConnector,
    pub(crate) runner: LocalRunner,
}

impl Again {
    async fn start(&self) -> Result<Agent, AgentError> {
        let runner = Arc::new(self.runner.clone());
        Agent::start(self.options.clone(), self.connector.connect().await, runner).await
    }
}

/// Bring the agent back whenever its link has closed, until it is to stop.
pub(crate) async fn supervise(agent: Agent, again: Again, mut stopped: oneshot::Receiver<Stop>) {
    let mut agent = Some(agent);
    let mut pause = COME_BACK;
    loop {
        if let Some(running) = &mut agent {
            let ended = tokio::select! {
                ended = running.ended() => ended,
                order = &mut stopped => {
                    if let Ok(Stop::Unregister) = order {
                        running.unregister().await;
                        running.ended().await;
                    }
                    break;
                }
            };
            if let Ended::SentAway { for_good } = ended {
                tracing::warn!(
                    for_good,
                    "an operator has taken the agent away; what ran on it has been stopped"
                );
                pause = AWAY;
                if for_good {
                    break;
                }
            }
        }
        if let Some(ended) = agent.take() {
            ended.stop().await;
        }
        if tokio::time::timeout(std::mem::replace(&mut pause, COME_BACK), &mut stopped).await.is_ok() {
            break;
        }
        match again.start().await {
            Ok(started) => agent = Some(started),
            Err(error) => tracing::error!(%error, "the agent cannot come back yet; trying again"),
        }
    }
    if let Some(agent) = agent {
        agent.stop().await;
    }
}

/// What clients are told: a name that works on this machine.
fn hostname(listen: SocketAddr) -> String {
    if listen.ip().is_loopback() || listen.ip().is_unspecified() {
        "localhost".to_owned()
    } else {
        listen.ip().to_string()
    }
}

/// What fills the sandboxes of agents in this process.
pub(crate) fn fetcher(work_dir: &Path, trust: Option<&Trust>) -> Fetcher {
    Fetcher::new(work_dir.join("cache")).trusting(trust.map(|trust| trust.authorities().clone()))
}

/// Executors live in other directories, so relative paths would not do.
fn absolute(work_dir: &Path) -> Result<PathBuf, ClusterError> {
    let failed = |source| ClusterError::WorkDir { path: work_dir.to_owned(), source };
    std::fs::create_dir_all(work_dir).map_err(failed)?;
    std::fs::canonicalize(work_dir).map_err(failed)
}

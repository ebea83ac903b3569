//! An agent that is a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use cairn_mesos::client::{Access, ClientError};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::agent::{Agent, AgentError, AgentOptions, CgroupError, Containment, LocalRunner};
use crate::cluster::{Again, Stop, fetcher, supervise};
use crate::link::Remote;
use crate::master::AgentConnector;
use crate::security::{SecurityError, Trust};

/// The agent cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SoloError {
    /// There can be no way to the master.
    #[error("no way to the master: {0}")]
    Master(#[from] ClientError),
    /// The agent itself.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// Nobody would believe the certificate.
    #[error(transparent)]
    Security(#[from] SecurityError),
    /// Containers cannot be held to what they asked for.
    #[error(transparent)]
    Isolation(#[from] CgroupError),
    /// The directory cannot be used.
    #[error("cannot use {} as the work directory: {source}", path.display())]
    WorkDir {
        /// Which directory.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

/// A running agent whose master is another process. Stopping it, or the loss of its process, leaves all its executors and
/// tasks running; an agent that starts on the same work directory, address and port goes on with them. Only
/// [`Self::unregister`] ends them.
#[derive(Debug)]
pub struct SoloAgent {
    address: SocketAddr,
    master: Remote,
    stop: oneshot::Sender<Stop>,
    done: JoinHandle<()>,
}

impl SoloAgent {
    /// Start an agent of the master at `HOST:PORT` or a URL, which need not be there yet; `access` is how the agent comes to it.
    /// Its containers are set apart as `containment` says.
    ///
    /// # Errors
    /// The directory or the address cannot be used, or stored state cannot be read.
    pub async fn start(
        master: &str,
        access: Access,
        options: AgentOptions,
        containment: Containment,
    ) -> Result<Self, SoloError> {
        let unusable = |source| SoloError::WorkDir { path: options.work_dir.clone(), source };
        std::fs::create_dir_all(&options.work_dir).map_err(unusable)?;
        Trust::check_all(options.trust.as_ref(), options.tls.as_ref(), [options.address])?;
        let master = Remote::new(master, access)?;
        let connector = AgentConnector::remote(master.clone());
        let fetcher = fetcher(&options.work_dir, options.trust.as_ref());
        let runner = LocalRunner::new(fetcher, containment)?;
        let own = Arc::new(runner.clone());
        let agent = Agent::start(options.clone(), connector.connect().await, own).await?;
        let address = agent.address();
        let (stop, stopped) = oneshot::channel();
        // When it comes back it must be where it was, or its executors do not find it.
        let again = Again { options: AgentOptions { port: address.port(), ..options }, connector, runner };
        Ok(Self { address, master, stop, done: tokio::spawn(supervise(agent, again, stopped)) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends with the reason when the master does not let this agent in from the beginning.
    pub async fn refused(&self) -> String {
        self.master.refused().await
    }

    /// Stop, and leave everything that it runs as it is.
    pub async fn shutdown(self) {
        self.end(Stop::Leaving).await;
    }

    /// End it for good: the master is told, and everything that runs on it ends. An agent that starts on the same work
    /// directory is a new one, with the reservations and volumes of this one.
    pub async fn unregister(self) {
        self.end(Stop::Unregister).await;
    }

    async fn end(self, how: Stop) {
        let _ = self.stop.send(how);
        let _ = self.done.await;
    }
}

//! A running master: its driver, its HTTP, and the way agents come to it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cairn_mesos::v1::DomainInfo;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::driver::{Clock, Command, Driver};
use super::http::{self, Web};
use super::measured::Measured;
use super::registry::{Registry, RegistryError};
use super::{Identity, Master, Timeouts};
use crate::link::Remote;
use crate::listen::Listener;
use crate::security::{Acls, Credentials, Tls};
use crate::wire::{self, AgentLink};

/// How long open requests may take to end when the master stops.
const CLOSING: Duration = Duration::from_secs(1);

/// The master could not start.
#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    /// The address is taken, or is not this machine's.
    #[error(
        "the master cannot listen on {address}: {source}; stop what listens there, or choose another address with --listen"
    )]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// What the last master stored cannot be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// How a master is set up.
#[derive(Debug, Clone, Default)]
pub struct MasterSettings {
    /// The name clients know the host by.
    pub hostname: String,
    /// The region and zone it is in.
    pub domain: Option<DomainInfo>,
    /// How long it waits for what.
    pub timeouts: Timeouts,
    /// Who may come in; `None`: everybody.
    pub credentials: Option<Credentials>,
    /// What principals may do; `None`: everything.
    pub acls: Option<Acls>,
    /// What it shows clients that come by TLS; `None`: it is spoken to without.
    pub tls: Option<Tls>,
}

/// Gives out links to one master.
#[derive(Debug, Clone)]
pub struct AgentConnector {
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    /// The master is in this process.
    Here(mpsc::Sender<Command>),
    /// The master is another process.
    There(Remote),
}

impl AgentConnector {
    /// The way to a master that is another process.
    pub(crate) fn remote(remote: Remote) -> Self {
        Self { way: Way::There(remote) }
    }

    /// A link for an agent. When a master of this process is gone, the link is closed from the start; one elsewhere is
    /// reached as soon as it is there.
    pub async fn connect(&self) -> AgentLink {
        match &self.way {
            Way::Here(commands) => {
                let (agent, master) = wire::link();
                // A master that has ended drops its end, which the agent sees.
                let _ = commands.send(Command::Attach(master)).await;
                agent
            }
            Way::There(remote) => remote.connect(),
        }
    }
}

/// A running master. Dropping it ends it; agents and their tasks go on.
#[derive(Debug)]
pub struct MasterServer {
    address: SocketAddr,
    commands: mpsc::Sender<Command>,
    driver: JoinHandle<Result<(), RegistryError>>,
    server: JoinHandle<()>,
    closing: Option<oneshot::Sender<()>>,
}

impl MasterServer {
    /// Listen on `address`, with what the registry holds.
    ///
    /// # Errors
    /// The address cannot be used, or the registry cannot be read.
    pub async fn start(
        address: SocketAddr,
        settings: MasterSettings,
        mut registry: Box<dyn Registry>,
    ) -> Result<Self, MasterError> {
        let failed = |source| MasterError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let clock = Clock::start();
        let (begin, stored) = (clock.now(), registry.load()?);
        let measured = Measured::default();
        measured.fetched(clock.now().saturating_sub(begin), stored.encoded_len());
        let MasterSettings { hostname, domain, timeouts, credentials, acls, tls } = settings;
        let (id, ip, port) = (Uuid::new_v4(), shown_ip(address), address.port());
        let identity = Identity { id, hostname, ip, port, domain };
        let master = Master::new(identity, timeouts, stored.clone(), clock.now()).with_acls(acls.clone());
        let (driver, commands) = Driver::new(master, registry, stored, clock, measured.clone());
        let (closing, closed) = oneshot::channel();
        let web = Web {
            master: commands.clone(),
            measured,
            credentials: credentials.map(Arc::new),
            acls: acls.map(Arc::new),
        };
        Ok(Self {
            address,
            commands,
            driver: tokio::spawn(driver.run()),
            server: tokio::spawn(http::serve(Listener::new(listener, tls.as_ref()), web, closed)),
            closing: Some(closing),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How agents come to this master.
    pub fn connector(&self) -> AgentConnector {
        AgentConnector { way: Way::Here(self.commands.clone()) }
    }

    /// Wait until the master ends by itself, which it does only when it cannot store what it must.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn ended(&mut self) -> Result<(), RegistryError> {
        (&mut self.driver).await.unwrap_or(Ok(()))
    }

    /// Stop. Streams break off; agents see their links closed.
    pub async fn stop(mut self) {
        self.driver.abort();
        drop(self.closing.take());
        let _ = tokio::time::timeout(CLOSING, &mut self.server).await;
    }
}

impl Drop for MasterServer {
    fn drop(&mut self) {
        self.driver.abort();
        self.server.abort();
    }
}

/// The address that clients are told; one that listens everywhere is reached on loopback by clients on this machine.
fn shown_ip(address: SocketAddr) -> IpAddr {
    if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() }
}

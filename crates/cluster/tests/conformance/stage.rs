//! The cluster that a recording is played against, and what is done to it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cairn_cluster::agent::{AgentOptions, Containment};
use cairn_cluster::master::registry::FileRegistry;
use cairn_cluster::master::{MasterServer, MasterSettings};
use cairn_cluster::{Cluster, ClusterOptions, SoloAgent, agent_resources};
use cairn_mesos::client::Access;

use crate::relay::Relay;

/// PATH of the recordings' agents.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How long a port that was given up may take to be free.
const FREE: Duration = Duration::from_secs(10);
/// Pause between attempts to use it.
const PAUSE: Duration = Duration::from_millis(50);

/// What a recording is played against.
pub(crate) enum Stage {
    /// Master and agents in one.
    Whole(Cluster),
    /// A master and an agent that can fail apart from each other.
    Apart(Box<Apart>),
}

pub(crate) struct Apart {
    /// Of both.
    options: ClusterOptions,
    master: Option<MasterServer>,
    master_address: SocketAddr,
    way: Relay,
    agent: Option<SoloAgent>,
    agent_address: SocketAddr,
}

impl Stage {
    pub(crate) async fn whole(options: ClusterOptions) -> Self {
        Self::Whole(Cluster::start(options).await.unwrap())
    }

    pub(crate) async fn apart(options: ClusterOptions) -> Self {
        let master = start_master(&options, options.listen).await;
        let master_address = master.address();
        let way = Relay::to(master_address).await;
        let agent = start_agent(&options, &way, 0).await;
        let agent_address = agent.address();
        let (master, agent) = (Some(master), Some(agent));
        Self::Apart(Box::new(Apart { options, master, master_address, way, agent, agent_address }))
    }

    pub(crate) fn master(&self) -> SocketAddr {
        match self {
            Self::Whole(cluster) => cluster.master_address(),
            Self::Apart(apart) => apart.master_address,
        }
    }

    /// In the order in which recordings number them.
    pub(crate) fn agents(&self) -> Vec<SocketAddr> {
        match self {
            Self::Whole(cluster) => cluster.agent_addresses(),
            Self::Apart(apart) => vec![apart.agent_address],
        }
    }

    /// What happens to master and agent alone.
    pub(crate) fn parts(&mut self) -> &mut Apart {
        match self {
            Self::Whole(_) => panic!("master and agents are one"),
            Self::Apart(apart) => apart,
        }
    }

    pub(crate) async fn shutdown(self) {
        match self {
            Self::Whole(cluster) => cluster.shutdown().await,
            Self::Apart(mut apart) => {
                apart.end_master().await;
                apart.end_agent().await;
            }
        }
    }
}

impl Apart {
    /// The master is gone from one moment to the next, and whoever comes after it is not found by the agent.
    pub(crate) async fn end_master(&mut self) {
        self.way.cut();
        if let Some(master) = self.master.take() {
            master.stop().await;
        }
    }

    /// A new master with what the old one had stored, to which the agent does not find yet.
    pub(crate) async fn start_master(&mut self) {
        self.master = Some(start_master(&self.options, self.master_address).await);
    }

    pub(crate) fn join(&self) {
        self.way.open();
    }

    /// The agent is gone from one moment to the next, without a word to anybody.
    pub(crate) async fn end_agent(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.shutdown().await;
        }
    }

    pub(crate) async fn start_agent(&mut self) {
        self.agent = Some(start_agent(&self.options, &self.way, self.agent_address.port()).await);
    }

    /// The agent goes for good, which takes until its executors have ended.
    pub(crate) fn unregister_agent(&mut self) {
        if let Some(agent) = self.agent.take() {
            tokio::spawn(agent.unregister());
        }
    }
}

async fn start_master(options: &ClusterOptions, address: SocketAddr) -> MasterServer {
    let deadline = tokio::time::Instant::now() + FREE;
    loop {
        let settings = MasterSettings {
            hostname: "localhost".to_owned(),
            timeouts: options.master_timeouts.clone(),
            ..MasterSettings::default()
        };
        let registry = Box::new(FileRegistry::new(&options.work_dir.join("master")));
        match MasterServer::start(address, settings, registry).await {
            Ok(master) => return master,
            Err(error) if tokio::time::Instant::now() > deadline => panic!("{error}"),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn start_agent(options: &ClusterOptions, way: &Relay, port: u16) -> SoloAgent {
    let agent = AgentOptions {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        port,
        hostname: "localhost".to_owned(),
        work_dir: work_dir(&options.work_dir, 1),
        resources: agent_resources(&options.resources[0]).unwrap(),
        attributes: Vec::new(),
        domain: None,
        credentials: None,
        executor_secret: None,
        anonymous_executors: false,
        tls: None,
        trust: None,
        path: PATH.to_owned(),
        timeouts: options.agent_timeouts,
        housekeeping: options.housekeeping,
    };
    let master = way.address().to_string();
    let deadline = tokio::time::Instant::now() + FREE;
    loop {
        match SoloAgent::start(&master, Access::default(), agent.clone(), Containment::default()).await {
            Ok(agent) => return agent,
            Err(error) if tokio::time::Instant::now() > deadline => panic!("{error}"),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Where an agent keeps everything, by its number.
pub(crate) fn work_dir(all: &Path, number: usize) -> PathBuf {
    all.join(format!("agent-{number}"))
}

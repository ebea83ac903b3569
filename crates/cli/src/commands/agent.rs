//! `cairn agent`: one agent of a cluster that is another process.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use cairn_cluster::agent::AgentOptions;
use cairn_cluster::{SoloAgent, agent_attributes, agent_resources};
use tokio::signal::unix::SignalKind;

use super::access::AccessArgs;
use super::cluster::{GuardArgs, RESOURCES, STOP, TaskArgs, TlsArgs, listen, stop_signal};
use crate::args::Globals;
use crate::failure::{Exit, Failure, Outcome};
use crate::{logging, paths, runtime};

/// What an agent is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The master, HOST:PORT or https://HOST:PORT; it need not be there yet
    #[arg(long, value_name = "MASTER")]
    master: String,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    guard: GuardArgs,
    #[command(flatten)]
    tls: TlsArgs,
    /// Where everything is kept: state, sandboxes, volumes. An agent that starts again on the same one goes on
    #[arg(long, value_name = "DIR")]
    work_dir: PathBuf,
    /// Where the agent listens, and what its tasks are told as their address
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// The port it listens on. It must stay the same while executors run
    #[arg(long, value_name = "PORT", default_value_t = 5051)]
    port: u16,
    /// Its name in offers [default: its address]
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// What it offers. Nothing holds a service to it
    #[arg(long, value_name = "RESOURCES", default_value = RESOURCES)]
    resources: String,
    /// What it says of itself, for example `rack:r1;zone:z2`
    #[arg(long, value_name = "ATTRIBUTES", default_value = "")]
    attributes: String,
    #[command(flatten)]
    tasks: TaskArgs,
}

impl Args {
    fn options(&self) -> Result<AgentOptions, Failure> {
        let (credentials, executor_secret) = self.guard.read()?;
        let usage =
            |option: &str, error: &dyn std::fmt::Display| Failure::new(format!("--{option}: {error}"));
        Ok(AgentOptions {
            address: self.address,
            port: self.port,
            hostname: self.hostname.clone().unwrap_or_else(|| self.address.to_string()),
            work_dir: paths::directory(&self.work_dir)?,
            resources: agent_resources(&self.resources).map_err(|error| usage("resources", &error))?,
            attributes: agent_attributes(&self.attributes).map_err(|error| usage("attributes", &error))?,
            domain: None,
            credentials,
            executor_secret,
            anonymous_executors: self.guard.anonymous_executors,
            tls: self.tls.read()?,
            trust: self.access.trust()?,
            path: std::env::var("PATH").unwrap_or_default(),
            timeouts: self.tasks.timeouts(),
            housekeeping: self.tasks.housekeeping(),
        })
    }
}

/// Runs it until SIGTERM, which leaves all tasks running, or SIGUSR1, which ends them and the agent for good, as with Mesos.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    logging::start(globals.log.as_deref())?;
    let options = args.options()?;
    let access = args.access.read()?;
    runtime::server()?.block_on(async {
        let agent = SoloAgent::start(&args.master, access, options, args.tasks.containment())
            .await
            .map_err(|error| Failure::new(format!("the agent cannot start: {error}")))?;
        tracing::info!(address = %agent.address(), master = args.master, "the agent is up");
        let mut leave = listen(SignalKind::user_defined1())?;
        let ended = tokio::select! {
            signal = stop_signal() => signal,
            why = agent.refused() => Err(Failure::new(format!("the master does not let the agent in: {why}"))),
            _ = leave.recv() => {
                tracing::warn!("the agent unregisters and ends what it runs");
                agent.unregister().await;
                return Ok(Exit::Done);
            }
        };
        if tokio::time::timeout(STOP, agent.shutdown()).await.is_err() {
            tracing::warn!("the agent took too long to stop; it is left as it is");
        }
        ended.map(|()| Exit::Done)
    })
}

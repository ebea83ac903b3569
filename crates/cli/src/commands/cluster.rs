//! `cairn cluster`: an embedded cluster on this machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use cairn_cluster::agent::{Containment, Housekeeping, Isolation, Timeouts};
use cairn_cluster::security::{Acls, Credentials, Key, SecurityError, Tls, Trust};
use cairn_cluster::{Cluster, ClusterOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::times::{ExecutorTimes, MasterTimes};
use crate::args::Globals;
use crate::failure::{Exit, Failure, Outcome};
use crate::{logging, paths, runtime};

/// How long its parts may take to stop.
pub(crate) const STOP: Duration = Duration::from_secs(10);
/// What each agent offers when nobody says.
pub(crate) const RESOURCES: &str = "cpus:4;mem:8192;disk:40960;ports:[31000-31999]";

/// What a cluster is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    agents: AgentArgs,
    /// Address of the master
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:5050")]
    listen: SocketAddr,
    /// Where everything is kept: registry, sandboxes, volumes
    #[arg(long, value_name = "DIR")]
    work_dir: PathBuf,
    #[command(flatten)]
    times: MasterTimes,
    #[command(flatten)]
    security: SecurityArgs,
}

/// Who may come in.
#[derive(Debug, clap::Args)]
struct SecurityArgs {
    #[command(flatten)]
    guard: GuardArgs,
    /// What principals may do: the `register_frameworks` and `register_agents` rules of Apache Mesos, as JSON
    #[arg(long, value_name = "FILE", requires = "credentials")]
    acls: Option<PathBuf>,
    #[command(flatten)]
    tls: TlsArgs,
    /// Whose certificates prove to executors that their agents are who they are, and to the fetcher who serves archives, as
    /// PEM. Without it they trust whom the system trusts
    #[arg(long, value_name = "FILE", env = "CAIRN_CA", hide_env_values = true)]
    ca: Option<PathBuf>,
}

/// What a server shows its clients.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TlsArgs {
    /// Speak TLS, and show this certificate: PEM, followed by those between it and its authority. It names the addresses of all
    /// that listen here
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

impl TlsArgs {
    /// With what stands in the files.
    pub(crate) fn read(&self) -> Result<Option<Tls>, Failure> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Tls::load(certificate, key).map(Some).map_err(Failure::from),
            _ => Ok(None),
        }
    }
}

/// Whom a server lets in.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct GuardArgs {
    /// Who may use the API: a line `principal secret` for each, or the JSON of Apache Mesos. Needed, as is --tls-cert,
    /// unless it listens on a loopback address; executors then need a token
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// What the tokens of executors are signed with; agents talk to no executor without one [default: with --credentials,
    /// a file that each agent makes]
    #[arg(long, value_name = "FILE")]
    executor_secret: Option<PathBuf>,
    /// Let in executors that show no token: for frameworks whose executors are older than tokens. Whoever reaches an agent can
    /// then speak for its executors
    #[arg(long)]
    pub(crate) anonymous_executors: bool,
}

impl GuardArgs {
    /// Who may come in, and what executors show.
    pub(crate) fn read(&self) -> Result<(Option<Credentials>, Option<Key>), Failure> {
        Ok((
            self.credentials.as_deref().map(Credentials::load).transpose()?,
            self.executor_secret.as_deref().map(Key::load).transpose()?,
        ))
    }
}

impl From<SecurityError> for Failure {
    fn from(error: SecurityError) -> Self {
        Self::new(error.to_string())
    }
}

impl SecurityArgs {
    fn put_into(&self, options: &mut ClusterOptions) -> Result<(), Failure> {
        (options.credentials, options.executor_secret) = self.guard.read()?;
        options.anonymous_executors = self.guard.anonymous_executors;
        options.tls = self.tls.read()?;
        options.trust = self.ca.as_deref().map(Trust::load).transpose()?;
        options.acls = self.acls.as_deref().map(Acls::load).transpose()?;
        Ok(())
    }
}

/// What agents are told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AgentArgs {
    /// How many agents
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) agents: u8,
    /// Address of the first agent; the others have those that follow. A second cluster on one machine needs its own
    #[arg(long, value_name = "IP", env = "CAIRN_FIRST_ADDRESS", hide_env_values = true, default_value_t = Ipv4Addr::LOCALHOST)]
    pub(crate) first_address: Ipv4Addr,
    /// What each agent offers: once for all, or once for each. Nothing holds a service to it: the sum may be more than the
    /// machine has
    #[arg(long, value_name = "RESOURCES", default_value = RESOURCES)]
    pub(crate) resources: Vec<String>,
    /// What agents say of themselves, for example `rack:r1`: once for all, or once for each
    #[arg(long, value_name = "ATTRIBUTES")]
    pub(crate) attributes: Vec<String>,
    /// Where agents are: once for all, or once for each
    #[arg(long, value_name = "REGION/ZONE")]
    pub(crate) domain: Vec<String>,
    #[command(flatten)]
    pub(crate) tasks: TaskArgs,
}

/// What agents are told of their tasks.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TaskArgs {
    /// What holds tasks to what they asked for: cgroups/cpu (who asked for more gets more of CPUs that are short), cgroups/mem (who
    /// needs more memory ends), or nothing (posix/cpu, posix/mem) [default: cgroups/cpu where the agent may use it]
    #[arg(long, value_name = "KINDS")]
    isolation: Option<Isolation>,
    /// Run tasks as the agent's user, not as the one that their framework names
    #[arg(long)]
    no_switch_user: bool,
    /// How long the sandbox of a task that ended is kept, at most: less the fuller the disk is
    #[arg(long, value_name = "TIME", default_value = "7d")]
    gc_delay: cairn_units::Duration,
    /// How large stdout and stderr of a task may grow before they move to stdout.1 and stderr.1; 0 for any size
    #[arg(long, value_name = "SIZE", default_value = "128MiB")]
    max_log_size: cairn_units::Size,
    #[command(flatten)]
    times: ExecutorTimes,
}

impl TaskArgs {
    /// What sets tasks apart.
    pub(crate) fn containment(&self) -> Containment {
        Containment { isolation: self.isolation.unwrap_or_default(), switch_user: !self.no_switch_user }
    }

    /// How long they and their agents wait for what.
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.times.timeouts()
    }

    /// What becomes of what they leave and say.
    pub(crate) fn housekeeping(&self) -> Housekeeping {
        Housekeeping {
            gc_delay: self.gc_delay.into(),
            max_log_size: self.max_log_size.mib().saturating_mul(1024 * 1024),
            ..Housekeeping::default()
        }
    }
}

impl AgentArgs {
    /// A cluster of these agents.
    pub(crate) fn options(&self, listen: SocketAddr, work_dir: PathBuf) -> ClusterOptions {
        let mut options = ClusterOptions::new(listen, self.agents, work_dir, String::new());
        options.resources.clone_from(&self.resources);
        options.domains.clone_from(&self.domain);
        options.first_address = self.first_address;
        options.attributes.clone_from(&self.attributes);
        options.containment = self.tasks.containment();
        options.housekeeping = self.tasks.housekeeping();
        options.agent_timeouts = self.tasks.timeouts();
        options
    }
}

/// Runs it until SIGTERM, which leaves all tasks running.
pub(crate) fn run(globals: &Globals, args: &Args) -> Outcome {
    logging::start(globals.log.as_deref())?;
    let work_dir = paths::directory(&args.work_dir)?;
    let mut options = args.agents.options(args.listen, work_dir);
    args.times.put_into(&mut options.master_timeouts);
    args.security.put_into(&mut options)?;
    runtime::server()?.block_on(async {
        let mut cluster = Cluster::start(options).await.map_err(|error| failed(&error))?;
        tracing::info!(
            master = %cluster.master_address(),
            agents = ?cluster.agent_addresses(),
            "the cluster is up"
        );
        let ended = tokio::select! {
            ended = cluster.ended() => ended.map_err(|error| Failure::new(error.to_string())),
            signal = stop_signal() => signal,
        };
        stop(cluster).await;
        ended.map(|()| Exit::Done)
    })
}

/// Stops a cluster. What runs on it goes on.
pub(crate) async fn stop(cluster: Cluster) {
    if tokio::time::timeout(STOP, cluster.shutdown()).await.is_err() {
        tracing::warn!("the cluster took too long to stop; it is left as it is");
    }
}

/// Why a cluster cannot start.
pub(crate) fn failed(error: &cairn_cluster::ClusterError) -> Failure {
    Failure::new(format!("the cluster cannot start: {error}"))
}

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
/// When signals cannot be had.
pub(crate) async fn stop_signal() -> Result<(), Failure> {
    let (mut term, mut int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}

/// Watches for a signal from now on.
///
/// # Errors
/// When signals cannot be had.
pub(crate) fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::new(format!("cannot wait for signals: {error}")))
}

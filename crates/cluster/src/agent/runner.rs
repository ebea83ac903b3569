//! The seam between an agent and what runs its containers.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use super::fetch::FetchUri;
use super::isolation::Limits;
use super::process::ProcessId;

/// A future of a [`Runner`].
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Everything that is needed to start one container.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerPlan {
    /// Unique id of the container.
    pub container: String,
    /// Absolute path of its sandbox, which does not exist yet.
    pub sandbox: PathBuf,
    /// The sandbox that its own is in, if that is another container's without a process: it gets empty files for output,
    /// which people and tools look for.
    pub above: Option<PathBuf>,
    /// Symbolic links to make or to renew.
    pub links: Vec<Link>,
    /// What is fetched into it before the start.
    pub uris: Vec<FetchUri>,
    /// Persistent volumes.
    pub volumes: Vec<VolumeMount>,
    /// Program; looked up on the container's PATH unless it has a slash.
    pub program: String,
    /// Arguments with the zeroth.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// The user it runs as; empty for the agent's own.
    pub user: String,
    /// What it may use.
    pub limits: Limits,
}

/// A symbolic link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it is; directories above are made.
    pub at: PathBuf,
    /// Where it points to.
    pub to: PathBuf,
}

/// A question to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What is asked.
    pub kind: ProbeKind,
    /// How long the answer may take.
    pub timeout: Duration,
}

/// What is asked of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeKind {
    /// Runs a command beside the task.
    Command {
        /// Program; looked up on PATH unless it has a slash.
        program: String,
        /// Arguments with the zeroth.
        argv: Vec<String>,
        /// The whole environment.
        env: Vec<(String, String)>,
        /// Where it runs.
        sandbox: PathBuf,
        /// The user it runs as; empty for the agent's own.
        user: String,
    },
    /// GET.
    Http {
        /// Of what.
        url: String,
    },
    /// Whether a connection can be made.
    Tcp {
        /// Host and port.
        address: String,
    },
}

/// What came of a [`Probe`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The command's exit code.
    Exited(i32),
    /// The status code of the answer.
    Status(u16),
    /// Whether there was a connection.
    Connected(bool),
    /// None, and why.
    None(String),
}

/// A persistent volume of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeMount {
    /// Directory that holds the data; made if it does not exist.
    pub source: PathBuf,
    /// Where it appears, relative to the sandbox.
    pub target: PathBuf,
}

/// A container that was started, now or by an earlier agent process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Unique id of the container.
    pub id: String,
    /// Absolute path of its sandbox.
    pub sandbox: PathBuf,
    /// Its first process; none when it is not known whether there ever was one.
    pub process: Option<ProcessId>,
}

/// How a container has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exit {
    /// The wait status of its first process, where it can be known.
    pub status: Option<i32>,
    /// It was ended because it needed more memory than it may use: the most that it had, in bytes.
    pub out_of_memory: Option<u64>,
}

/// What a running container is given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Update {
    /// Volumes that it has from now on, beside those it has.
    pub volumes: Vec<VolumeMount>,
    /// The user it runs as; empty for the agent's own.
    pub user: String,
    /// What it may use from now on.
    pub limits: Limits,
}

/// Runs containers. All waiting is asynchronous; a runner is shared by everything an agent does.
pub trait Runner: Send + Sync + 'static {
    /// Makes the sandbox, fills it, and starts the first process. The error is told to the framework.
    fn start(&self, plan: ContainerPlan) -> Work<'_, Result<ProcessId, String>>;

    /// Waits until the first process has ended and everything else in the container is gone too: what the first
    /// process leaves behind is killed.
    fn wait(&self, container: Container) -> Work<'_, Exit>;

    /// Ends the container: SIGTERM to all of it, SIGKILL after `grace`.
    fn end(&self, container: Container, grace: Duration) -> Work<'_, ()>;

    /// Makes volumes appear in the sandbox of a running container, and holds it to new limits.
    fn update(&self, container: Container, update: Update) -> Work<'_, Result<(), String>>;

    /// Asks a task how it is.
    fn probe(&self, probe: Probe) -> Work<'_, Answer>;

    /// Deletes the data of volumes; gives those of which nothing is left.
    fn delete(&self, volumes: Vec<PathBuf>) -> Work<'_, Vec<PathBuf>>;
}

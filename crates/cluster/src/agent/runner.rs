//! The seam between an agent and what runs its containers.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use super::fetch::FetchUri;
use super::process::ProcessId;

/// A future of a [`Runner`].
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Everything that is needed to start one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerPlan {
    /// Unique id of the container.
    pub container: String,
    /// Absolute path of its sandbox, which does not exist yet.
    pub sandbox: PathBuf,
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

/// Runs containers. All waiting is asynchronous; a runner is shared by everything an agent does.
pub trait Runner: Send + Sync + 'static {
    /// Makes the sandbox, fills it, and starts the first process. The error is told to the framework.
    fn start(&self, plan: ContainerPlan) -> Work<'_, Result<ProcessId, String>>;

    /// Waits until the first process has ended and everything else in the container is gone too: what the first
    /// process leaves behind is killed. Gives the wait status, where it can be known.
    fn wait(&self, container: Container) -> Work<'_, Option<i32>>;

    /// Ends the container: SIGTERM to all of it, SIGKILL after `grace`.
    fn end(&self, container: Container, grace: Duration) -> Work<'_, ()>;

    /// Makes volumes appear in a sandbox that is in use.
    fn mount(&self, sandbox: PathBuf, volumes: Vec<VolumeMount>) -> Work<'_, Result<(), String>>;

    /// Asks a task how it is.
    fn probe(&self, probe: Probe) -> Work<'_, Answer>;

    /// Deletes the data of volumes.
    fn delete(&self, volumes: Vec<PathBuf>) -> Work<'_, ()>;
}

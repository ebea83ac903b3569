//! The seam between an agent and what runs its containers.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use cairn_mesos::v1::agent::process_io::data;
use tokio::io::{AsyncRead, AsyncWrite};

use super::fetch::FetchUri;
use super::isolation::Limits;
use super::nested::Terminal;
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

/// A container within a running one.
#[derive(Debug, Clone, PartialEq)]
pub struct NestedPlan {
    /// The container whose control groups it shares.
    pub host: String,
    /// The sandbox of the outermost container, below which its own is.
    pub root: PathBuf,
    /// Where its first process begins.
    pub place: PathBuf,
    /// How it is spoken with.
    pub talk: Talk,
    /// It has a sandbox of its own, in whose files stands what it says.
    pub is_logged: bool,
    /// All else. It has no limits of its own, and no links.
    pub plan: ContainerPlan,
}

/// How a nested container is spoken with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Talk {
    /// Not at all; what it says stands in files.
    Files,
    /// By pipes.
    Pipes,
    /// By a terminal of this size in characters; 0 by 0 if that is not known.
    Terminal {
        /// Lines.
        rows: u32,
        /// Characters in a line.
        columns: u32,
    },
}

/// A nested container that has just been started.
#[derive(Debug)]
pub struct Joined {
    /// Its first process.
    pub process: ProcessId,
    /// The other end of the conversation, if there is one.
    pub spoken: Option<Spoken>,
}

/// What takes what a container is told.
pub(crate) type Mouth = Box<dyn AsyncWrite + Send + Unpin>;

/// Where something that a container says comes from.
pub(crate) struct Ear {
    /// As what it is passed on.
    pub(crate) from: data::Type,
    pub(crate) source: Box<dyn AsyncRead + Send + Unpin>,
    /// Where it is written down as well.
    pub(crate) log: Option<File>,
}

/// One end of a conversation with a container.
pub struct Spoken {
    pub(crate) mouth: Mouth,
    pub(crate) ears: Vec<Ear>,
    /// The terminal that it is led over.
    pub(crate) terminal: Option<Terminal>,
}

impl fmt::Debug for Spoken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Spoken").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}

/// Runs containers. All waiting is asynchronous; a runner is shared by everything an agent does.
pub trait Runner: Send + Sync + 'static {
    /// Makes the sandbox, fills it, and starts the first process. The error is told to the framework.
    fn start(&self, plan: ContainerPlan) -> Work<'_, Result<ProcessId, String>>;

    /// Starts a container within a running one, with which it ends. It is waited for and ended as others are. The error is told
    /// to who wanted it.
    fn nest(&self, plan: NestedPlan) -> Work<'_, Result<Joined, String>>;

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

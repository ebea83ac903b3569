//! The thin shell around the core: feeds it events, carries out its effects in order.

mod handle;

pub use handle::{Accepted, Command, Handle, Published};

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::Service;

/// How a scheduler is started.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Master: `host:port`, or several separated by commas.
    pub master: String,
    /// Name on the cluster, also the role; unique there, at most 24 characters of `[a-z0-9-]`.
    pub framework: String,
    /// Directory of its state.
    pub state: PathBuf,
    /// File with the initial [`crate::Config`] as JSON; read at every start.
    pub config: Option<PathBuf>,
    /// Address of its REST.
    pub listen: IpAddr,
    /// Port of its REST. 0: any.
    pub port: u16,
    /// File with the bearer token that writes need. Absent: none is needed.
    pub token: Option<PathBuf>,
    /// This program, served to agents as the executor. Absent: the running executable.
    pub executor: Option<PathBuf>,
}

/// Why a scheduler ended or could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Bad configuration; every problem is listed.
    #[error("the configuration is refused: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<crate::Problem>),
    /// Anything of the machine: with what was tried.
    #[error("{0}")]
    Io(String),
}

/// Runs a scheduler until SIGTERM or SIGINT, which detach: nothing that runs is stopped.
///
/// # Errors
/// When it cannot start, or its state is held by another process.
pub async fn run(service: Arc<dyn Service>, options: RunOptions) -> Result<(), RunError> {
    let _ = (service, options);
    Ok(())
}

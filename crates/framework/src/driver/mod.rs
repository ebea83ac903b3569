//! The thin shell around the core: feeds it events, carries out its effects in order.
//!
//! One loop owns the core. What takes time runs beside it and reports back as an event: gates, calls to the master, looks
//! at the agents. Only the store is waited for, because nothing may happen before what it holds.

mod actions;
mod capacities;
mod clock;
mod cluster;
mod foreign;
pub(crate) mod handle;
mod inquiry;
pub(crate) mod link;
mod probe;
mod publish;
mod sandbox;
mod shell;
mod standby;
pub(crate) mod start;

pub use cluster::{Cluster, Registered};
pub use foreign::Foreign;
pub use handle::{Accepted, Command, Handle, Published};
pub use sandbox::{Sandbox, SandboxError};
pub use start::run;

use std::net::IpAddr;
use std::path::PathBuf;

use crate::Master;
use crate::store::Place;

/// How a scheduler is started.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The master.
    pub master: Master,
    /// Name on the cluster, also the role; unique there, at most 24 characters of `[a-z0-9-]`.
    pub framework: String,
    /// Where its state is.
    pub state: Place,
    /// Its configuration.
    pub config: Given,
    /// Address of its REST.
    pub listen: IpAddr,
    /// Port of its REST. 0: any.
    pub port: u16,
    /// `host:port` under which others reach its REST. Absent: where it listens.
    pub advertise: Option<String>,
    /// File with the bearer token that writes need. Absent: none is needed.
    pub token: Option<PathBuf>,
    /// This program, served to agents as the executor. Absent: the running executable.
    pub executor: Option<PathBuf>,
}

/// Where the first configuration comes from.
#[derive(Debug, Clone)]
pub enum Given {
    /// A file with a [`crate::Config`] as JSON, read at every start.
    File(PathBuf),
    /// The service configures itself through its handle; this is what it begins with when nothing is stored.
    Default(Box<crate::Config>),
}

/// Why a scheduler ended or could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Bad configuration; every problem is listed.
    #[error("the configuration is refused: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<crate::Problem>),
    /// A file of its own cannot be read.
    #[error("{path}: {reason}")]
    File {
        /// Which file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Its state cannot be read or written.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// Its REST address cannot be had.
    #[error("cannot listen on {address}: {reason}; choose another port, or stop what holds it")]
    Listen {
        /// Which address.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// The master's address makes no sense, or it does not let this scheduler in.
    #[error(transparent)]
    Master(#[from] cairn_mesos::client::ClientError),
}

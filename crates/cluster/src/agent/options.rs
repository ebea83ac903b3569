//! How an agent is set up.

use std::net::IpAddr;
use std::path::PathBuf;

use cairn_mesos::v1::{Attribute, DomainInfo, Resource};

use super::core::Timeouts;
use super::housekeeping::Housekeeping;
use crate::security::{Credentials, Key, Tls, Trust};

/// One agent.
#[derive(Debug, Clone)]
pub struct AgentOptions {
    /// Where it listens, and what its tasks are told as their address: a loopback address of its own.
    pub address: IpAddr,
    /// The port it listens on; 0 for any. An agent that comes back must have the port it had, or its executors do not
    /// find it.
    pub port: u16,
    /// Its name in offers.
    pub hostname: String,
    /// Its own directory: sandboxes, volumes and state.
    pub work_dir: PathBuf,
    /// What it offers as long as nothing is reserved.
    pub resources: Vec<Resource>,
    /// What it says of itself in offers.
    pub attributes: Vec<Attribute>,
    /// The region and zone it is in.
    pub domain: Option<DomainInfo>,
    /// Who may use its API: needed, as is `tls`, unless it listens on a loopback address.
    pub credentials: Option<Credentials>,
    /// What the tokens of executors are signed with. Without it the agent makes one of its own where it has credentials, and asks
    /// for no tokens elsewhere.
    pub executor_secret: Option<Key>,
    /// Whether executors that show no token are let in all the same; a token that is shown must be right.
    pub anonymous_executors: bool,
    /// What it shows clients that come by TLS; without it it is spoken to without.
    pub tls: Option<Tls>,
    /// Whose certificates executors and the fetcher believe: executors nobody else's, the fetcher the system's too. Without it
    /// both believe those whom the system trusts.
    pub trust: Option<Trust>,
    /// PATH of executors and commands; usually that of this process.
    pub path: String,
    /// How long it waits for what.
    pub timeouts: Timeouts,
    /// What becomes of what its containers leave and say.
    pub housekeeping: Housekeeping,
}

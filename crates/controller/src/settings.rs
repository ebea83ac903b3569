//! What the decisions of the controller need to know beside the stacks.

use std::net::SocketAddr;
use std::path::PathBuf;

use cairn_stack::Catalog;

use crate::secrets::Vault;
use crate::token::Secret;

/// How a controller is started.
#[derive(Debug, Clone)]
pub struct ControllerOptions {
    /// Master: `host:port`, or several separated by commas.
    pub master: String,
    /// Name on the cluster, also the role; `cairn` unless several controllers share a cluster.
    pub framework: String,
    /// Directory of the controller's own state, and, below `schedulers/`, of that of the child schedulers.
    pub state: PathBuf,
    /// Address of REST. The port must be a fixed one, since agents fetch archives from it.
    pub listen: SocketAddr,
    /// `host:port` under which agents reach REST. Absent: `listen`.
    pub advertise: Option<String>,
    /// File with the bearer token; made, with mode 0600, where it is not there.
    pub token_file: PathBuf,
    /// Directory of distribution archives, each with its checksum beside it in `<archive>.sha256`.
    pub dist: PathBuf,
    /// The frameworks that stacks may name.
    pub catalog: Catalog,
    /// File with the key that secrets are sealed with; made, with mode 0600, where it is not there.
    pub key_file: PathBuf,
    /// The `cairn` program, served to agents. Absent: the running executable.
    pub executor: Option<PathBuf>,
}

/// What rendering a child scheduler takes.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Master, as the children are told.
    pub(crate) master: String,
    /// `host:port` of this controller's REST.
    pub(crate) advertise: String,
    /// Directory above the state directories of the children.
    pub(crate) state_root: PathBuf,
    /// Directory of distribution archives.
    pub(crate) dist: PathBuf,
    /// The frameworks.
    pub(crate) catalog: Catalog,
    /// Opens the values of `${secret.…}`.
    pub(crate) vault: Vault,
    /// What the tokens of stacks are derived from.
    pub(crate) key: Secret,
}

impl Settings {
    /// State directory of a service's scheduler. One for each framework: a service that changes its framework must
    /// not find the state of the old one.
    pub(crate) fn state_dir(&self, stack: &str, service: &str, framework: &str) -> PathBuf {
        // No name has a dot, so a service of a nested stack has no directory within that of another one.
        self.state_root.join(stack).join(service.replace('/', ".")).join(framework)
    }
}

//! What the decisions of the controller need to know beside the stacks.

use std::net::SocketAddr;
use std::path::PathBuf;

use cairn_framework::Master;
use cairn_framework::store::Place;
use cairn_stack::Catalog;

use crate::layout;
use crate::secrets::Vault;
use crate::token::Secret;

/// How a controller is started.
#[derive(Debug, Clone)]
pub struct ControllerOptions {
    /// The master.
    pub master: Master,
    /// Name on the cluster, also the role; `cairn` unless several controllers share a cluster.
    pub framework: String,
    /// Directory of what belongs to this machine alone: the key of the stacks' tokens, and all state unless `state` is
    /// elsewhere.
    pub work_dir: PathBuf,
    /// The controller's own state, below `controller`, and, below `schedulers`, that of the child schedulers. Absent: in
    /// `work_dir`.
    pub state: Option<Place>,
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

impl ControllerOptions {
    /// Above all states.
    pub(crate) fn states(&self) -> Place {
        self.state.clone().unwrap_or_else(|| self.work_dir.clone().into())
    }
}

/// What rendering a child scheduler takes.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The master, as the children are told of it.
    pub(crate) master: Master,
    /// `host:port` of this controller's REST.
    pub(crate) advertise: String,
    /// Above the states of the children.
    pub(crate) states: Place,
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
    /// State of a service's scheduler.
    pub(crate) fn state(&self, stack: &str, service: &str, framework: &str) -> Place {
        self.states.below(&layout::scheduler(stack, service, framework))
    }
}

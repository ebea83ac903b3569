//! What the master must still know after a restart, and where that is kept.
//!
//! Tasks, executors, reservations and volumes are not here: agents store those, and tell them when they register
//! again. What is here is who exists (frameworks, frameworks that are gone for good, agents), and what operators have
//! decided.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cairn_mesos::v1::maintenance::Schedule;
use cairn_mesos::v1::quota::QuotaConfig;
use cairn_mesos::v1::{AgentInfo, FrameworkInfo, MachineId, WeightInfo};
use prost::Message;

pub use super::operator::Standing;
use crate::whole::{self, Durability};

/// The version of the stored form. A file with a higher one is refused.
pub const SCHEMA_VERSION: u32 = 2;

/// Everything the registry holds.
#[derive(Clone, PartialEq, Message)]
pub struct RegistryState {
    /// [`SCHEMA_VERSION`] of the program that wrote it.
    #[prost(uint32, tag = "1")]
    pub schema_version: u32,
    /// Frameworks that may subscribe again, with their ids.
    #[prost(message, repeated, tag = "2")]
    pub frameworks: Vec<FrameworkInfo>,
    /// Ids of frameworks that are gone for good.
    #[prost(string, repeated, tag = "3")]
    pub completed: Vec<String>,
    /// Agents that may register again, with their ids.
    #[prost(message, repeated, tag = "4")]
    pub agents: Vec<AgentInfo>,
    /// Roles whose weight is not 1.
    #[prost(message, repeated, tag = "5")]
    pub weights: Vec<WeightInfo>,
    /// Quotas of roles.
    #[prost(message, repeated, tag = "6")]
    pub quotas: Vec<QuotaConfig>,
    /// What operators have decided about agents.
    #[prost(message, repeated, tag = "7")]
    pub standings: Vec<Standing>,
    /// Planned maintenance.
    #[prost(message, optional, tag = "8")]
    pub schedule: Option<Schedule>,
    /// Machines that are down for maintenance.
    #[prost(message, repeated, tag = "9")]
    pub down: Vec<MachineId>,
}

/// Why the registry could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The file system said no.
    #[error("cannot {action} the registry at {}", path.display())]
    Io {
        /// "read" or "write".
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not a registry.
    #[error("the registry at {} is damaged; restore it from a copy, or move it away to begin anew", path.display())]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What the decoder said.
        source: prost::DecodeError,
    },
    /// A newer program wrote the file.
    #[error("the registry at {} has version {found}, this program knows versions up to {SCHEMA_VERSION}; use the newer program", path.display())]
    Newer {
        /// Where.
        path: PathBuf,
        /// The version in the file.
        found: u32,
    },
}

/// Where the master keeps its registry.
pub trait Registry: Send + 'static {
    /// What was stored last; an empty state when nothing was.
    fn load(&mut self) -> Result<RegistryState, RegistryError>;
    /// Store all of it. When this returns, it survives the loss of power.
    fn store(&mut self, state: &RegistryState) -> Result<(), RegistryError>;
}

/// A file that is replaced as a whole.
#[derive(Debug)]
pub struct FileRegistry {
    path: PathBuf,
}

impl FileRegistry {
    /// The registry in this directory, which is made when it does not exist.
    pub fn new(dir: &Path) -> Self {
        Self { path: dir.join("registry") }
    }

    fn io(&self, action: &'static str) -> impl FnOnce(io::Error) -> RegistryError + use<> {
        let path = self.path.clone();
        move |source| RegistryError::Io { action, path, source }
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(dir)?;
        whole::replace(&self.path, bytes, whole::USUAL, Durability::Disk)
    }
}

impl Registry for FileRegistry {
    fn load(&mut self) -> Result<RegistryState, RegistryError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(RegistryState::default()),
            Err(error) => return Err(self.io("read")(error)),
        };
        let path = self.path.clone();
        let state = RegistryState::decode(bytes.as_slice())
            .map_err(|source| RegistryError::Damaged { path: path.clone(), source })?;
        if state.schema_version > SCHEMA_VERSION {
            return Err(RegistryError::Newer { path, found: state.schema_version });
        }
        Ok(state)
    }

    fn store(&mut self, state: &RegistryState) -> Result<(), RegistryError> {
        self.replace(&state.encode_to_vec()).map_err(self.io("write"))
    }
}

/// A registry that forgets, for tests.
#[derive(Debug, Default)]
pub struct MemoryRegistry {
    /// What was stored last.
    pub state: RegistryState,
}

impl Registry for MemoryRegistry {
    fn load(&mut self) -> Result<RegistryState, RegistryError> {
        Ok(self.state.clone())
    }

    fn store(&mut self, state: &RegistryState) -> Result<(), RegistryError> {
        self.state = state.clone();
        Ok(())
    }
}

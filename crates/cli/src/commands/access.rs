//! How Cairn's own programs come to a cluster.

use std::path::PathBuf;

use cairn_cluster::security::Trust;
use cairn_framework::{Access, AccessError, Authorities, Credentials};

use crate::failure::Failure;

/// What a program is told that comes to a cluster.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AccessArgs {
    /// Who this is to a cluster that asks: a line `principal secret`, one of those in the cluster's --credentials
    #[arg(long, value_name = "FILE")]
    credential: Option<PathBuf>,
    /// Whose certificates prove that master and agents are who they are, as PEM: they are then reached by TLS, a master as
    /// https://HOST:PORT. Without it `https` trusts whom the system trusts
    #[arg(long, value_name = "FILE", env = "CAIRN_CA", hide_env_values = true)]
    ca: Option<PathBuf>,
}

impl AccessArgs {
    /// With what stands in the files.
    ///
    /// # Errors
    /// A file cannot be used.
    pub(crate) fn read(&self) -> Result<Access, Failure> {
        Ok(Access {
            credentials: self.credential.as_deref().map(Credentials::load).transpose()?,
            authorities: self.ca.as_deref().map(Authorities::load).transpose()?,
        })
    }

    /// The same authorities, for what an agent runs.
    ///
    /// # Errors
    /// The file cannot be used.
    pub(crate) fn trust(&self) -> Result<Option<Trust>, Failure> {
        Ok(self.ca.as_deref().map(Trust::load).transpose()?)
    }
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        Self::new(error.to_string())
    }
}

//! How Cairn's own programs come to a cluster.

use std::path::{Path, PathBuf};

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
    #[arg(long, value_name = "FILE")]
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

    /// The file with the authorities, for programs in other directories.
    ///
    /// # Errors
    /// There is no current directory.
    pub(crate) fn authorities(&self) -> Result<Option<PathBuf>, Failure> {
        absolute(self.ca.as_deref())
    }
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        Self::new(error.to_string())
    }
}

/// A path as programs in other directories find it.
///
/// # Errors
/// There is no current directory.
pub(crate) fn absolute(path: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    let absolute = path.map(std::path::absolute).transpose();
    absolute.map_err(|error| Failure::new(format!("cannot find the current directory: {error}")))
}

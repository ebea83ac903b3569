//! How Cairn's own programs come to a cluster.

use std::path::PathBuf;

use cairn_framework::{Access, CredentialError, Credentials};

use crate::failure::Failure;

/// What a program is told that comes to a cluster.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AccessArgs {
    /// Who this is to a cluster that asks: a line `principal secret`, one of those in the cluster's --credentials
    #[arg(long, value_name = "FILE")]
    credential: Option<PathBuf>,
}

impl AccessArgs {
    /// With what stands in the files.
    ///
    /// # Errors
    /// A file cannot be used.
    pub(crate) fn read(&self) -> Result<Access, Failure> {
        Ok(Access { credentials: self.credential.as_deref().map(Credentials::load).transpose()? })
    }
}

impl From<CredentialError> for Failure {
    fn from(error: CredentialError) -> Self {
        Self::new(error.to_string())
    }
}

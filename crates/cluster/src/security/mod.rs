//! Who may come in: credentials of frameworks, operators and agents, what principals may do, tokens of executors.

mod acl;
mod credentials;
pub(crate) mod exposure;
mod file;
mod tls;
mod token;
mod trust;

use std::path::PathBuf;

pub use self::acl::Acls;
pub use self::credentials::Credentials;
pub use self::exposure::Exposed;
pub use self::tls::Tls;
pub use self::token::{Claims, Key};
pub use self::trust::Trust;

/// A file of secrets or rules that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecurityError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not there and cannot be made.
    #[error("cannot make {}: {source}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It says something else than it should.
    #[error("{}: {problem}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and how it should be.
        problem: String,
    },
}

fn read(path: &std::path::Path) -> Result<String, SecurityError> {
    std::fs::read_to_string(path).map_err(|source| SecurityError::Read { path: path.to_owned(), source })
}

//! Why something is not done with a nested container.

use axum::http::StatusCode;

use super::path::Path;

/// What the client is told; the codes are those of Mesos.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It cannot be done as it was asked for.
    Bad(String),
    /// There is no such container.
    NotFound(String),
    /// Somebody else does it already.
    Busy(String),
    /// It went wrong, or cannot be done now.
    Failed(String),
    /// It is not done here.
    Absent(String),
}

impl Denied {
    pub(crate) fn not_found(path: &Path) -> Self {
        Self::NotFound(format!("Container {path} cannot be found"))
    }
}

impl From<Denied> for (StatusCode, String) {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Bad(why) => (StatusCode::BAD_REQUEST, why),
            Denied::NotFound(why) => (StatusCode::NOT_FOUND, why),
            Denied::Busy(why) => (StatusCode::CONFLICT, why),
            Denied::Failed(why) => (StatusCode::INTERNAL_SERVER_ERROR, why),
            Denied::Absent(why) => (StatusCode::NOT_IMPLEMENTED, why),
        }
    }
}

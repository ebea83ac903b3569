//! The files of a service, as an artifact that a stack names itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An archive that replaces the framework's own: where it is, and what its content must hash to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// Where the archive is: an http, https or file URI, or a path as the scheduler sees it.
    #[schemars(length(min = 1))]
    pub uri: String,
    /// SHA-256 of the archive, 64 hexadecimal digits. An archive that differs is refused.
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{64}$"), extend("x-help" = "64 hexadecimal digits, as `sha256sum FILE` prints them"))]
    pub sha256: String,
}

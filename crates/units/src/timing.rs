//! What happens with the times of a schedule that cannot be kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A time has come and the last run is not over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The new run does not happen.
    #[default]
    Skip,
    /// It happens once the last one is over.
    Queue,
    /// The last one is stopped.
    Replace,
}

/// Times that have passed while the scheduler was away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// One run makes up for all of them.
    #[default]
    Run,
    /// They are left out.
    Skip,
}

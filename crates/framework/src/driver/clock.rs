//! The one place that asks the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::core::Millis;

/// Milliseconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "the driver is where time comes from")]
pub(crate) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

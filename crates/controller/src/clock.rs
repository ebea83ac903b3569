//! The one place that asks the clock.

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the driver of events stamps them here and nowhere else")]
pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

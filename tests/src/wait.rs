//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// Tries `condition` until it gives something.
///
/// # Panics
/// When the deadline has passed, with what was waited for.
#[expect(clippy::disallowed_methods, reason = "a test's deadline is real time, and its failure a panic")]
pub fn until<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

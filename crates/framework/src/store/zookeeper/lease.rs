//! For how long a leader may take it that it still leads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// ZooKeeper was heard of at some time, and lets nobody else lead for `term` after that.
#[derive(Debug)]
pub(super) struct Lease {
    term: Duration,
    start: Instant,
    /// Milliseconds after `start` at which the last answered question was put.
    confirmed: AtomicU64,
}

impl Lease {
    pub(super) fn new(term: Duration, start: Instant) -> Self {
        Self { term, start, confirmed: AtomicU64::new(0) }
    }

    pub(super) fn term(&self) -> Duration {
        self.term
    }

    /// A question that was put at `asked` has been answered.
    pub(super) fn confirm(&self, asked: Instant) {
        let at = asked.saturating_duration_since(self.start).as_millis();
        self.confirmed.fetch_max(u64::try_from(at).unwrap_or(u64::MAX), Ordering::AcqRel);
    }

    /// There is no need to ask: half of the term is left at least.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.left(now) > self.term / 2
    }

    /// What is left of the term.
    pub(super) fn left(&self, now: Instant) -> Duration {
        let until = self.start + Duration::from_millis(self.confirmed.load(Ordering::Acquire)) + self.term;
        until.saturating_duration_since(now)
    }
}

#[expect(clippy::disallowed_methods, reason = "a lease is about the time that passes outside")]
pub(super) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_fresh_for_half_its_term_and_counts_from_the_question() {
        let start = now();
        let at = |ms| start + Duration::from_millis(ms);
        let lease = Lease::new(Duration::from_secs(6), start);
        assert!(lease.is_fresh(at(2_999)) && !lease.is_fresh(at(3_000)));
        lease.confirm(at(2_000));
        lease.confirm(at(1_000));
        assert_eq!(lease.left(at(3_000)), Duration::from_secs(5), "an older question takes nothing back");
        assert_eq!(lease.left(at(60_000)), Duration::ZERO);
    }
}

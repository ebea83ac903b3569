//! How long the absence of something in an offer proves nothing.

use super::Millis;

/// Longer than the embedded master waits for an answer to an offer.
const DOUBT: Millis = 90_000;
/// A step after a longer pause counts as one after so much: clocks jump, and what a jump skips has not been waited for.
const MOST: Millis = 10_000;

/// After a lost call the master may hold offers back that it takes for unanswered: what the others lack may be in those.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    left: Millis,
    seen: Millis,
}

impl Doubt {
    /// A call got lost.
    pub(super) fn begin(&mut self, now: Millis) {
        *self = Self { left: DOUBT, seen: now };
    }

    /// The master has taken all offers back.
    pub(super) fn end(&mut self) {
        self.left = 0;
    }

    /// It is `now`, however that came.
    pub(super) fn pass(&mut self, now: Millis) {
        let passed = now.saturating_sub(self.seen).min(MOST);
        self.left = self.left.saturating_sub(passed);
        self.seen = now;
    }

    pub(super) fn is_over(&self) -> bool {
        self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_after_its_time_and_not_when_the_clock_jumps() {
        let mut doubt = Doubt::default();
        assert!(doubt.is_over());
        doubt.begin(1_000);
        for now in [111_000, 101_000, 500_000] {
            doubt.pass(now);
        }
        assert!(!doubt.is_over(), "two jumps forwards and one back are no minute and a half");
        for second in 501..=569 {
            doubt.pass(second * 1_000);
        }
        assert!(!doubt.is_over());
        doubt.pass(570_000);
        assert!(doubt.is_over());
    }
}

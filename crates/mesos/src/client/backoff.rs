//! How long to wait before the next attempt.

use std::time::Duration;

/// Doubles from `first` up to `cap`. Jitter takes up to half off, so that many clients do not come back at once.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The longest wait after the first failure.
    pub first: Duration,
    /// The longest wait of all.
    pub cap: Duration,
}

impl Backoff {
    /// The wait after `failures` failures in a row (at least one); `random` is from 0 to 1.
    pub fn delay(&self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let longest = self.first.saturating_mul(1 << doublings).min(self.cap);
        longest.mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0)
    }
}

/// From 0 to 1, for jitter: drivers only.
pub(crate) fn random() -> f64 {
    let bits = (uuid::Uuid::new_v4().as_u128() & u128::from(u32::MAX)) as u32;
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_jitter_takes_at_most_half() {
        let backoff = Backoff { first: Duration::from_millis(250), cap: Duration::from_secs(15) };
        assert_eq!(backoff.delay(1, 0.0), Duration::from_millis(250));
        assert_eq!(backoff.delay(3, 0.0), Duration::from_secs(1));
        assert_eq!(backoff.delay(3, 1.0), Duration::from_millis(500));
        assert_eq!(backoff.delay(u32::MAX, 0.0), Duration::from_secs(15));
    }
}

//! How long a failed instance waits: `min(delay * 2^(failures - 1), max)`.

use super::Millis;

/// First delay.
const DELAY: Millis = 500;
/// Longest delay.
const MAX: Millis = 60_000;
/// A task that has been ready for so long has recovered: the next failure is a first one.
pub(crate) const RECOVERED: Millis = 60_000;

/// The wait before the try that follows so many failures in a row. The first failure of an instance that has served is
/// answered at once: most crashes are single.
pub(crate) fn delay(failures: u32, has_served: bool) -> Millis {
    match failures {
        0 => 0,
        1 if has_served => 0,
        n => (DELAY << (n - 1).min(16)).min(MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_maximum() {
        assert_eq!((0..5).map(|n| delay(n, false)).collect::<Vec<_>>(), [0, 500, 1000, 2000, 4000]);
        assert_eq!(delay(30, false), MAX);
        assert_eq!(delay(1, true), 0);
        assert_eq!(delay(2, true), 1000);
    }
}

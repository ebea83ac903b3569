//! How late the scheduling loop is: it should look around at fixed times, and the probe tells how long after each it did.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};

/// Between two beats: often enough to see what a client would feel, too seldom to be felt itself.
const BEAT: Duration = Duration::from_millis(100);
/// A beat that is later than this counts as late.
const LATE: Duration = Duration::from_millis(50);

/// What the probe has seen since the program started.
#[derive(Debug, Default)]
pub(crate) struct Lateness {
    beats: AtomicU64,
    late: AtomicU64,
    worst_us: AtomicU64,
}

impl Lateness {
    fn note(&self, late: Duration) {
        self.beats.fetch_add(1, Ordering::Relaxed);
        self.late.fetch_add(u64::from(late > LATE), Ordering::Relaxed);
        let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        self.worst_us.fetch_max(micros, Ordering::Relaxed);
    }

    /// For Prometheus.
    pub(crate) fn metrics(&self, framework: &str) -> String {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (beats, late) = (number(&self.beats), number(&self.late));
        let worst = Duration::from_micros(number(&self.worst_us)).as_secs_f64();
        format!(
            "# TYPE cairn_loop_beats_total counter\n\
             cairn_loop_beats_total{{framework=\"{framework}\"}} {beats}\n\
             # TYPE cairn_loop_late_total counter\n\
             cairn_loop_late_total{{framework=\"{framework}\"}} {late}\n\
             # TYPE cairn_loop_late_seconds_max gauge\n\
             cairn_loop_late_seconds_max{{framework=\"{framework}\"}} {worst}\n"
        )
    }
}

/// The probe in the loop.
pub(crate) struct Probe {
    beat: Interval,
    seen: Arc<Lateness>,
}

impl Probe {
    /// Begins now.
    pub(crate) fn new(seen: Arc<Lateness>) -> Self {
        let mut beat = tokio::time::interval(BEAT);
        // A loop that was late once is not late again for all that it has missed.
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self { beat, seen }
    }

    /// Notes each beat, for as long as the loop has nothing else to do. What the loop is busy with is seen in the next.
    pub(crate) async fn beats(&mut self) -> std::convert::Infallible {
        loop {
            let due = self.beat.tick().await;
            self.seen.note(due.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_late_is_counted_and_the_worst_is_kept() {
        let seen = Lateness::default();
        for late in [1, 51, 240, 50] {
            seen.note(Duration::from_millis(late));
        }
        let text = seen.metrics("demo");
        for line in [
            "beats_total{framework=\"demo\"} 4",
            "late_total{framework=\"demo\"} 2",
            "max{framework=\"demo\"} 0.24",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[tokio::test]
    async fn a_loop_that_is_busy_is_late() {
        let seen = Arc::new(Lateness::default());
        let mut probe = Probe::new(Arc::clone(&seen));
        let _ = tokio::time::timeout(BEAT * 2, probe.beats()).await;
        let before = seen.late.load(Ordering::Relaxed);
        // What a step that blocks does to the loop.
        std::thread::sleep(BEAT * 3);
        let _ = tokio::time::timeout(BEAT * 2, probe.beats()).await;
        assert!(seen.late.load(Ordering::Relaxed) > before);
        assert!(seen.worst_us.load(Ordering::Relaxed) >= 150_000, "{seen:?}");
    }
}

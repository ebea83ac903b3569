//! Reliable delivery of the status updates of one task: one at a time, again and again until it is acknowledged.

use std::collections::VecDeque;
use std::time::Duration;

use cairn_mesos::v1::TaskStatus;

/// Pause before the first repetition; it doubles each time.
const FIRST_RETRY: Duration = Duration::from_secs(10);
/// Longest pause.
const LONGEST_RETRY: Duration = Duration::from_secs(10 * 60);

/// The updates of one task that are not acknowledged yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Updates {
    pending: VecDeque<TaskStatus>,
    retry: Option<Retry>,
}

#[derive(Debug, Clone, Copy)]
struct Retry {
    at: Duration,
    pause: Duration,
}

impl Updates {
    /// Updates that an earlier agent process had stored; none is in flight.
    pub(crate) fn recovered(pending: Vec<TaskStatus>) -> Self {
        Self { pending: pending.into(), retry: None }
    }

    pub(crate) fn push(&mut self, status: TaskStatus) {
        self.pending.push_back(status);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub(crate) fn contains(&self, uuid: &[u8]) -> bool {
        self.pending.iter().any(|s| s.uuid() == uuid)
    }

    pub(crate) fn pending(&self) -> impl Iterator<Item = &TaskStatus> {
        self.pending.iter()
    }

    /// The first update, if it is not in flight; from now on it is.
    pub(crate) fn send(&mut self, now: Duration) -> Option<&TaskStatus> {
        if self.retry.is_some() {
            return None;
        }
        let first = self.pending.front()?;
        self.retry = Some(Retry { at: now + FIRST_RETRY, pause: FIRST_RETRY });
        Some(first)
    }

    /// Takes the first update for not in flight: a new master or scheduler does not know of it.
    pub(crate) fn restart(&mut self) {
        self.retry = None;
    }

    /// The first update, if it is time to repeat it.
    pub(crate) fn repeat(&mut self, now: Duration) -> Option<&TaskStatus> {
        let retry = self.retry.as_mut().filter(|r| r.at <= now)?;
        retry.pause = (retry.pause * 2).min(LONGEST_RETRY);
        retry.at = now + retry.pause;
        self.pending.front()
    }

    pub(crate) fn next_retry(&self) -> Option<Duration> {
        self.retry.map(|r| r.at)
    }

    /// Takes away the first update, if it has this uuid.
    pub(crate) fn acknowledge(&mut self, uuid: &[u8]) -> Option<TaskStatus> {
        if self.pending.front()?.uuid() != uuid {
            return None;
        }
        self.retry = None;
        self.pending.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(uuid: u8) -> TaskStatus {
        TaskStatus { uuid: Some(vec![uuid; 16]), ..TaskStatus::default() }
    }

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn one_in_flight_repeated_with_doubling_pauses() {
        let mut updates = Updates::default();
        updates.push(status(1));
        updates.push(status(2));
        assert_eq!(updates.send(secs(0)), Some(&status(1)));
        assert_eq!(updates.send(secs(1)), None);
        let repeats: Vec<u64> = (0..200).filter(|&s| updates.repeat(secs(s)).is_some()).collect();
        assert_eq!(repeats, [10, 30, 70, 150]);
        assert_eq!(updates.acknowledge(&[2; 16]), None);
        assert_eq!(updates.acknowledge(&[1; 16]), Some(status(1)));
        assert_eq!(updates.send(secs(200)), Some(&status(2)));
    }
}

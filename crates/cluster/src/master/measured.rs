//! How long things take in the master, as its driver measures them, for metrics.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::metric::number;

/// How many values of each are kept.
const KEPT: usize = 1000;

/// Names of what is shown of the values that are kept, and where in their order it stands.
const PERCENTILES: [(&str, f64); 8] = [
    ("min", 0.0),
    ("p50", 0.5),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p999", 0.999),
    ("p9999", 0.9999),
    ("max", 1.0),
];

/// What the driver writes and whoever shows metrics reads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    allocations: Timer,
    stores: Timer,
    fetch: f64,
    registry_size: f64,
}

/// The last values of something that happens again and again, in milliseconds.
#[derive(Debug, Default)]
struct Timer(VecDeque<f64>);

impl Measured {
    /// An allocation has taken so long, with what brought it about.
    pub(crate) fn allocated(&self, time: Duration) {
        self.change(|inner| inner.allocations.add(time));
    }

    /// The registry, of so many bytes, has been read in this time.
    pub(crate) fn fetched(&self, time: Duration, size: usize) {
        self.change(|inner| (inner.fetch, inner.registry_size) = (milliseconds(time), number(size)));
    }

    /// The registry, of so many bytes, has been stored in this time.
    pub(crate) fn stored(&self, time: Duration, size: usize) {
        self.change(|inner| {
            inner.stores.add(time);
            inner.registry_size = number(size);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// By the names of Apache Mesos.
    pub(crate) fn metrics(&self) -> Vec<(String, f64)> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut values = vec![
            ("registrar/state_fetch_ms".to_owned(), inner.fetch),
            ("registrar/registry_size_bytes".to_owned(), inner.registry_size),
            // The master waits until it is stored: no change is ever in line.
            ("registrar/queued_operations".to_owned(), 0.0),
        ];
        inner.stores.show("registrar/state_store_ms", &mut values);
        inner.allocations.show("allocator/mesos/allocation_run_ms", &mut values);
        values
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl Timer {
    fn add(&mut self, time: Duration) {
        self.0.push_back(milliseconds(time));
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
    }

    /// The last value under the name itself, what all come to below it; nothing before there is one.
    fn show(&self, name: &str, into: &mut Vec<(String, f64)>) {
        let Some(last) = self.0.back() else { return };
        into.push((name.to_owned(), *last));
        into.push((format!("{name}/count"), number(self.0.len())));
        let mut sorted: Vec<f64> = self.0.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        into.extend(PERCENTILES.map(|(what, part)| (format!("{name}/{what}"), at(&sorted, part))));
    }
}

/// The value that this part of all values does not exceed, between its neighbours where it hits none. Some are given.
fn at(sorted: &[f64], part: f64) -> f64 {
    let place = part * number(sorted.len() - 1);
    let below = place as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(sorted.len() - 1)]);
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_summed_up_as_mesos_does() {
        let measured = Measured::default();
        assert!(measured.metrics().iter().all(|(name, value)| !name.contains("store_ms") && *value == 0.0));
        for time in [50, 100, 455] {
            measured.stored(Duration::from_micros(time), 459);
        }
        let shown = measured.metrics();
        let value = |name: &str| shown.iter().find(|(known, _)| known == name).unwrap().1;
        assert!((value("registrar/state_store_ms") - 0.455).abs() < 1e-9);
        assert!((value("registrar/state_store_ms/p50") - 0.1).abs() < 1e-9);
        assert!((value("registrar/state_store_ms/p90") - 0.384).abs() < 1e-9);
        assert!((value("registrar/state_store_ms/min") - 0.05).abs() < 1e-9);
        assert_eq!(
            (value("registrar/state_store_ms/count"), value("registrar/registry_size_bytes")),
            (3.0, 459.0)
        );
        (0..2 * KEPT).for_each(|_| measured.allocated(Duration::from_millis(1)));
        let count =
            measured.metrics().into_iter().find(|(name, _)| name.ends_with("allocation_run_ms/count"));
        assert_eq!(count.unwrap().1, number(KEPT));
    }
}

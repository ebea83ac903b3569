//! How much there is, and taking some of it.

use super::quantity::{Quantity, to_units};
use super::{Entry, Ranges, Resources, identity};

impl Resources {
    /// How much there is of a scalar resource, whatever its identity.
    pub fn total(&self, name: &str) -> f64 {
        let milli = self.0.iter().filter(|entry| entry.identity.name == name).fold(0i64, |sum, entry| {
            match entry.quantity {
                Quantity::Scalar(milli) => sum.saturating_add(milli),
                _ => sum,
            }
        });
        to_units(milli)
    }

    /// All CPUs, in cores.
    pub fn total_cpus(&self) -> f64 {
        self.total("cpus")
    }

    /// All memory, in MiB.
    pub fn total_mem(&self) -> f64 {
        self.total("mem")
    }

    /// All disk, volumes included, in MiB.
    pub fn total_disk(&self) -> f64 {
        self.total("disk")
    }

    /// All ports.
    pub fn total_ports(&self) -> Ranges {
        self.0.iter().filter(|entry| entry.identity.name == "ports").fold(Ranges::default(), |sum, entry| {
            match &entry.quantity {
                Quantity::Ranges(ranges) => sum.union(ranges),
                _ => sum,
            }
        })
    }

    /// Takes an amount of a scalar resource out, from the first entries that have any, with their identities. Whole
    /// things (volumes, mounted disks) are not touched. `None`, and nothing changed, when there is not enough.
    pub fn take_scalar(&mut self, name: &str, amount: f64) -> Option<Self> {
        let Quantity::Scalar(mut wanted) = Quantity::scalar(amount.max(0.0)) else { return None };
        let mut taken = Self::new();
        for entry in self.0.iter().filter(|entry| entry.identity.name == name) {
            if let Quantity::Scalar(available) = entry.quantity
                && wanted > 0
                && !identity::is_whole(&entry.identity)
            {
                let part = available.min(wanted);
                wanted -= part;
                taken.insert(Entry { identity: entry.identity.clone(), quantity: Quantity::Scalar(part) });
            }
        }
        self.take_exactly(taken, wanted == 0)
    }

    /// Takes these ports out, with their identities. `None`, and nothing changed, when one is not there.
    pub fn take_ports(&mut self, ports: &Ranges) -> Option<Self> {
        let mut missing = ports.clone();
        let mut taken = Self::new();
        for entry in self.0.iter().filter(|entry| entry.identity.name == "ports") {
            if let Quantity::Ranges(available) = &entry.quantity {
                let rest = missing.difference(available);
                let part = missing.difference(&rest);
                missing = rest;
                taken.insert(Entry { identity: entry.identity.clone(), quantity: Quantity::Ranges(part) });
            }
        }
        self.take_exactly(taken, missing.is_empty())
    }

    /// Takes the `count` lowest ports out. `None`, and nothing changed, when there are fewer.
    pub fn take_any_ports(&mut self, count: usize) -> Option<Self> {
        let ports: Ranges = self.total_ports().iter().take(count).collect();
        if ports.count() < count as u64 {
            return None;
        }
        self.take_ports(&ports)
    }

    fn take_exactly(&mut self, taken: Self, complete: bool) -> Option<Self> {
        let left = complete.then(|| self.checked_sub(&taken)).flatten()?;
        *self = left;
        Some(taken)
    }
}

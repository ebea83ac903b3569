//! Amounts of the resources that count for sharing, in thousandths.

use std::collections::BTreeMap;

/// What counts.
pub(crate) const NAMES: [&str; 4] = ["cpus", "mem", "disk", "gpus"];

/// An amount of each of [`NAMES`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amounts([i64; NAMES.len()]);

/// Thousandths of an amount; what is no amount counts as none.
// A cast of a float saturates.
pub(crate) fn thousandths(value: f64) -> i64 {
    (value * 1000.0).round() as i64
}

// No cluster has 2^53 thousandths of anything.
pub(crate) fn whole(thousandths: i64) -> f64 {
    thousandths as f64 / 1000.0
}

impl Amounts {
    pub(crate) fn of(amount: impl FnMut(&str) -> i64) -> Self {
        Self(NAMES.map(amount))
    }

    /// What is named; `otherwise` for what is not.
    pub(crate) fn named(amounts: &BTreeMap<String, f64>, otherwise: i64) -> Self {
        Self::of(|name| amounts.get(name).map_or(otherwise, |amount| thousandths(*amount)))
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.merge(other, |own, others| own.saturating_add(others));
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        self.merge(other, |own, others| own.saturating_sub(others));
    }

    /// The smaller of each.
    pub(crate) fn cap(&mut self, other: &Self) {
        self.merge(other, i64::min);
    }

    /// The larger of each.
    pub(crate) fn raise(&mut self, other: &Self) {
        self.merge(other, i64::max);
    }

    fn merge(&mut self, other: &Self, merge: impl Fn(i64, i64) -> i64) {
        for (own, others) in self.0.iter_mut().zip(other.0) {
            *own = merge(*own, others);
        }
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut i64> {
        NAMES.iter().position(|known| *known == name).map(|place| &mut self.0[place])
    }

    /// How much of this there is, as a number for people.
    pub(crate) fn get(&self, name: &str) -> f64 {
        NAMES.iter().position(|known| *known == name).map_or(0.0, |place| whole(self.0[place]))
    }

    pub(crate) fn any_positive(&self) -> bool {
        self.0.iter().any(|amount| *amount > 0)
    }

    /// The largest share of `total`.
    pub(crate) fn dominant(&self, total: &Self) -> f64 {
        let share = |(own, total): (&i64, &i64)| if *total > 0 { whole(*own) / whole(*total) } else { 0.0 };
        self.0.iter().zip(&total.0).map(share).fold(0.0, f64::max)
    }
}

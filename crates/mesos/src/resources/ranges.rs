//! Sets of whole numbers as ranges, such as the ports of an agent.

use std::fmt;

use crate::v1::value;

/// Disjoint, sorted, never adjacent: one form for each set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// From inclusive `(begin, end)` pairs in any order; pairs may overlap, empty ones (`end < begin`) are dropped.
    pub fn new(pairs: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().filter(|(begin, end)| begin <= end).collect();
        pairs.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(pairs.len());
        for (begin, end) in pairs {
            match merged.last_mut() {
                Some(last) if begin <= last.1.saturating_add(1) => last.1 = last.1.max(end),
                _ => merged.push((begin, end)),
            }
        }
        Self(merged)
    }

    /// The pairs, inclusive, sorted.
    pub fn pairs(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// How many numbers there are.
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0u64, |sum, (begin, end)| sum.saturating_add((end - begin).saturating_add(1)))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every number, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|&(begin, end)| begin..=end)
    }

    /// Whether all of `other` is in here.
    pub fn contains(&self, other: &Self) -> bool {
        other.0.iter().all(|&(begin, end)| self.0.iter().any(|&(first, last)| first <= begin && end <= last))
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::new(self.0.iter().chain(&other.0).copied())
    }

    /// What is in here but not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut rest = self.0.clone();
        for &(begin, end) in &other.0 {
            rest = rest.into_iter().flat_map(|pair| cut(pair, begin, end)).flatten().collect();
        }
        Self(rest)
    }

    /// Whether they share a number.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.difference(other) != *self
    }
}

/// What is left of a range on either side of `begin..=end`.
fn cut((first, last): (u64, u64), begin: u64, end: u64) -> [Option<(u64, u64)>; 2] {
    if end < first || last < begin {
        return [Some((first, last)), None];
    }
    [(first < begin).then(|| (first, begin - 1)), (end < last).then(|| (end + 1, last))]
}

impl FromIterator<u64> for Ranges {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        Self::new(numbers.into_iter().map(|number| (number, number)))
    }
}

impl From<&value::Ranges> for Ranges {
    fn from(ranges: &value::Ranges) -> Self {
        Self::new(ranges.range.iter().map(|range| (range.begin, range.end)))
    }
}

impl From<&Ranges> for value::Ranges {
    fn from(ranges: &Ranges) -> Self {
        Self { range: ranges.0.iter().map(|&(begin, end)| value::Range { begin, end }).collect() }
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[")?;
        for (index, (begin, end)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma}{begin}-{end}")?;
        }
        out.write_str("]")
    }
}

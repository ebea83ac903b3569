//! Resources from and to messages; sums and comparison.

use std::ops::{Add, AddAssign};

use super::{Entry, Resources};
use crate::v1::Resource;

impl PartialEq for Resources {
    /// As sets: the order of entries does not matter.
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.checked_sub(other).is_some_and(|left| left.is_empty())
    }
}

impl FromIterator<Resource> for Resources {
    fn from_iter<I: IntoIterator<Item = Resource>>(resources: I) -> Self {
        let mut sum = Self::new();
        resources.into_iter().filter_map(|resource| Entry::of(&resource).ok()).for_each(|e| sum.insert(e));
        sum
    }
}

impl From<&[Resource]> for Resources {
    fn from(resources: &[Resource]) -> Self {
        resources.iter().cloned().collect()
    }
}

impl From<&Vec<Resource>> for Resources {
    fn from(resources: &Vec<Resource>) -> Self {
        resources.as_slice().into()
    }
}

impl From<Vec<Resource>> for Resources {
    fn from(resources: Vec<Resource>) -> Self {
        resources.into_iter().collect()
    }
}

impl From<Resources> for Vec<Resource> {
    fn from(resources: Resources) -> Self {
        resources.to_vec()
    }
}

impl AddAssign<&Resources> for Resources {
    fn add_assign(&mut self, other: &Resources) {
        other.0.iter().cloned().for_each(|entry| self.insert(entry));
    }
}

impl AddAssign for Resources {
    fn add_assign(&mut self, other: Resources) {
        other.0.into_iter().for_each(|entry| self.insert(entry));
    }
}

impl Add for Resources {
    type Output = Resources;
    fn add(mut self, other: Resources) -> Resources {
        self += other;
        self
    }
}

impl Add<&Resources> for Resources {
    type Output = Resources;
    fn add(mut self, other: &Resources) -> Resources {
        self += other;
        self
    }
}

impl std::iter::Sum for Resources {
    fn sum<I: Iterator<Item = Resources>>(parts: I) -> Self {
        parts.fold(Self::new(), Add::add)
    }
}

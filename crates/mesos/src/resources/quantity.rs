//! How much there is of a resource: exact arithmetic on the three kinds of values.

use std::collections::BTreeSet;
use std::fmt;

use super::{Ranges, ResourceError};
use crate::v1::{Resource, value};

/// Mesos counts scalars to three decimals.
const PER_UNIT: f64 = 1000.0;

/// An amount; scalars in thousandths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Quantity {
    Scalar(i64),
    Ranges(Ranges),
    Set(BTreeSet<String>),
}

impl Quantity {
    /// Rounds to three decimals.
    pub(crate) fn scalar(amount: f64) -> Self {
        Self::Scalar((amount * PER_UNIT).round() as i64)
    }

    pub(crate) fn of(resource: &Resource) -> Result<Self, ResourceError> {
        let missing = || ResourceError::NoValue(resource.name.clone());
        match resource.r#type() {
            value::Type::Scalar => {
                let amount = resource.scalar.as_ref().ok_or_else(missing)?.value;
                let in_reach = amount >= 0.0 && amount * PER_UNIT <= i64::MAX as f64;
                in_reach
                    .then(|| Self::scalar(amount))
                    .ok_or_else(|| ResourceError::BadScalar { name: resource.name.clone(), amount })
            }
            value::Type::Ranges => {
                let ranges = resource.ranges.as_ref().ok_or_else(missing)?;
                match ranges.range.iter().find(|range| range.begin > range.end) {
                    Some(bad) => Err(ResourceError::BadRange {
                        name: resource.name.clone(),
                        begin: bad.begin,
                        end: bad.end,
                    }),
                    None => Ok(Self::Ranges(ranges.into())),
                }
            }
            value::Type::Set => {
                Ok(Self::Set(resource.set.as_ref().ok_or_else(missing)?.item.iter().cloned().collect()))
            }
            value::Type::Text => Err(ResourceError::Text(resource.name.clone())),
        }
    }

    pub(crate) fn put_into(&self, resource: &mut Resource) {
        let kind = match self {
            Self::Scalar(_) => value::Type::Scalar,
            Self::Ranges(_) => value::Type::Ranges,
            Self::Set(_) => value::Type::Set,
        };
        resource.set_type(kind);
        resource.scalar = None;
        resource.ranges = None;
        resource.set = None;
        match self {
            Self::Scalar(milli) => resource.scalar = Some(value::Scalar { value: to_units(*milli) }),
            Self::Ranges(ranges) => resource.ranges = Some(ranges.into()),
            Self::Set(items) => resource.set = Some(value::Set { item: items.iter().cloned().collect() }),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Scalar(milli) => *milli == 0,
            Self::Ranges(ranges) => ranges.is_empty(),
            Self::Set(items) => items.is_empty(),
        }
    }

    pub(crate) fn same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Amounts of different kinds do not add; callers ask [`Self::same_kind`] first.
    pub(crate) fn add(&mut self, other: &Self) {
        match (self, other) {
            (Self::Scalar(mine), Self::Scalar(theirs)) => *mine = mine.saturating_add(*theirs),
            (Self::Ranges(mine), Self::Ranges(theirs)) => *mine = mine.union(theirs),
            (Self::Set(mine), Self::Set(theirs)) => mine.extend(theirs.iter().cloned()),
            _ => {}
        }
    }

    pub(crate) fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scalar(mine), Self::Scalar(theirs)) => mine >= theirs,
            (Self::Ranges(mine), Self::Ranges(theirs)) => mine.contains(theirs),
            (Self::Set(mine), Self::Set(theirs)) => mine.is_superset(theirs),
            _ => false,
        }
    }

    /// What is left; `None` unless all of `other` is in here.
    pub(crate) fn checked_sub(&self, other: &Self) -> Option<Self> {
        if !self.contains(other) {
            return None;
        }
        match (self, other) {
            (Self::Scalar(mine), Self::Scalar(theirs)) => Some(Self::Scalar(mine - theirs)),
            (Self::Ranges(mine), Self::Ranges(theirs)) => Some(Self::Ranges(mine.difference(theirs))),
            (Self::Set(mine), Self::Set(theirs)) => Some(Self::Set(mine - theirs)),
            _ => None,
        }
    }
}

/// Thousandths as the double that Mesos writes for them.
pub(crate) fn to_units(milli: i64) -> f64 {
    milli as f64 / PER_UNIT
}

impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(milli) => write!(out, "{}", to_units(*milli)),
            Self::Ranges(ranges) => write!(out, "{ranges}"),
            Self::Set(items) => {
                write!(out, "{{{}}}", items.iter().map(String::as_str).collect::<Vec<_>>().join(","))
            }
        }
    }
}

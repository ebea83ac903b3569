//! Arithmetic on resources: what an offer holds, what a task takes of it, what is left.

mod change;
mod convert;
mod identity;
mod quantity;
mod ranges;
mod take;
mod text;

pub use self::ranges::Ranges;
pub use self::text::{format_attributes, parse_attributes};

use std::sync::Arc;

use self::quantity::Quantity;
use crate::v1::Resource;

/// A resource that makes no sense, or a text that is none.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ResourceError {
    /// The value that the type calls for is absent.
    #[error("resource {0:?} has no value of its type")]
    NoValue(String),
    /// Negative, not a number, or beyond what can be counted.
    #[error("resource {name:?} has the amount {amount}; it must be a number from 0 up")]
    BadScalar {
        /// The resource.
        name: String,
        /// Its amount.
        amount: f64,
    },
    /// The end lies before the begin.
    #[error("resource {name:?} has the range {begin}-{end}, which ends before it begins")]
    BadRange {
        /// The resource.
        name: String,
        /// First number.
        begin: u64,
        /// Last number.
        end: u64,
    },
    /// Text is for attributes only.
    #[error("resource {0:?} is text; resources are scalars, ranges or sets")]
    Text(String),
    /// A piece of the textual form that cannot be read.
    #[error("cannot read {piece:?}: {reason} (write for example cpus:4;mem:8192;ports:[31000-31999])")]
    Syntax {
        /// As written.
        piece: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Whether a resource makes sense. Servers ask before they believe a call.
///
/// # Errors
/// It has no value of its type, or one that cannot be: below zero, or a range that ends before it begins.
pub fn validate(resource: &Resource) -> Result<(), ResourceError> {
    Quantity::of(resource).map(|_| ())
}

/// A set of resources. Amounts of the same identity — name, reservations with labels, disk, allocation, provider,
/// shared, revocable — are one entry; scalars are exact to three decimals. Volumes and mounted disks are kept apart
/// and come and go whole.
///
/// Resources from before reservation refinement (`role`, `reservation`) are brought into the newer form. Like Mesos,
/// building from messages leaves out what is empty or does not [`validate`].
#[derive(Debug, Clone, Default)]
pub struct Resources(Vec<Entry>);

#[derive(Debug, Clone)]
struct Entry {
    /// The resource without its amount. What is copied, taken or left of it shares it: it is large, and few are different.
    identity: Arc<Resource>,
    quantity: Quantity,
}

impl Entry {
    fn of(resource: &Resource) -> Result<Self, ResourceError> {
        let quantity = Quantity::of(resource)?;
        let mut identity = identity::strip(resource);
        identity::normalize(&mut identity);
        Ok(Self { identity: Arc::new(identity), quantity })
    }

    fn resource(&self) -> Resource {
        let mut resource = Resource::clone(&self.identity);
        self.quantity.put_into(&mut resource);
        resource
    }

    fn matches(&self, other: &Self) -> bool {
        let same =
            Arc::ptr_eq(&self.identity, &other.identity) || identity::same(&self.identity, &other.identity);
        same && self.quantity.same_kind(&other.quantity)
    }
}

impl Resources {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// An amount of a scalar resource, rounded to three decimals; nothing when it is not positive.
    pub fn scalar(name: &str, amount: f64) -> Self {
        Self::named(name, &Quantity::scalar(amount.max(0.0)))
    }

    /// CPUs, in cores.
    pub fn cpus(cores: f64) -> Self {
        Self::scalar("cpus", cores)
    }

    /// Memory, in MiB.
    pub fn mem(mebibytes: f64) -> Self {
        Self::scalar("mem", mebibytes)
    }

    /// Disk, in MiB.
    pub fn disk(mebibytes: f64) -> Self {
        Self::scalar("disk", mebibytes)
    }

    /// Single ports.
    pub fn ports(ports: &[u16]) -> Self {
        Self::port_ranges(ports.iter().map(|&port| u64::from(port)).collect())
    }

    /// Ports as ranges.
    pub fn port_ranges(ranges: Ranges) -> Self {
        Self::named("ports", &Quantity::Ranges(ranges))
    }

    fn named(name: &str, quantity: &Quantity) -> Self {
        let mut resource = Resource { name: name.to_owned(), ..Default::default() };
        quantity.put_into(&mut resource);
        std::iter::once(resource).collect()
    }

    /// The resources as messages.
    pub fn to_vec(&self) -> Vec<Resource> {
        self.0.iter().map(Entry::resource).collect()
    }

    /// The resources as messages, one by one.
    pub fn iter(&self) -> impl Iterator<Item = Resource> + '_ {
        self.0.iter().map(Entry::resource)
    }

    /// The resources without their amounts.
    pub fn identities(&self) -> impl Iterator<Item = &Resource> {
        self.0.iter().map(|entry| &*entry.identity)
    }

    /// The scalars without their amounts, and how many thousandths there are of each.
    pub fn scalars(&self) -> impl Iterator<Item = (&Resource, i64)> {
        self.0.iter().filter_map(|entry| match entry.quantity {
            Quantity::Scalar(thousandths) => Some((&*entry.identity, thousandths)),
            Quantity::Ranges(_) | Quantity::Set(_) => None,
        })
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all of `other` is in here, each with its identity.
    pub fn contains(&self, other: &Self) -> bool {
        if other.0.iter().any(|entry| identity::is_whole(&entry.identity)) {
            // Several entries may be alike, and each has to be there.
            return self.checked_sub(other).is_some();
        }
        let has = |mine: &Entry, entry: &Entry| mine.quantity.contains(&entry.quantity);
        other
            .0
            .iter()
            .all(|entry| self.0.iter().find(|mine| mine.matches(entry)).is_some_and(|mine| has(mine, entry)))
    }

    /// What is left when all of `other` is taken away; `None` when it is not all there.
    #[must_use]
    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        let mut left = self.clone();
        other.0.iter().all(|entry| left.remove(entry)).then_some(left)
    }

    /// Those that `keep` says yes to.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&Resource) -> bool) -> Self {
        Self(self.0.iter().filter(|entry| keep(&entry.resource())).cloned().collect())
    }

    /// Those that are reserved for nobody.
    #[must_use]
    pub fn only_unreserved(&self) -> Self {
        self.filter(|resource| resource.reservations.is_empty())
    }

    /// Those whose innermost reservation is for `role`.
    #[must_use]
    pub fn only_reserved(&self, role: &str) -> Self {
        self.filter(|resource| resource.reservations.last().is_some_and(|last| last.role() == role))
    }

    /// Those that are persistent volumes.
    #[must_use]
    pub fn only_volumes(&self) -> Self {
        self.filter(|resource| persistence_id(resource).is_some())
    }

    fn insert(&mut self, entry: Entry) {
        if entry.quantity.is_empty() {
            return;
        }
        let whole = identity::is_whole(&entry.identity);
        match self.0.iter_mut().find(|mine| !whole && mine.matches(&entry)) {
            Some(mine) => mine.quantity.add(&entry.quantity),
            None => self.0.push(entry),
        }
    }

    fn remove(&mut self, entry: &Entry) -> bool {
        let whole = identity::is_whole(&entry.identity);
        let found =
            self.0.iter().position(|mine| mine.matches(entry) && (!whole || mine.quantity == entry.quantity));
        let Some(index) = found else { return false };
        let Some(left) = self.0[index].quantity.checked_sub(&entry.quantity) else { return false };
        if left.is_empty() {
            self.0.swap_remove(index);
        } else {
            self.0[index].quantity = left;
        }
        true
    }
}

/// The id of a persistent volume.
pub fn persistence_id(resource: &Resource) -> Option<&str> {
    resource.disk.as_ref()?.persistence.as_ref().map(|persistence| persistence.id.as_str())
}

#[cfg(test)]
mod tests;

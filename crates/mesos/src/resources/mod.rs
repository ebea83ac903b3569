//! Arithmetic on resources: what an offer holds, what a task takes of it, what is left.

mod identity;
mod quantity;
mod ranges;
mod text;

use std::ops::{Add, AddAssign};

pub use self::ranges::Ranges;
pub use self::text::{format_attributes, parse_attributes};

use self::quantity::{Quantity, to_units};
use crate::v1::resource::{AllocationInfo, DiskInfo, ReservationInfo, disk_info, reservation_info};
use crate::v1::{Labels, Resource, Volume, volume};

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
    /// The resource without its amount.
    identity: Resource,
    quantity: Quantity,
}

impl Entry {
    fn of(resource: &Resource) -> Result<Self, ResourceError> {
        let quantity = Quantity::of(resource)?;
        let mut identity = identity::strip(resource);
        identity::normalize(&mut identity);
        Ok(Self { identity, quantity })
    }

    fn resource(&self) -> Resource {
        let mut resource = self.identity.clone();
        self.quantity.put_into(&mut resource);
        resource
    }

    fn matches(&self, other: &Self) -> bool {
        self.quantity.same_kind(&other.quantity) && identity::same(&self.identity, &other.identity)
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

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all of `other` is in here, each with its identity.
    pub fn contains(&self, other: &Self) -> bool {
        self.checked_sub(other).is_some()
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

    /// The same resources with one more dynamic reservation.
    #[must_use]
    pub fn reserved(&self, role: &str, principal: Option<&str>, labels: Option<Labels>) -> Self {
        let mut reservation = ReservationInfo {
            principal: principal.map(str::to_owned),
            labels,
            role: Some(role.to_owned()),
            ..Default::default()
        };
        reservation.set_type(reservation_info::Type::Dynamic);
        self.map(|resource| resource.reservations.push(reservation.clone()))
    }

    /// The same resources with their innermost reservation taken off.
    #[must_use]
    pub fn unreserved(&self) -> Self {
        self.map(|resource| drop(resource.reservations.pop()))
    }

    /// The same resources as allocated to `role`, as they stand in offers and tasks.
    #[must_use]
    pub fn allocated(&self, role: &str) -> Self {
        self.map(|resource| resource.allocation_info = Some(AllocationInfo { role: Some(role.to_owned()) }))
    }

    /// The same resources as an agent holds them.
    #[must_use]
    pub fn unallocated(&self) -> Self {
        self.map(|resource| resource.allocation_info = None)
    }

    /// The disks among these as one persistent volume each, mounted read-write at `container_path`, which is relative
    /// to the sandbox. What is not disk stays as it is.
    #[must_use]
    pub fn as_volume(&self, id: &str, principal: Option<&str>, container_path: &str) -> Self {
        self.map(|resource| {
            if resource.name == "disk" {
                let mut volume = Volume { container_path: container_path.to_owned(), ..Default::default() };
                volume.set_mode(volume::Mode::Rw);
                let persistence =
                    disk_info::Persistence { id: id.to_owned(), principal: principal.map(str::to_owned) };
                let source = resource.disk.take().and_then(|disk| disk.source);
                resource.disk =
                    Some(DiskInfo { persistence: Some(persistence), volume: Some(volume), source });
            }
        })
    }

    /// The volumes among these as the plain disks they were made from.
    #[must_use]
    pub fn without_volume(&self) -> Self {
        self.map(|resource| {
            resource.disk = resource
                .disk
                .take()
                .and_then(|disk| disk.source)
                .map(|source| DiskInfo { source: Some(source), ..Default::default() });
        })
    }

    fn map(&self, mut change: impl FnMut(&mut Resource)) -> Self {
        let mut changed = Self::new();
        for entry in &self.0 {
            let mut entry = entry.clone();
            change(&mut entry.identity);
            changed.insert(entry);
        }
        changed
    }

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

#[cfg(test)]
mod tests;

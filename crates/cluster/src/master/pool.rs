//! Resources as the master counts them.

use std::fmt;

use cairn_mesos::resources::{Ranges, Resources, persistence_id};
use cairn_mesos::v1::Resource;
use cairn_mesos::v1::resource::reservation_info::Type as Reservation;
use cairn_mesos::v1::resource::{AllocationInfo, ReservationInfo};

use super::allocator::{Amounts, thousandths, whole};

use super::operations::{is_volume, without_volume};

/// A set of resources, with or without allocation.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Pool(Resources);

impl Pool {
    pub(crate) fn from_list(resources: Vec<Resource>) -> Self {
        Self(resources.into())
    }

    /// The resources without their allocation.
    pub(crate) fn unallocated_from(resources: Vec<Resource>) -> Self {
        Self(Resources::from(resources).unallocated())
    }

    pub(crate) fn list(&self) -> Vec<Resource> {
        self.0.to_vec()
    }

    /// The resources as they are shown to whom they are allocated in this role.
    pub(crate) fn list_allocated_to(&self, role: &str) -> Vec<Resource> {
        let info = AllocationInfo { role: Some(role.to_owned()) };
        self.0.iter().map(|resource| Resource { allocation_info: Some(info.clone()), ..resource }).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Resource> + '_ {
        self.0.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.0 += &other.0;
    }

    /// Take away what there is of `other`. What is missing is passed over: an agent may come back with less than
    /// it had, and its tasks count all the same.
    pub(crate) fn subtract(&mut self, other: &Self) {
        *self = self.without(other);
    }

    /// What is left when `other` is taken away.
    pub(crate) fn without(&self, other: &Self) -> Self {
        self.0.checked_sub(&other.0).map_or_else(
            || {
                let mut left = self.clone();
                left.take_one_by_one(other);
                left
            },
            Self,
        )
    }

    /// Take away what there is of `other`; what has been taken away.
    pub(crate) fn take(&mut self, other: &Self) -> Self {
        if let Some(left) = self.0.checked_sub(&other.0) {
            self.0 = left;
            return other.clone();
        }
        self.take_one_by_one(other)
    }

    fn take_one_by_one(&mut self, other: &Self) -> Self {
        let mut taken = Resources::new();
        for resource in other.0.iter() {
            let one = Resources::from(vec![resource]);
            if let Some(left) = self.0.checked_sub(&one) {
                self.0 = left;
                taken += one;
            }
        }
        Self(taken)
    }

    pub(crate) fn contains(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }

    pub(crate) fn allocated_to(&self, role: &str) -> Self {
        Self(self.0.allocated(role))
    }

    pub(crate) fn unallocated(&self) -> Self {
        Self(self.0.unallocated())
    }

    /// What a framework in this role may be offered: what is reserved for nobody, for the role, or for a role
    /// above it.
    pub(crate) fn available_to(&self, role: &str) -> Self {
        Self(self.0.filter(|resource| match resource.reservations.last() {
            None => true,
            Some(reservation) => covers(reservation.role(), role),
        }))
    }

    /// What there is, whoever it is reserved for and whatever volumes are on it.
    pub(crate) fn bare(&self) -> Self {
        let bare = |resource: Resource| Resource {
            reservations: Vec::new(),
            allocation_info: None,
            ..without_volume(&resource)
        };
        Self(Resources::from(self.0.iter().map(bare).collect::<Vec<_>>()))
    }

    /// The volumes that `other` does not have.
    pub(crate) fn volumes_missing_in(&self, other: &Self) -> Vec<Resource> {
        let missing = |volume: &Resource| {
            is_volume(volume) && !other.contains(&Self(Resources::from(vec![volume.clone()])))
        };
        self.0.iter().filter(missing).collect()
    }

    pub(crate) fn has_reserved(&self) -> bool {
        self.0.identities().any(|resource| !resource.reservations.is_empty())
    }

    /// How much of a scalar there is in all.
    pub(crate) fn scalar(&self, name: &str) -> f64 {
        self.0.total(name)
    }

    /// What counts for shares.
    pub(crate) fn amounts(&self) -> Amounts {
        self.sum(|_| true)
    }

    /// The same, of what is reserved for nobody.
    pub(crate) fn unreserved_amounts(&self) -> Amounts {
        self.sum(|resource| resource.reservations.is_empty())
    }

    fn sum(&self, counts: impl Fn(&Resource) -> bool) -> Amounts {
        let mut sum = Amounts::default();
        for (resource, amount) in self.0.scalars().filter(|(resource, _)| counts(resource)) {
            if let Some(own) = sum.get_mut(&resource.name) {
                *own += amount;
            }
        }
        sum
    }

    /// What counts for shares, for each role it is allocated to.
    pub(crate) fn amounts_by_role(&self) -> Vec<(String, Amounts)> {
        self.grouped(|resource| resource.allocation_info.as_ref().map(AllocationInfo::role))
    }

    /// What counts for shares, for each role it is reserved for.
    pub(crate) fn reserved_roles(&self) -> Vec<(String, Amounts)> {
        self.grouped(|resource| resource.reservations.last().map(ReservationInfo::role))
    }

    fn grouped<'a>(&'a self, role: impl Fn(&'a Resource) -> Option<&'a str>) -> Vec<(String, Amounts)> {
        let mut sums: Vec<(String, Amounts)> = Vec::new();
        for (resource, amount) in self.0.scalars() {
            let Some(role) = role(resource) else { continue };
            let place = sums.iter().position(|(known, _)| known == role).unwrap_or_else(|| {
                sums.push((role.to_owned(), Amounts::default()));
                sums.len() - 1
            });
            if let Some(sum) = sums[place].1.get_mut(&resource.name) {
                *sum += amount;
            }
        }
        sums
    }

    /// This, with no more of what is reserved for nobody than `allowed`.
    pub(crate) fn limited(&self, mut allowed: Amounts) -> Self {
        let mut limited = Vec::new();
        for mut resource in self.0.iter() {
            if let (Some(scalar), Some(left), true) =
                (&mut resource.scalar, allowed.get_mut(&resource.name), resource.reservations.is_empty())
            {
                let amount = thousandths(scalar.value).min(*left);
                *left -= amount;
                scalar.value = whole(amount);
                if amount <= 0 {
                    continue;
                }
            }
            limited.push(resource);
        }
        Self::from_list(limited)
    }
}

/// Whether a reservation for `owner` serves `role`: the same role or one below it.
fn covers(owner: &str, role: &str) -> bool {
    role == owner || role.strip_prefix(owner).is_some_and(|rest| rest.starts_with('/'))
}

impl fmt::Display for Pool {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, resource) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(out, "{separator}{}", describe(&resource))?;
        }
        Ok(())
    }
}

/// A resource as Apache Mesos writes it in messages: `cpus(allocated: r)(reservations: [(DYNAMIC,r,p)]):1`.
pub(crate) fn describe(resource: &Resource) -> String {
    let mut text = resource.name.clone();
    if let Some(info) = &resource.allocation_info {
        text.push_str(&format!("(allocated: {})", info.role()));
    }
    if !resource.reservations.is_empty() {
        let stack: Vec<String> = resource.reservations.iter().map(describe_reservation).collect();
        text.push_str(&format!("(reservations: [{}])", stack.join(",")));
    }
    if let Some(id) = persistence_id(resource) {
        let volume = resource.disk.as_ref().and_then(|disk| disk.volume.as_ref());
        let path = volume.map(|volume| format!(":{}", volume.container_path)).unwrap_or_default();
        text.push_str(&format!("[{id}{path}]"));
    }
    text.push(':');
    if let Some(scalar) = &resource.scalar {
        text.push_str(&format!("{}", (scalar.value * 1000.0).round() / 1000.0));
    }
    if let Some(ranges) = &resource.ranges {
        text.push_str(&Ranges::from(ranges).to_string());
    }
    if let Some(set) = &resource.set {
        text.push_str(&format!("{{{}}}", set.item.join(", ")));
    }
    text
}

fn describe_reservation(reservation: &ReservationInfo) -> String {
    let kind = reservation.r#type.and_then(|kind| Reservation::try_from(kind).ok()).unwrap_or_default();
    let mut text = format!("({},{}", kind.as_str_name(), reservation.role());
    if let Some(principal) = &reservation.principal {
        text.push_str(&format!(",{principal}"));
    }
    if let Some(labels) = &reservation.labels {
        let pairs: Vec<String> =
            labels.labels.iter().map(|label| format!("{}: {}", label.key, label.value())).collect();
        text.push_str(&format!(",{{{}}}", pairs.join(", ")));
    }
    text.push(')');
    text
}

//! Resources as the master counts them.

use std::collections::BTreeMap;
use std::fmt;

use cairn_mesos::resources::{Ranges, Resources, persistence_id};
use cairn_mesos::v1::Resource;
use cairn_mesos::v1::resource::ReservationInfo;
use cairn_mesos::v1::resource::reservation_info::Type as Reservation;

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
        if let Some(left) = self.0.checked_sub(&other.0) {
            self.0 = left;
            return;
        }
        for resource in other.0.iter() {
            if let Some(left) = self.0.checked_sub(&Resources::from(vec![resource])) {
                self.0 = left;
            }
        }
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

    pub(crate) fn has_reserved(&self) -> bool {
        self.0.iter().any(|resource| !resource.reservations.is_empty())
    }

    /// How much of a scalar there is in all.
    pub(crate) fn scalar(&self, name: &str) -> f64 {
        self.0.total(name)
    }

    /// The amounts of these scalars for each role they are allocated to.
    pub(crate) fn scalars_by_role<const N: usize>(&self, names: [&str; N]) -> BTreeMap<String, [f64; N]> {
        let mut sums: BTreeMap<String, [f64; N]> = BTreeMap::new();
        for resource in self.0.iter() {
            let role =
                resource.allocation_info.as_ref().map(|info| info.role().to_owned()).unwrap_or_default();
            let place = names.iter().position(|name| *name == resource.name);
            if let (Some(place), Some(scalar)) = (place, &resource.scalar) {
                sums.entry(role).or_insert([0.0; N])[place] += scalar.value;
            }
        }
        sums
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

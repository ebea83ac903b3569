//! What makes two resources the same kind of thing, so that their amounts may be added.

use crate::v1::resource::reservation_info;
use crate::v1::{Labels, Resource, resource::ReservationInfo};

/// Brings the form from before reservation refinement (`role`, `reservation`) into the one since (`reservations`).
pub(crate) fn normalize(resource: &mut Resource) {
    let role = resource.role.take().filter(|role| role != "*");
    let dynamic = resource.reservation.take();
    if !resource.reservations.is_empty() {
        return;
    }
    match (role, dynamic) {
        (Some(role), Some(mut reservation)) => {
            reservation.role = Some(role);
            reservation.set_type(reservation_info::Type::Dynamic);
            resource.reservations = vec![reservation];
        }
        (Some(role), None) => {
            let mut reservation = ReservationInfo { role: Some(role), ..Default::default() };
            reservation.set_type(reservation_info::Type::Static);
            resource.reservations = vec![reservation];
        }
        (None, _) => {}
    }
}

/// A copy without its amount.
pub(crate) fn strip(resource: &Resource) -> Resource {
    Resource { scalar: None, ranges: None, set: None, ..resource.clone() }
}

/// Whether two stripped resources differ in nothing but how much there is of them.
pub(crate) fn same(a: &Resource, b: &Resource) -> bool {
    a.name == b.name
        && a.r#type == b.r#type
        && a.allocation_info == b.allocation_info
        && a.provider_id == b.provider_id
        && a.disk == b.disk
        && a.shared.is_some() == b.shared.is_some()
        && a.revocable.is_some() == b.revocable.is_some()
        && a.reservations.len() == b.reservations.len()
        && a.reservations.iter().zip(&b.reservations).all(|(a, b)| same_reservation(a, b))
}

/// Volumes, mounted disks and shared resources are things, not amounts: they neither merge nor come in parts.
pub(crate) fn is_whole(resource: &Resource) -> bool {
    use crate::v1::resource::disk_info::source::Type;
    let disk = resource.disk.as_ref();
    let mounted = disk
        .and_then(|disk| disk.source.as_ref())
        .is_some_and(|source| matches!(source.r#type(), Type::Mount | Type::Block) || source.id.is_some());
    resource.shared.is_some() || mounted || disk.is_some_and(|disk| disk.persistence.is_some())
}

fn same_reservation(a: &ReservationInfo, b: &ReservationInfo) -> bool {
    a.role == b.role
        && a.r#type == b.r#type
        && a.principal == b.principal
        && same_labels(a.labels.as_ref(), b.labels.as_ref())
}

/// The order of labels does not matter.
fn same_labels(a: Option<&Labels>, b: Option<&Labels>) -> bool {
    let sorted = |labels: Option<&Labels>| {
        let mut pairs: Vec<_> = labels
            .iter()
            .flat_map(|labels| &labels.labels)
            .map(|label| (label.key.clone(), label.value.clone()))
            .collect();
        pairs.sort();
        pairs
    };
    a == b || sorted(a) == sorted(b)
}

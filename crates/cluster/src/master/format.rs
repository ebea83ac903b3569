//! The two forms of reservations, and which one a framework reads.
//!
//! Inside, a reservation is a stack (`Resource.reservations`). Frameworks without RESERVATION_REFINEMENT use
//! `role` and `reservation`; frameworks without MULTI_ROLE do not know `allocation_info`.

use cairn_mesos::v1::FrameworkInfo;
use cairn_mesos::v1::Resource;
use cairn_mesos::v1::framework_info::capability::Type as Capability;
use cairn_mesos::v1::resource::ReservationInfo;
use cairn_mesos::v1::resource::reservation_info::Type as Reservation;

use super::framework::has_capability;

/// The older form turned into the stack; the newer is left as it is.
pub(crate) fn refined(resources: Vec<Resource>) -> Vec<Resource> {
    resources.into_iter().map(refined_one).collect()
}

fn refined_one(mut resource: Resource) -> Resource {
    let role = resource.role.take();
    let reservation = resource.reservation.take();
    if !resource.reservations.is_empty() {
        return resource;
    }
    let Some(role) = role.filter(|role| role != "*") else { return resource };
    let kind = if reservation.is_some() { Reservation::Dynamic } else { Reservation::Static };
    let base = reservation.unwrap_or_default();
    resource.reservations = vec![ReservationInfo { role: Some(role), r#type: Some(kind as i32), ..base }];
    resource
}

/// Resources as this framework reads them.
pub(crate) fn for_framework(info: &FrameworkInfo, resources: Vec<Resource>) -> Vec<Resource> {
    let refinement = has_capability(info, Capability::ReservationRefinement);
    let multi_role = has_capability(info, Capability::MultiRole);
    resources
        .into_iter()
        .map(|resource| {
            let mut resource = if refinement { resource } else { unrefined(resource) };
            if !multi_role {
                resource.allocation_info = None;
            }
            resource
        })
        .collect()
}

/// The older form. A refined reservation cannot be said in it and stays a stack.
pub(crate) fn unrefined(mut resource: Resource) -> Resource {
    match resource.reservations.as_slice() {
        [] => resource.role = Some("*".to_owned()),
        [only] => {
            resource.role.clone_from(&only.role);
            if only.r#type == Some(Reservation::Dynamic as i32) {
                resource.reservation = Some(ReservationInfo { role: None, r#type: None, ..only.clone() });
            }
            resource.reservations.clear();
        }
        _ => {}
    }
    resource
}

/// Both forms where the older can say it, as operators are shown them: tools read either.
pub(crate) fn both(resources: Vec<Resource>) -> Vec<Resource> {
    let both = |resource: Resource| {
        let older = unrefined(resource.clone());
        Resource { role: older.role, reservation: older.reservation, ..resource }
    };
    resources.into_iter().map(both).collect()
}

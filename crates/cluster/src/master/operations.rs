//! Reservations and volumes: what an operation takes from an offer and what it puts there instead.

use cairn_mesos::v1::Resource;
use cairn_mesos::v1::offer::Operation;
use cairn_mesos::v1::offer::operation::Type;
use cairn_mesos::v1::resource::ReservationInfo;
use cairn_mesos::v1::resource::reservation_info::Type as Reservation;

use super::format;
use super::pool::Pool;

/// On whose behalf an operation is done.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Author<'a> {
    /// A framework, with what it was offered.
    Framework {
        /// The role the offer was for.
        role: &'a str,
        principal: Option<&'a str>,
    },
    /// An operator, for whichever role; by which name is known when operators have to tell it.
    Operator { principal: Option<&'a str> },
}

impl Author<'_> {
    fn principal(&self) -> Option<&str> {
        match self {
            Self::Framework { principal, .. } | Self::Operator { principal } => *principal,
        }
    }
}

/// What an operation does to resources.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Change {
    pub(crate) consumed: Pool,
    pub(crate) produced: Pool,
    /// Volumes whose data is to be deleted.
    pub(crate) destroyed: Vec<Resource>,
}

/// What the operation does, if it makes sense; whether the offer has what it needs is another question.
pub(crate) fn change(operation: &Operation, author: &Author<'_>, total: &Pool) -> Result<Change, String> {
    let kind = operation.r#type.and_then(|kind| Type::try_from(kind).ok()).unwrap_or(Type::Unknown);
    match kind {
        Type::Reserve => {
            let resources = operation.reserve.as_ref().map(|reserve| reserve.resources.as_slice());
            each(resources.unwrap_or_default(), |resource| reserve(resource, author))
        }
        Type::Unreserve => {
            let resources = operation.unreserve.as_ref().map(|unreserve| unreserve.resources.as_slice());
            each(resources.unwrap_or_default(), unreserve)
        }
        Type::Create => {
            let volumes = operation.create.as_ref().map(|create| create.volumes.as_slice());
            each(volumes.unwrap_or_default(), |volume| create(volume, author, total))
        }
        Type::Destroy => {
            let volumes = operation.destroy.as_ref().map(|destroy| destroy.volumes.as_slice());
            each(volumes.unwrap_or_default(), destroy)
        }
        other => Err(format!("Operation {} is not supported", other.as_str_name())),
    }
}

fn each(
    resources: &[Resource],
    one: impl Fn(&Resource) -> Result<(Resource, Resource, Option<Resource>), String>,
) -> Result<Change, String> {
    if resources.is_empty() {
        return Err("No resources were given".to_owned());
    }
    let mut change = Change::default();
    for resource in format::refined(resources.to_vec()) {
        let (consumed, produced, destroyed) = one(&resource)?;
        change.consumed.add(&Pool::unallocated_from(vec![consumed]));
        change.produced.add(&Pool::unallocated_from(vec![produced]));
        change.destroyed.extend(destroyed);
    }
    Ok(change)
}

fn reserve(
    resource: &Resource,
    author: &Author<'_>,
) -> Result<(Resource, Resource, Option<Resource>), String> {
    let reservation = dynamic_reservation(resource)?;
    if let Author::Framework { role, .. } = author
        && reservation.role.as_deref() != Some(*role)
    {
        return Err(format!(
            "A reserve operation was attempted for a resource with role '{}', but the framework can only reserve \
             for the role its resources are allocated to, '{}'",
            reservation.role(),
            role
        ));
    }
    check_principal("reserve", reservation.principal.as_deref(), author)?;
    if is_volume(resource) {
        return Err(format!("A persistent volume {} must already be reserved", persistence_id(resource)));
    }
    Ok((without_last_reservation(resource), resource.clone(), None))
}

fn unreserve(resource: &Resource) -> Result<(Resource, Resource, Option<Resource>), String> {
    dynamic_reservation(resource)?;
    if is_volume(resource) {
        return Err(format!(
            "A dynamically reserved persistent volume {} cannot be unreserved directly. Please destroy the \
             persistent volume first then unreserve the resource",
            persistence_id(resource)
        ));
    }
    Ok((resource.clone(), without_last_reservation(resource), None))
}

fn create(
    volume: &Resource,
    author: &Author<'_>,
    total: &Pool,
) -> Result<(Resource, Resource, Option<Resource>), String> {
    let disk = volume.disk.as_ref();
    let persistence = disk.and_then(|disk| disk.persistence.as_ref());
    let Some(persistence) = persistence else {
        return Err("Expecting 'persistence' to be set for persistent volume".to_owned());
    };
    if volume.name != "disk" {
        return Err("Only 'disk' resources can be persistent volumes".to_owned());
    }
    if volume.reservations.is_empty() {
        return Err("Persistent volumes cannot be created from unreserved resources".to_owned());
    }
    check_persistence_id(&persistence.id)?;
    let mount = disk.and_then(|disk| disk.volume.as_ref());
    if mount.is_none_or(|mount| mount.container_path.is_empty()) {
        return Err("Expecting 'volume.container_path' to be set for persistent volume".to_owned());
    }
    if mount.is_some_and(|mount| mount.host_path.is_some()) {
        return Err("Expecting 'host_path' to be unset for persistent volume".to_owned());
    }
    check_principal("create", persistence.principal.as_deref(), author)?;
    let same = |known: &Resource| is_volume(known) && persistence_id(known) == persistence.id;
    if total.iter().any(|known| same(&known) && known.reservations == volume.reservations) {
        return Err(format!("Persistence ID '{}' already exists", persistence.id));
    }
    Ok((without_volume(volume), volume.clone(), None))
}

fn destroy(volume: &Resource) -> Result<(Resource, Resource, Option<Resource>), String> {
    if !is_volume(volume) {
        return Err("Expecting 'persistence' to be set for persistent volume".to_owned());
    }
    Ok((volume.clone(), without_volume(volume), Some(volume.clone())))
}

fn dynamic_reservation(resource: &Resource) -> Result<&ReservationInfo, String> {
    match resource.reservations.last() {
        Some(last) if last.r#type == Some(Reservation::Dynamic as i32) => Ok(last),
        _ => Err(format!("Resource '{}' is not dynamically reserved", resource.name)),
    }
}

fn check_principal(verb: &str, given: Option<&str>, author: &Author<'_>) -> Result<(), String> {
    let unnamed = matches!(author, Author::Operator { principal: None });
    if unnamed || given == author.principal() {
        return Ok(());
    }
    Err(format!(
        "A {verb} operation was attempted by principal '{}', but there is a resource with principal '{}' set",
        author.principal().unwrap_or_default(),
        given.unwrap_or_default()
    ))
}

/// Persistence ids become directory names.
fn check_persistence_id(id: &str) -> Result<(), String> {
    super::task_check::check_id(id).map_err(|problem| format!("Invalid persistence ID: {problem}"))
}

pub(crate) fn is_volume(resource: &Resource) -> bool {
    resource.disk.as_ref().is_some_and(|disk| disk.persistence.is_some())
}

fn persistence_id(resource: &Resource) -> &str {
    let persistence = resource.disk.as_ref().and_then(|disk| disk.persistence.as_ref());
    persistence.map_or("", |persistence| persistence.id.as_str())
}

fn without_last_reservation(resource: &Resource) -> Resource {
    let mut plain = resource.clone();
    plain.reservations.pop();
    plain
}

/// The disk that a volume is on.
pub(crate) fn without_volume(volume: &Resource) -> Resource {
    let mut plain = volume.clone();
    plain.disk = plain.disk.and_then(|mut disk| {
        disk.persistence = None;
        disk.volume = None;
        disk.source.is_some().then_some(disk)
    });
    plain.shared = None;
    plain
}

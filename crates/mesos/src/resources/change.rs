//! The same resources under another reservation, allocation or use.

use std::sync::Arc;

use super::Resources;
use crate::v1::resource::{AllocationInfo, DiskInfo, ReservationInfo, disk_info, reservation_info};
use crate::v1::{Labels, Resource, Volume, volume};

impl Resources {
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
        if self.identities().all(|resource| resource.allocation_info.is_none()) {
            return self.clone();
        }
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
                let disk = DiskInfo { persistence: Some(persistence), volume: Some(volume), source };
                resource.disk = Some(Box::new(disk));
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
                .map(|source| Box::new(DiskInfo { source: Some(source), ..Default::default() }));
        })
    }

    fn map(&self, mut change: impl FnMut(&mut Resource)) -> Self {
        let mut changed = Self::new();
        for entry in &self.0 {
            let mut entry = entry.clone();
            change(Arc::make_mut(&mut entry.identity));
            changed.insert(entry);
        }
        changed
    }
}

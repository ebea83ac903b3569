//! The end of a run: with nothing going wrong any more, all must become as it was asked for.

use std::path::{Path, PathBuf};

use cairn_framework::core::Core;

use crate::container::Service;
use crate::service::{Kind, Shape};
use crate::world::{Happening, World};

/// How often it is looked, milliseconds.
const LOOK: u64 = 5_000;
/// How long it may take after the last fault, milliseconds.
const PATIENCE: u64 = 15 * 60_000;

impl World {
    pub(crate) fn look(&mut self) {
        if !self.luck.is_calm() {
            self.calm_down();
            self.after(LOOK, Happening::Look);
            return;
        }
        let missing: Vec<String> = match &self.stack {
            Some(stack) => self.missing_of_stack(stack),
            None => (0..self.schedulers.len()).filter_map(|index| self.missing(index)).collect(),
        };
        let mut missing: Vec<String> =
            if missing.is_empty() { self.unheard().into_iter().collect() } else { missing };
        if missing.is_empty() {
            missing = (0..self.schedulers.len()).filter_map(|index| self.still_wants_offers(index)).collect();
        }
        if missing.is_empty() {
            self.converged = true;
            return;
        }
        let since = self.now - crate::world::EPOCH - self.plan.span_ms;
        if since > PATIENCE {
            return self.violate("converges", || missing.join("; "));
        }
        if since.is_multiple_of(4 * LOOK) {
            self.insist();
        }
        self.after(LOOK, Happening::Look);
    }

    /// Why a service is not as it should be.
    fn missing(&self, index: usize) -> Option<String> {
        let scheduler = &self.schedulers[index];
        let wish = &self.operator.wishes[index];
        let Some(core) = &scheduler.core else { return Some(format!("scheduler {index} does not run")) };
        let reason = match wish.destroyed {
            Some(delete_data) => self.left_over(index, core, delete_data),
            None => self.not_served(index, core),
        };
        reason.map(|reason| format!("scheduler {index} ({}): {reason}", scheduler.name))
    }

    pub(crate) fn processes(&self, role: &str) -> Vec<&Service> {
        let containers = self.machines.iter().flat_map(|m| m.containers.values());
        containers.flat_map(|c| c.services.values()).filter(|s| s.owner.0 == role).collect()
    }

    fn not_served(&self, index: usize, core: &Core) -> Option<String> {
        let scheduler = &self.schedulers[index];
        let wish = &self.operator.wishes[index];
        let status = core.status(scheduler.clock(self.now));
        if !status.complete || status.revision != scheduler.file.revision {
            let steps = status.plan.phases.iter().flat_map(|p| &p.steps);
            let steps: Vec<String> =
                steps.map(|s| format!("{} {:?} {}", s.id, s.status, s.message)).collect();
            return Some(format!("{:?} {:?}: {}", status.health, status.plan.status, steps.join(", ")));
        }
        self.not_running(&scheduler.name, scheduler.kind, &wish.shape)
    }

    /// Why what runs of a framework is not what its configuration asks for.
    pub(crate) fn not_running(&self, role: &str, kind: Kind, shape: &Shape) -> Option<String> {
        let mut served: Vec<String> = Vec::new();
        for process in self.processes(role) {
            let is_node = process.owner.1.starts_with("node-");
            if !process.serves || is_node && process.command != shape.command() {
                return Some(format!("{:?} runs {:?}", process.owner, process.command));
            }
            served.push(process.owner.1.clone());
        }
        served.sort();
        let wanted = kind.instances(shape);
        (served != wanted).then(|| format!("{served:?} serve, {wanted:?} should"))
    }

    fn left_over(&self, index: usize, core: &Core, delete_data: bool) -> Option<String> {
        let role = &self.schedulers[index].name;
        if !core.destroyed() {
            return Some(format!("is not destroyed: {:?}", core.status(self.now).plan));
        }
        if let Some(process) = self.processes(role).first() {
            return Some(format!("{:?} still runs", process.owner));
        }
        let volume = self.volume_of(role).filter(|_| delete_data);
        volume.map(|path| format!("{} is still there", path.display()))
    }

    /// A volume of a framework that still holds data, and that somebody can know of.
    pub(crate) fn volume_of(&self, role: &str) -> Option<&PathBuf> {
        let part = |path: Option<&Path>| path?.file_name()?.to_str().map(str::to_owned);
        let mut volumes = self.machines.iter().flat_map(|m| &m.volumes);
        volumes.find(|path| {
            let left_behind = part(Some(path)).is_some_and(|id| self.ledger.is_left_behind(&id));
            part(path.parent()).is_some_and(|name| name == role) && !left_behind
        })
    }
}

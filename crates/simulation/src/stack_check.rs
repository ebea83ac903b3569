//! The controller's invariants, held against what its store says and what it does to its child schedulers.

use std::collections::BTreeSet;

use cairn_framework::store::Change;
use serde_json::Value;

use crate::controller::CONTROLLER;
use crate::ledger::Known;
use crate::machine::Machine;
use crate::stack::STACK;
use crate::standing::Standing;
use crate::world::World;

/// The stack as the controller's store has it.
pub(crate) struct Stored<'a>(&'a Value);

impl<'a> Stored<'a> {
    pub(crate) fn of(target: Option<&'a Value>) -> Self {
        Self(target.map_or(&Value::Null, |target| &target["config"]["options"]["stacks"][STACK]))
    }

    fn leaves(&self, service: &str) -> bool {
        !self.0["leaving"][service].is_null()
    }

    /// It is to go, or is not known any more.
    pub(crate) fn goes(&self, service: &str) -> bool {
        let stays = !self.0["spec"]["services"][service].is_null() && self.0["destroying"].is_null();
        self.leaves(service) || !stays
    }

    fn runs_again(&self, service: &str) -> bool {
        self.0["again"].as_array().is_some_and(|again| again.iter().any(|name| name == service))
    }

    pub(crate) fn needs(&self, service: &str) -> BTreeSet<String> {
        let known = match self.leaves(service) {
            true => &self.0["leaving"][service]["service"],
            false => &self.0["spec"]["services"][service],
        };
        known["needs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|n| n.as_str().map(str::to_owned))
            .collect()
    }

    pub(crate) fn revision(&self, service: &str) -> u64 {
        match self.leaves(service) {
            true => self.0["leaving"][service]["revision"].as_u64(),
            false => self.0["revisions"][service].as_u64(),
        }
        .unwrap_or_default()
    }
}

/// The service that a child scheduler is for.
pub(crate) fn service_of(framework: &str) -> &str {
    framework.strip_prefix(STACK).and_then(|rest| rest.strip_prefix('-')).unwrap_or(framework)
}

impl World {
    /// The controller has stored this; what it held before is still in the ledger.
    pub(crate) fn check_controller_stored(&mut self, changes: &[Change]) {
        let new = changes.iter().find(|c| c.key == "target").and_then(|c| c.value.as_deref());
        let new: Option<Value> = new.and_then(|bytes| serde_json::from_slice(bytes).ok());
        let target = new.or_else(|| self.ledger.targets.get(&CONTROLLER).cloned());
        let stored = Stored::of(target.as_ref());
        for change in changes {
            let Some(name) = change.key.strip_prefix("instance/") else { continue };
            let before = self.ledger.of(CONTROLLER, name).cloned().unwrap_or_default();
            let after = change.value.as_deref().map(Known::read).unwrap_or_default();
            if before.task.is_none() && after.task.is_some() && before.agent.is_none() {
                self.check_first_launch(&stored, name);
            }
            let stops = |known: &Known| known.task.as_ref().is_some_and(|(_, killing)| *killing);
            if stops(&after) && !stops(&before) {
                self.check_child_stops(&stored, name);
            }
        }
    }

    /// A child scheduler has stored this target: what became of its data, once its service is down.
    pub(crate) fn note_down(&mut self, index: usize, target: &Value) {
        let name = self.schedulers[index].name.clone();
        let Some(stack) = self.stack.as_mut().filter(|_| target["destroyed"] == true) else { return };
        match target["destroy"] == false {
            true => stack.kept.insert(name),
            false => stack.kept.remove(&name),
        };
    }

    /// No service is launched before all that it rests on is complete as the file has it.
    fn check_first_launch(&mut self, stored: &Stored<'_>, name: &str) {
        let service = service_of(name);
        let Some(stack) = &self.stack else { return };
        let complete = |need: &String| {
            let told = stack.complete.get(&format!("{STACK}-{need}"));
            told.is_some_and(|revision| *revision >= stored.revision(need))
        };
        let needs = stored.needs(service);
        let early: Vec<&String> = needs.iter().filter(|need| !complete(need)).collect();
        if !early.is_empty() && !stored.goes(service) {
            let text = format!("{service} is launched, and {early:?} have never been complete");
            self.violate("what a service rests on is ready first", || text);
        }
    }

    /// A scheduler is stopped for good only when nothing of its service runs any more.
    fn check_child_stops(&mut self, stored: &Stored<'_>, name: &str) {
        let service = service_of(name);
        if !stored.goes(service) || stored.runs_again(service) {
            return;
        }
        if let Some(task) = self.alive(name) {
            self.violate("a scheduler goes after its service", || {
                format!("the scheduler {name} is stopped for good, and {task} runs")
            });
        }
    }

    /// A child scheduler is told to take its service down.
    pub(crate) fn check_take_down(&mut self, index: usize, delete_data: bool) {
        let name = self.schedulers[index].name.clone();
        let service = service_of(&name);
        let Some(stack) = &self.stack else { return };
        if !stack.may_go.contains(&name) {
            return self.violate("only what is to go is taken down", || {
                format!("{name} is told to take its service down")
            });
        }
        if delete_data && !self.ledger.given_up.contains(&(name.clone(), None)) {
            return self.violate("no data is deleted or forgotten", || {
                format!("{name} is told to delete its data, and no operator has asked for that")
            });
        }
        let target = self.ledger.targets.get(&CONTROLLER).cloned();
        let stored = Stored::of(target.as_ref());
        let rests = |other: &str| stored.needs(other).contains(service) && stored.goes(other);
        let others: Vec<String> =
            stack.parts.iter().filter(|p| rests(p.name)).map(crate::stack::Part::framework).collect();
        for other in others {
            if let Some(task) = self.alive(&other) {
                self.violate("what rests on a service goes first", || {
                    format!("{name} is told to take its service down, and {task} rests on it")
                });
            }
        }
    }

    /// The state of a child scheduler is gone.
    pub(crate) fn check_removed(&mut self, place: &str) {
        let Some(stack) = &self.stack else { return };
        let of = |p: &&crate::stack::Part| place.contains(&format!("/{STACK}/{}/", p.name));
        let Some(name) = stack.parts.iter().find(of).map(crate::stack::Part::framework) else { return };
        if !self.ledger.given_up.contains(&(name.clone(), None)) {
            return self.violate("no data is deleted or forgotten", || {
                format!("{place} is removed, and no operator has asked for that")
            });
        }
        if let Some(task) = self.alive(&name) {
            return self.violate("a scheduler goes after its service", || {
                format!("{place} is removed, and {task} runs")
            });
        }
        if let Some(index) = self.scheduler_of(&name) {
            let of = self.ledger.known.keys().filter(|(of, _)| *of == index);
            let names: Vec<String> = of.map(|(_, name)| name.clone()).collect();
            names.iter().for_each(|name| self.ledger.forget(index, name));
            self.ledger.targets.remove(&index);
        }
    }

    /// A task of a framework that runs, unless an operator has declared it dead.
    fn alive(&self, role: &str) -> Option<String> {
        // What is on a machine that is gone counts as ended.
        let machines = self.machines.iter().filter(|machine| machine.standing != Standing::Gone);
        let mut services = machines.flat_map(Machine::services);
        let alive = |id: &&String, owner: &str| owner == role && !self.ledger.declared_dead.contains(*id);
        services.find(|(id, s)| alive(id, &s.owner.0)).map(|(id, _)| id.clone())
    }
}

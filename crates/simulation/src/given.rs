//! What the controller gives its child schedulers: outputs of providers that were complete, and new ones only while they are.

use std::collections::{BTreeMap, BTreeSet};

use cairn_framework::{Health, PlanStatus, Status};
use cairn_mesos::v1::TaskInfo;
use cairn_task::TaskSpec;
use serde_json::Value;

use crate::child::Start;
use crate::controller::CONTROLLER;
use crate::ledger::Known;
use crate::service::Shape;
use crate::stack::STACK;
use crate::stack_check::{Stored, service_of};
use crate::world::World;

/// What child schedulers have said of themselves.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// By framework: outputs with which it was complete at some time.
    complete: BTreeMap<String, BTreeSet<String>>,
    /// By framework: the revision with which it serves, as this process of the controller has heard last.
    serving: BTreeMap<String, u64>,
}

impl Said {
    /// The controller hears of a scheduler.
    pub(crate) fn note_fact(&mut self, framework: &str, fact: &Value) {
        match serving(fact) {
            Some(revision) => self.serving.insert(framework.to_owned(), revision),
            None => self.serving.remove(framework),
        };
    }

    /// The controller's process has ended, and with it what it had heard.
    pub(crate) fn forget_process(&mut self) {
        self.serving.clear();
    }

    fn gave(&self, service: &str, outputs: &str) -> bool {
        self.complete.get(&framework(service)).is_some_and(|known| known.contains(outputs))
    }

    fn serves(&self, service: &str, revision: u64) -> bool {
        self.serving.get(&framework(service)).is_some_and(|known| *known >= revision)
    }
}

fn framework(service: &str) -> String {
    format!("{STACK}-{service}")
}

/// The revision of a scheduler that answers, whose plan is complete.
fn serving(fact: &Value) -> Option<u64> {
    let told = fact["status"].clone();
    let status: Status = serde_json::from_value(told).ok().filter(|_| fact["reachable"] == true)?;
    let fails = matches!(status.health, Health::Failed(_)) || status.plan.status == PlanStatus::Error;
    (status.complete && !status.destroyed && !fails).then_some(status.revision)
}

impl World {
    /// A child scheduler has shown how it is.
    pub(crate) fn note_outputs(&mut self, index: usize) {
        let scheduler = &self.schedulers[index];
        let (Some(stack), Some(core)) = (&mut self.stack, &scheduler.core) else { return };
        let mut status = core.status(scheduler.clock(self.now));
        // What has only to give its place back keeps nobody from being given the others.
        let steps = status.plan.phases.iter().flat_map(|phase| &phase.steps);
        let is_settled = steps.filter(|step| step.id == "settle").all(|s| s.status == PlanStatus::Complete);
        if let Some(outputs) = status.outputs.remove("connect").filter(|_| is_settled) {
            stack.said.complete.entry(scheduler.name.clone()).or_default().insert(outputs);
        }
    }

    /// A scheduler is launched: what it is given has been true of a provider that was complete.
    pub(crate) fn check_given(&mut self, index: usize, task: &TaskInfo) {
        let Some(stack) = self.stack.as_ref().filter(|_| index == CONTROLLER) else { return };
        let spec: TaskSpec = serde_json::from_slice(task.data()).unwrap_or_default();
        let Some(start) = Start::of(&spec) else { return };
        let (stored, service) = (Stored::of(self.ledger.targets.get(&CONTROLLER)), service_of(&task.name));
        if start.config.keeps {
            return;
        }
        let needs = stored.needs(service);
        let from = Shape::read(&start.config.options).from;
        let made_up = |part: &&str| !part.is_empty() && !needs.iter().any(|need| stack.said.gave(need, part));
        if let Some(part) = from.split(';').find(made_up).map(str::to_owned) {
            self.violate("dependents see outputs of providers that are ready", || {
                format!("{} is given {part}, with which none of {needs:?} was ever complete", task.name)
            });
        }
    }

    /// A scheduler that runs is stopped, because it is to have another configuration: all that it rests on serves.
    pub(crate) fn check_reconfigured(&mut self, instance: &str, known: &Known) {
        let Some(stack) = self.stack.as_ref().filter(|_| !known.restart_asked) else { return };
        let stored = Stored::of(self.ledger.targets.get(&CONTROLLER));
        let service = service_of(instance);
        // One that only takes its service down gets whatever was known last.
        if stored.goes(service) {
            return;
        }
        let needs = stored.needs(service);
        let busy = |need: &&String| !stack.said.serves(need, stored.revision(need));
        if let Some(need) = needs.iter().find(busy).cloned() {
            self.violate("dependents see outputs of providers that are ready", || {
                format!("{instance} is to have another configuration while {need} does not serve")
            });
        }
    }
}

//! The end of a run with a controller: the stack is as its file says, and nothing is left of what was removed.

use cairn_framework::Status;

use crate::controller::CONTROLLER;
use crate::stack::{Part, STACK, Stack};
use crate::world::World;

impl World {
    /// Why the stack is not as it should be.
    pub(crate) fn missing_of_stack(&self, stack: &Stack) -> Vec<String> {
        let controller = &self.schedulers[CONTROLLER];
        let Some(core) = &controller.core else { return vec!["the controller does not run".into()] };
        let status = core.status(controller.clock(self.now));
        if !status.complete {
            return vec![format!("the controller: {}", plan(&status))];
        }
        let known = self.stack_is_known() == Some(true);
        if known == stack.destroyed.is_some() {
            return vec![format!("the stack is there: {known}; {}", plan(&status))];
        }
        let parts = stack.parts.iter().zip(1..);
        parts
            .filter_map(|(part, index)| {
                let reason = match stack.destroyed {
                    None if part.there => self.not_as_the_file_says(stack, part, index),
                    destroyed => self.left_of(stack, part, destroyed == Some(true) && part.there),
                };
                reason.map(|reason| format!("{}: {reason}", part.name))
            })
            .collect()
    }

    fn not_as_the_file_says(&self, stack: &Stack, part: &Part, index: usize) -> Option<String> {
        let scheduler = &self.schedulers[index];
        let Some(core) = &scheduler.core else { return Some("its scheduler does not run".into()) };
        let status = core.status(scheduler.clock(self.now));
        let options = self.schedulers[CONTROLLER].core.as_ref()?.config().options;
        let revision = &options["stacks"][STACK]["revisions"][part.name];
        if !status.complete || status.drifted || Some(status.revision) != revision.as_u64() {
            return Some(format!("revision {} of {revision}: {}", status.revision, plan(&status)));
        }
        let output = |provider: &Part| {
            let index = stack.parts.iter().position(|p| p.name == provider.name)? + 1;
            let scheduler = &self.schedulers[index];
            let mut outputs = scheduler.core.as_ref()?.status(scheduler.clock(self.now)).outputs;
            outputs.remove("connect")
        };
        let from: Option<Vec<String>> = stack.providers(part).into_iter().map(output).collect();
        let shape = crate::service::Shape { from: from?.join(";"), ..part.shape.clone() };
        self.not_running(&scheduler.name, part.kind, &shape)
    }

    /// What is left of a service that is gone.
    fn left_of(&self, stack: &Stack, part: &Part, data: bool) -> Option<String> {
        let role = part.framework();
        if let Some(process) = self.processes(&role).first() {
            return Some(format!("{:?} still runs", process.owner));
        }
        let core = self.schedulers[CONTROLLER].core.as_ref()?;
        if core.view().instances.contains_key(&role) {
            return Some("its scheduler is still known".into());
        }
        if !data {
            return None;
        }
        let state = format!("/{STACK}/{}/", part.name);
        let state = stack.states.keys().find(|place| place.contains(&state));
        let volume = self.volume_of(&role);
        match (state, volume) {
            // It was down already, with its data kept, when that was wanted gone as well.
            (Some(_), _) if stack.kept.contains(&role) => None,
            (_, Some(path)) => Some(format!("{} is still there", path.display())),
            (Some(place), None) => Some(format!("its state {place} is still there")),
            (None, None) => None,
        }
    }
}

fn plan(status: &Status) -> String {
    let steps = status.plan.phases.iter().flat_map(|p| &p.steps);
    let steps: Vec<String> = steps.map(|s| format!("{} {:?} {}", s.id, s.status, s.message)).collect();
    format!("{:?} {:?}: {}", status.health, status.plan.status, steps.join(", "))
}

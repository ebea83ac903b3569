//! What people and services see: derived from the state, never stored.

use cairn_planted::planted;
use serde_json::Value;

use super::asks::Topic;
use super::next::{Next, Want};
use super::planted::Bug;
use super::state::Record;
use super::{Core, Link, Millis};
use crate::status::PlanPhase;
use crate::{
    Action, Health, InstanceStatus, Phase, Plan, PlanStatus, Status, Step, Strategy, Verdict, View, Wait,
};

/// Why an instance waits that lacks nothing but an offer.
pub(crate) const WAITS_FOR_OFFER: &str = "waits for an offer";

impl Core {
    /// All that a service may look at.
    pub fn view(&self) -> View {
        View {
            framework: self.setup.framework.clone(),
            framework_id: self.state.identity.id.clone(),
            master: self.setup.master.clone(),
            instances: self.state.instances.keys().map(|n| (n.clone(), self.instance(n))).collect(),
            target: self.model.instances.iter().map(|i| i.name.clone()).collect(),
            observed: self.observed.clone(),
            facts: self.state.facts.clone(),
        }
    }

    /// Why offers were refused, oldest first.
    pub fn refusals(&self) -> Vec<Value> {
        self.refusals.clone()
    }

    /// Everything a scheduler says about itself. `version` is the publisher's matter.
    pub fn status(&self, now: Millis) -> Status {
        let plan = self.plan(now);
        Status {
            version: 0,
            service: self.service.name().to_owned(),
            framework: self.setup.framework.clone(),
            framework_id: self.state.identity.id.clone(),
            health: self.health(),
            revision: self.config().revision,
            drifted: self.state.target.drifted,
            complete: plan.status == PlanStatus::Complete && !self.destroying(),
            destroyed: self.state.target.destroyed,
            data_kept: self.state.target.destroyed
                && self.state.instances.values().any(|record| record.placement.is_some()),
            instances: self.names().iter().filter(|n| self.shown(n)).map(|n| self.instance(n)).collect(),
            outputs: self.state.outputs.clone(),
            plan,
        }
    }

    fn shown(&self, name: &str) -> bool {
        self.in_target(name) || self.state.instances.get(name).is_some_and(|r| !r.retired)
    }

    fn health(&self) -> Health {
        match &self.link {
            Link::Connecting => self.held().map_or(Health::Connecting, Health::Failed),
            Link::Registered => Health::Ok,
            Link::Failed(reason) => Health::Failed(self.refusal(reason)),
        }
    }

    fn instance(&self, name: &str) -> InstanceStatus {
        let live = self.live.get(name).cloned().unwrap_or_default();
        let record = self.state.instances.get(name);
        let idle = record.is_some_and(|r| r.task.is_none());
        let ended = !idle && record.is_some() && self.is_removed();
        let phase = match self.want_of(name) {
            _ if ended => Phase::Waiting,
            Want::Stop if idle => Phase::Stopped,
            Want::Rest if idle => Phase::Finished,
            Want::Run if idle && self.gave_up(name) => Phase::Failed,
            _ => live.phase,
        };
        let message = match phase {
            Phase::Waiting if ended => "the master has ended it with its framework".to_owned(),
            Phase::Waiting => self.why_waiting(name),
            Phase::Failed => self.why_given_up(name),
            Phase::Finished => self.last_failure(name),
            _ => live.message,
        };
        InstanceStatus {
            name: name.to_owned(),
            phase,
            message,
            placement: record.and_then(|r| r.placement.clone()),
            task_id: record.and_then(|r| Some(r.task.as_ref()?.id.clone())),
            last_task_id: live.last_task.filter(|_| idle),
            retry_at_ms: (phase == Phase::BackOff).then_some(live.retry_at),
            failures: live.failures,
            needs_restart: self.outdated(name),
            replaces: record.and_then(|r| r.replaces.clone()),
            goal: record.map(|r| r.spec.goal).unwrap_or_default(),
            runs: record.map(|r| r.runs.clone()).unwrap_or_default(),
            next_run_ms: self.time_of(name),
            deployed: record.is_some_and(|r| r.deployed),
        }
    }

    /// Why an instance without a task has none. While it waits for the places of others it looks for its own.
    fn why_waiting(&self, name: &str) -> String {
        let peers = match self.rendered.get(name) {
            Some(Err(Wait::For(reason))) => return reason.clone(),
            Some(Err(Wait::Peers(reason))) if self.is_placed(name) => return reason.clone(),
            Some(Err(Wait::Peers(reason))) => Some(reason.clone()),
            _ => None,
        };
        if let Some(Verdict::Wait(reason) | Verdict::Refuse(reason)) = self.asks.last_of(name) {
            return reason.clone();
        }
        let without_offers = || match self.link {
            Link::Registered => WAITS_FOR_OFFER.into(),
            _ => "waits for the master".into(),
        };
        let gang = || self.gang_given_up(name).or_else(|| self.gang_without_place(name));
        self.no_place(name).or_else(gang).or(peers).unwrap_or_else(without_offers)
    }

    fn is_placed(&self, name: &str) -> bool {
        self.state.instances.get(name).is_some_and(Record::is_placed)
    }

    /// Why the instance itself fits nowhere, as far as that is known.
    fn no_place(&self, name: &str) -> Option<String> {
        self.never_fits(name).or_else(|| self.live.get(name)?.refusal.clone())
    }

    /// Who of its gang is not tried again, and why: all are launched together.
    fn gang_given_up(&self, name: &str) -> Option<String> {
        let gang = self.gang_to_launch(name)?;
        let other = gang.iter().find(|other| self.gave_up(other))?;
        Some(format!("waits for {other}: {}", self.why_given_up(other)))
    }

    /// Who of its gang fits nowhere, and why: all are placed together.
    fn gang_without_place(&self, name: &str) -> Option<String> {
        let gang = self.gang_to_launch(name)?;
        gang.iter().find_map(|other| Some(format!("waits for {other}: {}", self.no_place(other)?)))
    }

    /// An instance without a place that is larger than every agent in all.
    fn never_fits(&self, name: &str) -> Option<String> {
        let record = self.state.instances.get(name)?;
        if record.placement.is_some() || self.capacities.is_empty() {
            return None;
        }
        let spec = &record.spec;
        let largest = |of: fn(&super::Capacity) -> f64| self.capacities.iter().map(of).fold(0.0, f64::max);
        let cases = [
            ("cpus", spec.cpus, largest(|c| c.cpus)),
            ("mem (MiB)", spec.mem, largest(|c| c.mem)),
            ("disk (MiB)", spec.disk(), largest(|c| c.disk)),
        ];
        if let Some((what, need, most)) = cases.into_iter().find(|(_, need, most)| need > most) {
            return Some(format!("no agent can ever offer {what} {need}: the largest has {most}"));
        }
        (!self.capacities.iter().any(|c| c.holds(spec)))
            .then(|| "no single agent can ever offer all that it needs".into())
    }

    /// Outputs stay as they were while something is being mended, also over a restart of this program; dependents go on
    /// with them.
    pub(crate) fn refresh_outputs(&mut self) {
        if self.destroying() {
            self.state.outputs.clear();
        } else if self.is_complete() || planted(Bug::HalfOutputs) {
            self.state.outputs = self.service.outputs(&self.config(), &self.view());
        }
    }

    fn is_complete(&self) -> bool {
        self.settled && self.all_verified(&self.needs(0))
    }

    fn plan(&self, now: Millis) -> Plan {
        let phases = if self.destroying() { self.destroy_phases(now) } else { self.deploy_phases(now) };
        // All of it in one: of several errors, people see the first.
        let refused: Vec<String> = self.refused.iter().map(ToString::to_string).collect();
        let mut errors: Vec<String> = (!refused.is_empty()).then(|| refused.join("; ")).into_iter().collect();
        errors.extend(self.problems.iter().map(ToString::to_string));
        if let Link::Failed(reason) = &self.link {
            errors.push(reason.clone());
        }
        errors.extend(self.held());
        let failed = phases.iter().flat_map(|p| &p.steps).filter(|s| s.status == PlanStatus::Error);
        errors.extend(failed.map(|s| format!("{}: {}", s.name, s.message)));
        let configured = self.state.target.config.is_some();
        let status = match errors.is_empty() {
            false => PlanStatus::Error,
            true if !configured => PlanStatus::Pending,
            true => summary(phases.iter().map(|p| p.status)),
        };
        Plan {
            name: if self.destroying() { "destroy" } else { "deploy" }.into(),
            generation: self.state.target.generation,
            status: if self.state.target.paused && status != PlanStatus::Complete {
                PlanStatus::Waiting
            } else {
                status
            },
            errors,
            phases,
        }
    }

    fn deploy_phases(&self, now: Millis) -> Vec<PlanPhase> {
        let names = self.names();
        let (target, leaving): (Vec<_>, Vec<_>) = names.iter().partition(|n| self.in_target(n));
        let deploy = target.iter().map(|n| self.deploy_step(n, now)).collect();
        let strategy = if self.model.deploy == Strategy::Parallel { "parallel" } else { "serial" };
        let mut phases = vec![phase("deploy", strategy, deploy)];
        let remove: Vec<Step> = leaving.iter().filter_map(|n| self.remove_step(n, now)).collect();
        if !remove.is_empty() {
            phases.push(phase("remove", "parallel", remove));
        }
        phases.push(phase("settle", "serial", vec![self.settle_step()]));
        phases
    }

    fn deploy_step(&self, name: &str, now: Millis) -> Step {
        let next = self.need(name, now);
        let (status, message) = self.progress(name, &next);
        let verb = match next {
            Next::Disrupt(Action::Restart) | Next::Verify(Action::Restart) => "restart",
            Next::Disrupt(Action::Stop) => "stop",
            Next::Disrupt(Action::Launch | Action::Remove)
            | Next::Verify(Action::Launch | Action::Stop | Action::Remove)
            | Next::Nothing
            | Next::Launch
            | Next::BackOff(_)
            | Next::Busy
            | Next::GivenUp
            | Next::CleanUp
            | Next::Retire => "launch",
        };
        Step { id: format!("{name}:{verb}"), name: name.to_owned(), status, message }
    }

    fn progress(&self, name: &str, next: &Next) -> (PlanStatus, String) {
        let instance = self.instance(name);
        let gate = self.asks.last_of(name);
        if let Some(Verdict::Refuse(reason)) = gate {
            return (PlanStatus::Error, reason.clone());
        }
        let said = match gate {
            Some(Verdict::Wait(reason)) => reason.clone(),
            _ => instance.message.clone(),
        };
        match next {
            _ if self.is_timed(name) => (PlanStatus::Complete, String::new()),
            Next::GivenUp => (PlanStatus::Error, self.why_given_up(name)),
            Next::CleanUp if self.in_target(name) => (PlanStatus::Complete, String::new()),
            Next::Nothing => (
                PlanStatus::Complete,
                if instance.phase == Phase::Stopped {
                    "stopped by an operator".into()
                } else {
                    String::new()
                },
            ),
            Next::BackOff(_) => (PlanStatus::Delayed, said),
            Next::Launch => match self.never_fits(name) {
                Some(never) => (PlanStatus::Error, never),
                None if instance.placement.is_some() => (PlanStatus::Prepared, said),
                None => (PlanStatus::Pending, said),
            },
            Next::Verify(_) => (PlanStatus::Started, said),
            Next::Disrupt(_) => match self.operated(name) {
                Some(operation) => (PlanStatus::Pending, format!("waits for operation {operation}")),
                None => (PlanStatus::Pending, said),
            },
            Next::Busy | Next::CleanUp | Next::Retire => match instance.phase {
                Phase::Running | Phase::Unhealthy => (PlanStatus::Started, said),
                _ => (PlanStatus::Starting, said),
            },
        }
    }

    fn remove_step(&self, name: &str, now: Millis) -> Option<Step> {
        let next = self.need(name, now);
        if next == Next::Nothing {
            return None;
        }
        let (status, message) = self.progress(name, &next);
        Some(Step { id: format!("{name}:remove"), name: name.to_owned(), status, message })
    }

    fn settle_step(&self) -> Step {
        let (status, message) = match self.asks.last(&Topic::Settle) {
            _ if self.settled && self.is_complete() => (PlanStatus::Complete, String::new()),
            Some(Verdict::Refuse(reason)) => (PlanStatus::Error, reason.clone()),
            Some(Verdict::Wait(reason)) => (PlanStatus::Started, reason.clone()),
            _ => (PlanStatus::Pending, String::new()),
        };
        Step { id: "settle".into(), name: "settle".into(), status, message }
    }

    fn destroy_phases(&self, now: Millis) -> Vec<PlanPhase> {
        let stop = self
            .state
            .instances
            .keys()
            .filter(|n| self.need(n, now) != Next::Nothing)
            .map(|n| {
                let status = match self.need(n, now) {
                    Next::CleanUp => PlanStatus::Started,
                    _ => PlanStatus::Starting,
                };
                Step { id: format!("{n}:stop"), name: n.clone(), status, message: self.instance(n).message }
            })
            .collect();
        let left = if self.state.target.destroyed { PlanStatus::Complete } else { PlanStatus::Pending };
        let leave = Step {
            id: "leave".into(),
            name: "leave the cluster".into(),
            status: left,
            message: match self.asks.last(&Topic::Farewell) {
                Some(Verdict::Wait(reason) | Verdict::Refuse(reason)) => reason.clone(),
                _ if self.leaves() => "the master has not answered yet".into(),
                _ => String::new(),
            },
        };
        vec![phase("stop", "parallel", stop), phase("leave", "serial", vec![leave])]
    }
}

fn phase(name: &str, strategy: &str, steps: Vec<Step>) -> PlanPhase {
    let status = summary(steps.iter().map(|s| s.status));
    PlanPhase { name: name.into(), strategy: strategy.into(), status, steps }
}

/// A whole is what all its parts are; else an error if one has one; else on its way.
fn summary(parts: impl Iterator<Item = PlanStatus>) -> PlanStatus {
    let parts: Vec<PlanStatus> = parts.collect();
    match parts.first() {
        None => PlanStatus::Complete,
        Some(first) if parts.iter().all(|p| p == first) => *first,
        Some(_) if parts.contains(&PlanStatus::Error) => PlanStatus::Error,
        Some(_) => PlanStatus::InProgress,
    }
}

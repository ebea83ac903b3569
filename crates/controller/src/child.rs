//! What is known of a child scheduler: its own status document, as its watcher brought it.

use cairn_framework::{Health, Phase, PlanStatus, Status, View};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The fact that a watcher reports under the instance's name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Observed {
    /// It answered the last time it was asked.
    pub(crate) reachable: bool,
    /// Why it did not.
    pub(crate) error: Option<String>,
    /// The last status it gave.
    pub(crate) status: Option<Status>,
}

impl Observed {
    /// What is known of an instance; everything unknown where nothing is.
    pub(crate) fn of(view: &View, instance: &str) -> Self {
        view.observed.get(instance).and_then(|v| Self::deserialize(&**v).ok()).unwrap_or_default()
    }

    /// An answer. The document's version is left out, so that equal states are equal facts.
    pub(crate) fn answered(mut status: Status) -> Self {
        status.version = 0;
        Self { reachable: true, error: None, status: Some(status) }
    }

    /// No answer; what was last known is kept.
    pub(crate) fn silent(self, error: String) -> Self {
        Self { reachable: false, error: Some(error), ..self }
    }

    /// As a fact.
    pub(crate) fn fact(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The status, when it has been carried out with a configuration of at least `revision` and the service serves.
    ///
    /// # Errors
    /// Why not yet.
    pub(crate) fn serving(&self, revision: u64) -> Result<&Status, String> {
        let status = match (&self.status, &self.error) {
            (None, None) => return Err("its scheduler starts".into()),
            (None, Some(error)) => return Err(format!("its scheduler does not answer: {error}")),
            (Some(_), Some(error)) if !self.reachable => {
                return Err(format!("its scheduler does not answer: {error}"));
            }
            (Some(status), _) => status,
        };
        if let Some(reason) = failure(status) {
            return Err(format!("error: {reason}"));
        }
        if status.revision < revision {
            return Err(format!("its scheduler has configuration {}, not {revision} yet", status.revision));
        }
        if status.complete && !status.destroyed { Ok(status) } else { Err(progress(status)) }
    }

    /// The service has been taken down.
    pub(crate) fn destroyed(&self) -> bool {
        self.status.as_ref().is_some_and(|s| s.destroyed)
    }

    /// It has, and its data was kept.
    pub(crate) fn data_kept(&self) -> bool {
        self.status.as_ref().is_some_and(|s| s.data_kept)
    }

    /// REST has changed the configuration that `revision` gave it.
    pub(crate) fn drifted(&self, revision: u64) -> bool {
        self.status.as_ref().is_some_and(|s| s.drifted && s.revision == revision)
    }
}

/// What keeps the scheduler from going on without an operator.
pub(crate) fn failure(status: &Status) -> Option<String> {
    if let Health::Failed(reason) = &status.health {
        return Some(reason.clone());
    }
    let reason = || status.plan.errors.first().cloned().unwrap_or_else(|| progress(status));
    (status.plan.status == PlanStatus::Error).then(reason)
}

/// The most telling word on how far the scheduler is.
pub(crate) fn progress(status: &Status) -> String {
    if status.health == Health::Connecting {
        return "its scheduler registers with the master".into();
    }
    let steps =
        || status.plan.phases.iter().flat_map(|p| &p.steps).filter(|s| s.status != PlanStatus::Complete);
    if let Some(step) = steps().find(|s| !s.message.is_empty()) {
        return format!("{}: {}", step.name, step.message);
    }
    if let Some(instance) = status.instances.iter().find(|i| !i.is_fine()) {
        let detail =
            if instance.message.is_empty() { String::new() } else { format!(": {}", instance.message) };
        return format!("{} {}{detail}", instance.name, phase_word(instance.phase));
    }
    match steps().next() {
        Some(step) => format!("{}: {}", step.name, status_word(step.status)),
        None => "its last checks".into(),
    }
}

/// A phase in words.
pub(crate) fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Waiting => "waiting",
        Phase::Staging => "staging",
        Phase::Starting => "starting",
        Phase::Running => "running, not ready yet",
        Phase::Ready => "ready",
        Phase::Unhealthy => "unhealthy",
        Phase::Stopping => "stopping",
        Phase::Unreachable => "unreachable",
        Phase::Reconciling => "reconciling",
        Phase::BackOff => "failed, waits for its next try",
        Phase::Stopped => "stopped",
        Phase::Finished => "finished",
        Phase::Failed => "given up",
    }
}

fn status_word(status: PlanStatus) -> &'static str {
    match status {
        PlanStatus::Error => "error",
        PlanStatus::Waiting => "paused",
        PlanStatus::Pending => "pending",
        PlanStatus::Prepared => "prepared",
        PlanStatus::Starting => "starting",
        PlanStatus::Started => "started",
        PlanStatus::Delayed => "delayed",
        PlanStatus::InProgress => "in progress",
        PlanStatus::Complete => "complete",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{complete, status};

    #[test]
    fn only_a_complete_service_with_the_right_configuration_serves() {
        assert_eq!(Observed::default().serving(1).unwrap_err(), "its scheduler starts");
        let done = Observed::answered(complete("demo-zookeeper", 3, &[("connect", "a:1")]));
        assert!(done.serving(3).is_ok());
        assert_eq!(done.serving(4).unwrap_err(), "its scheduler has configuration 3, not 4 yet");
        let silent = done.silent("connection refused".into());
        assert_eq!(silent.serving(3).unwrap_err(), "its scheduler does not answer: connection refused");
        assert!(silent.status.is_some(), "what was known stays known");
    }

    #[test]
    fn the_reason_names_the_instance_that_holds_things_up() {
        let mut at_work = status("demo-zookeeper", 1);
        assert_eq!(Observed::answered(at_work.clone()).serving(1).unwrap_err(), "server-1 starting");
        at_work.plan.status = PlanStatus::Error;
        at_work.plan.errors = vec!["no agent has 64 cpus".into()];
        assert_eq!(Observed::answered(at_work).serving(1).unwrap_err(), "error: no agent has 64 cpus");
    }

    #[test]
    fn equal_states_are_equal_facts() {
        let (mut a, mut b) = (status("x", 1), status("x", 1));
        (a.version, b.version) = (7, 8);
        assert_eq!(Observed::answered(a).fact(), Observed::answered(b).fact());
    }
}

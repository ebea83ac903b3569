//! Rendered tasks and their fingerprints: what tells whether an instance runs what it should.

use std::collections::BTreeSet;

use cairn_task::TaskSpec;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Core;
use crate::{Artifact, GoalState, InstanceSpec, Model, Overlap, Wait};

/// The task of an instance as it should be, or why there is none yet.
pub(crate) type Rendered = Result<Ready, Wait>;

/// A task that can be launched.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub(crate) task: TaskSpec,
    pub(crate) fingerprint: String,
}

/// Whose tasks have to be rendered again.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Stale {
    /// Nobody's.
    #[default]
    Nobody,
    /// Those of these instances.
    Some(BTreeSet<String>),
    /// All.
    Everybody,
}

impl Stale {
    /// These too; `None` is everybody.
    fn add(&mut self, names: Option<BTreeSet<String>>) {
        let before = std::mem::take(self);
        *self = match (before, names) {
            (Self::Everybody, _) | (_, None) => Self::Everybody,
            (Self::Nobody, Some(names)) => Self::Some(names),
            (Self::Some(mut known), Some(names)) => {
                known.extend(names);
                Self::Some(known)
            }
        };
    }
}

#[derive(Serialize)]
struct Printed<'a> {
    task: &'a TaskSpec,
    cpus: f64,
    mem: f64,
    /// Checksums rather than URIs: a server that moves to another port does not change what it serves.
    artifacts: Vec<&'a str>,
}

fn identity(artifact: &Artifact) -> &str {
    if artifact.sha256.is_empty() { &artifact.uri } else { &artifact.sha256 }
}

/// Hash of all that needs a restart when it changes. Files marked `keep` belong to the service once written.
pub(crate) fn fingerprint(spec: &InstanceSpec, task: &TaskSpec) -> String {
    let mut task = task.clone();
    task.files.retain(|f| !f.keep);
    let printed = Printed {
        task: &task,
        cpus: spec.cpus,
        mem: spec.mem,
        artifacts: spec.artifacts.iter().map(identity).collect(),
    };
    let bytes = serde_json::to_vec(&printed).unwrap_or_default();
    Sha256::digest(bytes).iter().take(16).map(|b| format!("{b:02x}")).collect()
}

impl Core {
    /// Asks the service which instances there should be, after the configuration has changed.
    pub(crate) fn remodel(&mut self) {
        self.stale = Stale::Everybody;
        self.settled = false;
        self.remodelled();
        self.note_target();
    }

    fn remodelled(&mut self) {
        let Some(config) = &self.state.target.config else {
            self.model = Model::default();
            return;
        };
        match self.service.model(config) {
            Ok(model) => {
                self.problems.clear();
                self.model = model;
                self.adopt();
            }
            // The stored configuration was accepted once; a newer program may think otherwise. Nothing is torn down for
            // that: the records keep the instances as they are.
            Err(problems) => {
                self.problems = problems;
                self.model.instances = self.kept_specs();
            }
        }
    }

    fn kept_specs(&self) -> Vec<InstanceSpec> {
        self.state.instances.values().filter(|r| !r.retired).map(|r| r.spec.clone()).collect()
    }

    /// Gives every instance of the target a record with its newest spec.
    pub(crate) fn adopt(&mut self) {
        if self.destroying() {
            return;
        }
        for spec in &self.model.instances {
            let record = self.state.instances.entry(spec.name.clone()).or_default();
            if record.spec != *spec {
                record.spec = spec.clone();
            }
            if record.retired {
                self.observed.remove(&spec.name);
                record.retired = false;
                record.deployed = false;
                record.delete_data = false;
                record.replaces = None;
                record.goal = super::state::Goal::Run;
                record.done = None;
                record.failed = 0;
            }
        }
    }

    /// What is known of `name`, an instance or an observed fact, has changed: tasks that may rest on it are rendered again.
    pub(crate) fn touch(&mut self, name: &str) {
        let concerned = self.concerned(name);
        self.stale.add(concerned);
    }

    /// Gates that may rest on what is known of `name` are asked again at once.
    pub(crate) fn hurry_for(&mut self, name: &str) {
        let concerned = self.concerned(name);
        self.asks.hurry(concerned.as_ref());
    }

    /// Both: tasks and gates that may rest on what is known of `name`.
    pub(crate) fn touch_and_hurry(&mut self, name: &str) {
        let concerned = self.concerned(name);
        self.asks.hurry(concerned.as_ref());
        self.stale.add(concerned);
    }

    /// Whom a change of `name` may concern; `None` is everybody.
    fn concerned(&self, name: &str) -> Option<BTreeSet<String>> {
        self.service.concerned(self.state.target.config.as_ref()?, name)
    }

    /// Renders again those tasks that rest on something that has changed.
    pub(crate) fn render_stale(&mut self) {
        let stale = std::mem::take(&mut self.stale);
        let is_stale = |name: &String| match &stale {
            Stale::Nobody => false,
            Stale::Some(names) => names.contains(name),
            Stale::Everybody => true,
        };
        if stale == Stale::Everybody {
            self.rendered.clear();
        }
        if stale == Stale::Nobody {
            return;
        }
        let (config, view) = (self.config(), self.view());
        for spec in self.model.instances.iter().filter(|spec| is_stale(&spec.name)) {
            let rendered = self.service.task(&config, spec, &view);
            let guarded = rendered.and_then(|task| self.state.target.secrets.guard(spec, task));
            let rendered = guarded.map(|task| {
                let fingerprint = fingerprint(spec, &task);
                Ready { task, fingerprint }
            });
            self.rendered.insert(spec.name.clone(), rendered);
        }
    }

    /// The instance's task runs with something else than the target asks for. What cannot be rendered now is not
    /// outdated: a dependent goes on while its provider is away.
    pub(crate) fn outdated(&self, instance: &str) -> bool {
        let Some(record) = self.state.instances.get(instance) else { return false };
        let Some(task) = &record.task else { return false };
        let changed = match self.rendered.get(instance) {
            Some(Ok(ready)) => ready.fingerprint != task.fingerprint,
            _ => false,
        };
        let asked = task.restart != record.restart;
        match (&record.spec.timing, record.spec.goal) {
            (Some(timing), _) => asked && timing.overlap == Overlap::Replace,
            // What it follows has ended once more: it runs again when it is done itself.
            (None, _) if !record.spec.follows.is_empty() => false,
            (None, GoalState::Once) => asked,
            (None, _) => changed || asked,
        }
    }
}

//! What is stored: intent and identity, never transient states.

use std::collections::{BTreeMap, BTreeSet};

use cairn_planted::planted;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Millis;
use super::planted::Bug;
use crate::store::Change;
use crate::{Config, GoalState, InstanceSpec, Operation, Placement, Problem, Run, Secrets, secrets};

const FRAMEWORK: &str = "framework";
const TARGET: &str = "target";
const INSTANCE: &str = "instance/";
const FACT: &str = "fact/";
const OUTPUTS: &str = "outputs";
const OPERATION: &str = "operation/";

/// Identity on the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Identity {
    /// Framework id that the master gave.
    pub(crate) id: Option<String>,
    /// It leaves, and the master is told so until it is known to have taken that.
    pub(crate) leaving: bool,
}

/// What should be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Target {
    /// Effective configuration; `None` before the first one came.
    pub(crate) config: Option<Config>,
    /// Which of its values are secrets, as the configuration file has them. Not stored, and they neither.
    #[serde(skip)]
    pub(crate) secrets: Secrets,
    /// REST has changed the configuration since the controller gave it.
    pub(crate) drifted: bool,
    /// Grows with every change of the target.
    pub(crate) generation: u64,
    /// An operator has paused changes.
    pub(crate) paused: bool,
    /// An operator has asked for the end; `true` inside: data too.
    pub(crate) destroy: Option<bool>,
    /// The end has been reached: nothing runs and the framework has left the cluster.
    pub(crate) destroyed: bool,
}

/// A task on record: it may be alive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TaskRecord {
    /// Mesos task id.
    pub(crate) id: String,
    /// Fingerprint of what it was launched with.
    pub(crate) fingerprint: String,
    /// The operator's restart request it was launched after.
    pub(crate) restart: u64,
    /// The gate after the step has said that all is well.
    pub(crate) verified: bool,
    /// Launched as a first deployment rather than in place of an earlier task.
    pub(crate) first: bool,
    /// It has been told to stop.
    pub(crate) killing: bool,
}

/// A job has run to completion, or was given up until its next time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Done {
    /// What it ran.
    pub(crate) fingerprint: String,
    /// The request for a run that it answers.
    pub(crate) restart: u64,
}

/// Whether an instance should run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    /// It should.
    #[default]
    Run,
    /// An operator has stopped it.
    Stop,
}

/// One instance: what is wanted of it and what it holds on the cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    /// Its spec, kept after it has left the model, for as long as it holds anything.
    pub(crate) spec: InstanceSpec,
    /// Whether it should run.
    pub(crate) goal: Goal,
    /// Place, ports and volumes.
    pub(crate) placement: Option<Placement>,
    /// Live task, by intent.
    pub(crate) task: Option<TaskRecord>,
    /// Counts the operator's restart requests.
    pub(crate) restart: u64,
    /// It has been ready at least once since it was added.
    pub(crate) deployed: bool,
    /// The place it had before it was replaced. Kept, because its task may name it.
    pub(crate) replaces: Option<Placement>,
    /// Agents on which it may still hold what it has given up there, data included.
    pub(crate) given_up: BTreeSet<String>,
    /// Its volumes are to be deleted.
    pub(crate) delete_data: bool,
    /// It has been removed; only its place and data remain.
    pub(crate) retired: bool,
    /// A job's last completion.
    pub(crate) done: Option<Done>,
    /// Failures of a job or gang since it was last asked for.
    pub(crate) failed: u32,
    /// A job's last runs, oldest first.
    pub(crate) runs: Vec<Run>,
    /// A timed job's times up to this one have been dealt with.
    pub(crate) timed_to: Option<Millis>,
}

impl Record {
    /// It runs when something happens, not at once.
    pub(crate) fn is_timed(&self) -> bool {
        self.spec.timing.is_some() || !self.spec.follows.is_empty()
    }

    /// It runs to completion.
    pub(crate) fn is_job(&self) -> bool {
        self.spec.goal != GoalState::Running
    }

    /// It has a place with all the ports it needs; one of them may have been given up because somebody else holds it.
    pub(crate) fn is_placed(&self) -> bool {
        self.placement
            .as_ref()
            .is_some_and(|p| self.spec.ports.iter().all(|port| p.ports.contains_key(&port.name)))
    }
}

/// Everything that is stored.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct State {
    pub(crate) identity: Identity,
    pub(crate) target: Target,
    pub(crate) instances: BTreeMap<String, Record>,
    /// What dependents were last given.
    pub(crate) outputs: BTreeMap<String, String>,
    /// What the service wants to know again after a restart of this program.
    pub(crate) facts: BTreeMap<String, Value>,
    /// Operations that were asked for, by id.
    pub(crate) operations: BTreeMap<String, Operation>,
}

impl Target {
    /// As it is stored.
    fn concealed(&self) -> Self {
        let conceal = |config: &Config| Config {
            options: self.secrets.conceal(&config.options).into(),
            ..config.clone()
        };
        if planted(Bug::StoreSecrets) {
            return self.clone();
        }
        Self { config: self.config.as_ref().map(conceal), ..self.clone() }
    }
}

/// Fills in the secrets of what a store holds from the configuration file of this start; `names` are options that are
/// secrets whatever the file says.
///
/// # Errors
/// As [`State::load`].
pub(crate) fn reveal(
    entries: &mut BTreeMap<String, Vec<u8>>,
    given: &Config,
    names: &[&str],
) -> Result<(), Problem> {
    let Some(entry) = entries.get_mut(TARGET) else { return Ok(()) };
    let mut target: Target = serde_json::from_slice(entry)
        .map_err(|e| Problem::new(TARGET, format!("the stored state is damaged: {e}")))?;
    if let Some(stored) = &mut target.config {
        secrets::reveal(stored, given, names);
        *entry = serde_json::to_vec(&target).unwrap_or_default();
    }
    Ok(())
}

impl State {
    /// Reads what a store holds.
    ///
    /// # Errors
    /// The key that cannot be read, with the reason.
    pub(crate) fn load(entries: &BTreeMap<String, Vec<u8>>) -> Result<Self, Problem> {
        let mut state = Self::default();
        for (key, value) in entries {
            let bad =
                |e: serde_json::Error| Problem::new(key.clone(), format!("the stored state is damaged: {e}"));
            match key.as_str() {
                FRAMEWORK => state.identity = serde_json::from_slice(value).map_err(bad)?,
                TARGET => state.target = serde_json::from_slice(value).map_err(bad)?,
                OUTPUTS => state.outputs = serde_json::from_slice(value).map_err(bad)?,
                other => {
                    if let Some(name) = other.strip_prefix(INSTANCE) {
                        state.instances.insert(name.to_owned(), serde_json::from_slice(value).map_err(bad)?);
                    } else if let Some(name) = other.strip_prefix(FACT) {
                        state.facts.insert(name.to_owned(), serde_json::from_slice(value).map_err(bad)?);
                    } else if let Some(id) = other.strip_prefix(OPERATION) {
                        state.operations.insert(id.to_owned(), serde_json::from_slice(value).map_err(bad)?);
                    }
                }
            }
        }
        Ok(state)
    }

    /// The writes that turn what `before` stored into what this state would.
    pub(crate) fn changes_since(&self, before: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.identity != before.identity {
            changes.push(put(FRAMEWORK.into(), &self.identity));
        }
        if self.target != before.target {
            changes.push(put(TARGET.into(), &self.target.concealed()));
        }
        if self.outputs != before.outputs {
            changes.push(self.keep_outputs());
        }
        differences(INSTANCE, &before.instances, &self.instances, &mut changes);
        differences(FACT, &before.facts, &self.facts, &mut changes);
        differences(OPERATION, &before.operations, &self.operations, &mut changes);
        changes
    }

    /// Outputs that show a secret are not stored: after a restart they are known when the service is complete again.
    fn keep_outputs(&self) -> Change {
        let shows =
            |text: &String| self.target.secrets.are_in(text) || self.target.secrets.holds(&json!(text));
        match self.outputs.is_empty() || self.outputs.values().any(shows) {
            true => Change { key: OUTPUTS.into(), value: None },
            false => put(OUTPUTS.into(), &self.outputs),
        }
    }
}

fn differences<T: Serialize + PartialEq>(
    prefix: &str,
    before: &BTreeMap<String, T>,
    after: &BTreeMap<String, T>,
    changes: &mut Vec<Change>,
) {
    for (name, value) in after.iter().filter(|(name, value)| before.get(*name) != Some(value)) {
        changes.push(put(format!("{prefix}{name}"), value));
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        changes.push(Change { key: format!("{prefix}{name}"), value: None });
    }
}

fn put<T: Serialize>(key: String, value: &T) -> Change {
    // These types hold strings, numbers and maps with string keys: they always serialise.
    Change { key, value: Some(serde_json::to_vec(value).unwrap_or_default()) }
}

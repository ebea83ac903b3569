//! What a configuration asks for, in terms the core understands.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use cairn_units::{Missed, Overlap, Schedule, Size};

use crate::Constraint;

/// What a scheduler is configured with: by the controller through a file, later changed through REST.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Grows with every change that the controller makes. A higher one replaces what REST has changed meanwhile.
    pub revision: u64,
    /// A scheduler goes on with what it has stored, if it has: not all that it is to be given is known yet. What is here of the
    /// options says where secrets are, and no more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keeps: bool,
    /// Options as the stack file has them, an object. What they mean is the service's own matter. Shared, because they may be
    /// large and everybody who is asked something gets them.
    pub options: Arc<Value>,
    /// JSON pointers of the options that hold secrets, as the controller has filled them in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Resolved inputs by need, for example `zookeeper` = `127.0.0.1:31000,127.0.0.2:31000`.
    pub inputs: BTreeMap<String, String>,
    /// The service's files by version, as the framework spec names them.
    pub distributions: BTreeMap<String, Artifact>,
    /// The user's own archive in place of them.
    pub distribution: Option<Artifact>,
    /// The whole framework spec as JSON, where it has a `service:` section: for a scheduler that runs what a spec
    /// describes. Absent for schedulers that know their service themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<Box<Value>>,
    /// The stack that the service belongs to. Empty: none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stack: String,
    /// What the stack calls the service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
}

impl Config {
    /// The options as the service's own type.
    ///
    /// # Errors
    /// One problem that names the option and what is wrong with it.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Vec<Problem>> {
        let options = if self.options.is_null() {
            Value::Object(serde_json::Map::new())
        } else {
            Value::clone(&self.options)
        };
        serde_json::from_value(options)
            .map_err(|e| vec![Problem { option: String::new(), message: e.to_string(), help: None }])
    }

    /// The same, checked.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn read<T: Options>(&self) -> Result<T, Vec<Problem>> {
        let options: T = self.parse()?;
        let mut problems = Vec::new();
        options.check(self, &mut problems);
        if problems.is_empty() { Ok(options) } else { Err(problems) }
    }

    /// What is bound as this input.
    pub fn input(&self, name: &str) -> Option<&str> {
        self.inputs.get(name).map(|bound| bound.trim()).filter(|bound| !bound.is_empty())
    }

    /// The archive of `version`, or the user's own.
    ///
    /// # Errors
    /// A problem that lists the versions there are.
    pub fn archive(&self, version: &str) -> Result<Artifact, Vec<Problem>> {
        if let Some(own) = &self.distribution {
            return Ok(own.clone());
        }
        self.distributions.get(version).cloned().ok_or_else(|| {
            let known: Vec<_> = self.distributions.keys().cloned().collect();
            vec![Problem {
                option: "version".into(),
                message: format!("there is no distribution of version {version}"),
                help: Some(format!(
                    "versions at hand: {}; or name your own archive with `distribution: {{ uri, sha256 }}`",
                    known.join(", ")
                )),
            }]
        })
    }
}

/// Options of a service, as a type of its own.
pub trait Options: DeserializeOwned {
    /// Adds everything that is wrong with them and that their type does not say.
    fn check(&self, config: &Config, problems: &mut Vec<Problem>);
}

/// A file that agents fetch into the sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Artifact {
    /// Where agents get it: `http://…`, `https://…`, `file:///…` or an absolute path.
    pub uri: String,
    /// Hex SHA-256 of the content; agents refuse what differs. Empty: unchecked.
    pub sha256: String,
    /// Unpack it (tar, tar.gz).
    pub extract: bool,
    /// Name in the sandbox, where it is not the last part of the URI.
    pub output: Option<String>,
}

/// Something that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}{message}", if .option.is_empty() { String::new() } else { format!("{option}: ") })]
pub struct Problem {
    /// Dotted path of the option, empty if it is about the whole.
    pub option: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Problem {
    /// A problem of one option.
    pub fn new(option: impl Into<String>, message: impl Into<String>) -> Self {
        Self { option: option.into(), message: message.into(), help: None }
    }

    /// The same problem with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Which instances there should be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    /// All instances, in the order in which they are deployed and shown.
    pub instances: Vec<InstanceSpec>,
    /// How new instances are launched. Changes of running instances always go one at a time.
    pub deploy: Strategy,
    /// The instances do not form a cluster: each may be changed whatever the others do.
    pub independent: bool,
    /// Besides `instances`: as many of this one as there are agents that its constraints admit, one on each, named
    /// `NAME-0`, `NAME-1`, …. Agents that come get one; those that are away keep theirs, and nobody waits for it.
    pub each_agent: Option<InstanceSpec>,
}

/// How new instances come up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// All at once.
    #[default]
    Parallel,
    /// The next one when the one before is ready and its gate has said so.
    Serial,
    /// The first one founds; then the others of the first so many come up at once, and all further ones as in
    /// [`Strategy::Serial`].
    Founding(usize),
}

/// One instance as it should be. Its name is its identity for ever.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceSpec {
    /// For example `broker-0`: `[a-z]([a-z0-9-]*[a-z0-9])?`, at most 24 characters.
    pub name: String,
    /// CPU share.
    pub cpus: f64,
    /// Memory in MiB.
    pub mem: f64,
    /// Ports it needs, by name.
    pub ports: Vec<PortSpec>,
    /// Persistent volumes.
    pub volumes: Vec<VolumeSpec>,
    /// Where it may run.
    pub constraints: Vec<Constraint>,
    /// Files fetched before it starts, the executor apart.
    pub artifacts: Vec<Artifact>,
    /// What it is there for.
    pub goal: GoalState,
    /// How often a job, or a gang, that fails is tried again before it is given up. Absent: for ever.
    pub retries: Option<u32>,
    /// When a job runs. Absent: as soon as it can.
    pub timing: Option<Timing>,
    /// Jobs by instance name: it is a job that runs each time all of these have ended well, and not before.
    pub follows: Vec<String>,
    /// Instances of one gang are launched all together or not at all; when one fails, all are started anew. Once every
    /// job among them has finished, the others are stopped.
    pub gang: Option<String>,
    /// With whom it takes turns when it is changed.
    pub rolling: Rolling,
    /// After an end that nobody asked for, wait at least so long before the next launch, milliseconds. For services
    /// that hold a session elsewhere which has to expire first.
    pub relaunch_ms: u64,
    /// Never on an agent on which another instance with the same [`Rolling::group`] has its place.
    pub one_per_agent: bool,
    /// It holds nothing where it runs, and finds everywhere what it needs: when it does not run and its agent does not
    /// offer its place for a while, it is launched elsewhere. Not for one with volumes.
    pub roams: bool,
}

impl InstanceSpec {
    /// What its volumes take together, MiB.
    pub(crate) fn disk(&self) -> f64 {
        self.volumes.iter().map(|v| v.size as f64).sum()
    }
}

/// When an instance has reached what it is there for; names as in dcos-commons.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GoalState {
    /// It runs for ever; an end is a failure.
    #[default]
    Running,
    /// It runs to completion, and again when what it runs has changed.
    Finish,
    /// It runs to completion, and never again unless somebody asks.
    Once,
}

/// When a job runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// The times.
    pub schedule: Schedule,
    /// What happens when a time comes and the last run is not over.
    #[serde(default)]
    pub overlap: Overlap,
    /// What happens when a time has passed while this scheduler was away.
    #[serde(default)]
    pub missed: Missed,
}

/// Changes take down at most so many of those with the same group at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rolling {
    /// Name of the group; by default all instances form one.
    pub group: String,
    /// How many may be down at once, at least 1.
    pub at_once: u32,
}

impl Default for Rolling {
    fn default() -> Self {
        Self { group: String::new(), at_once: 1 }
    }
}

/// A port of an instance. Once assigned it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortSpec {
    /// For example `client`.
    pub name: String,
    /// A number or range that the user insists on, inclusive.
    pub within: Option<(u16, u16)>,
    /// All instances had best have the same number. Where one was replaced, it must have the number that it had: there are
    /// services whose members know each other by address alone and take their own port for everybody's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub uniform: bool,
}

impl PortSpec {
    /// A port that may be any.
    pub fn any(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// A port that is the same for all instances, as far as agents offer it.
    pub fn uniform(name: impl Into<String>) -> Self {
        Self { uniform: true, ..Self::any(name) }
    }
}

impl VolumeSpec {
    /// The directory `data` of this size.
    pub fn data(size: Size) -> Self {
        Self { path: "data".into(), size: size.mib() }
    }
}

/// A persistent volume of an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeSpec {
    /// Directory in the sandbox where it appears, for example `data`.
    pub path: String,
    /// Size in MiB.
    pub size: u64,
}

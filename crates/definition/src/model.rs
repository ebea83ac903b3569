//! What a definition says, as YAML has it. The comments are the reference that editors show.

use std::collections::{BTreeMap, BTreeSet};

use cairn_units::{Missed, Overlap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Command, Text, engine};

/// A service as data: groups of tasks and what they give to others. Every text may be a template in which `options`,
/// `inputs` and, where it is known, the place of a task are variables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Groups of like tasks by name; the tasks are called `NAME-0`, `NAME-1`, …
    #[schemars(length(min = 1))]
    pub groups: BTreeMap<String, Group>,
    /// Values for dependents by name: templates, or where to read them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, Output>,
}

/// Like tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// How many tasks; `"*"` for one on every agent.
    #[serde(default = "one")]
    pub count: Text,
    /// What each of them runs.
    pub command: Command,
    /// Commands that run to completion before it, in order, every time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepare: Vec<Command>,
    /// Programs that must be on the agent's PATH, each with what to do when it is not.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requires: BTreeMap<String, String>,
    /// Files that the agent fetches first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<ArtifactDef>,
    /// Files that are rendered into the sandbox, by path; a path may lead into a volume.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, FileDef>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Text>,
    /// CPU share.
    #[serde(default = "default_cpus")]
    pub cpus: Text,
    /// Memory: a size such as `256MiB`, or a number of MiB.
    #[serde(default = "default_mem")]
    pub mem: Text,
    /// Ports it listens on: a list of names, or names with a number or a range `9000-9010`.
    #[serde(default, skip_serializing_if = "Ports::is_empty")]
    pub ports: Ports,
    /// Persistent volumes: directory in the sandbox and size, for example `data: 1GiB`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Text>,
    /// Where the tasks may run, for example `hostname:unique`.
    #[serde(default, skip_serializing_if = "Lines::is_empty")]
    pub constraints: Lines,
    /// User and group id to run as, where the agent is root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as: Option<Text>,
    /// When a task counts as ready. Absent: as soon as its process runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<ReadyDef>,
    /// How it is watched from then on. Absent: a running process is healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthDef>,
    /// Time between SIGTERM and SIGKILL when it is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Text>,
    /// Groups that must serve, or be done, before this one starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// How many tasks of the group a change may take down at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_unavailable: Option<u32>,
    /// Its tasks run to completion instead of for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// When a timed job runs, in UTC: a cron expression such as `0 3 * * *`, or a repeating interval of ISO 8601 such as
    /// `R/2026-01-01T00:00:00Z/PT1H`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Text>,
    /// A timed job: its time comes and the last run is not over [default: skip].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
    /// A timed job: times that have passed while its scheduler was away [default: run].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<Missed>,
    /// How often a failed job, or a failed gang, is tried again before an operator is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// Groups with the same gang start all together or not at all; when a task fails, all are started anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub gang: Option<String>,
    /// Its task is a scheduler that registers with the master by itself, under the name `{{ framework }}`. When the service is
    /// destroyed, that framework is torn down with all its tasks.
    #[serde(default, skip_serializing_if = "is_false")]
    pub external: bool,
}

fn one() -> Text {
    "1".into()
}

fn default_cpus() -> Text {
    "0.1".into()
}

fn default_mem() -> Text {
    "64".into()
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Group {
    /// How often it is tried again: services for ever, jobs and gangs are given up some time.
    pub fn retries(&self) -> Option<u32> {
        let usual = match self.job {
            Some(Job::Timed) => Some(0),
            Some(Job::Once | Job::Change) => Some(3),
            None => self.gang.is_some().then_some(3),
        };
        self.retries.or(usual)
    }

    /// All texts that are filled in at the launch of a task.
    fn texts(&self) -> Vec<String> {
        let words = |command: &Command| command.words().unwrap_or_default();
        let ready = self.ready.clone().unwrap_or_default().probe;
        let health = self.health.clone().unwrap_or_default().probe;
        let exchanges = [ready.exchange, health.exchange].into_iter().flatten().map(|exchange| exchange.to);
        let probes = [ready.command.as_ref(), health.command.as_ref()].into_iter().flatten();
        let commands = std::iter::once(&self.command).chain(probes);
        commands
            .chain(&self.prepare)
            .flat_map(words)
            .chain(
                self.files.values().map(FileDef::whole).filter(|file| !file.raw).filter_map(|file| file.text),
            )
            .chain(self.env.values().map(|text| text.0.clone()))
            .chain([ready.tcp, ready.http, health.tcp, health.http].into_iter().flatten())
            .chain(exchanges)
            .collect()
    }

    /// The groups whose places its texts use: those under `peers`, all where one uses `peers` as a whole.
    pub fn peers(&self, groups: &BTreeMap<String, Self>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for variable in self.texts().iter().flat_map(|text| engine::variables(text).unwrap_or_default()) {
            match variable.strip_prefix("peers") {
                Some("") => found.extend(groups.keys().cloned()),
                Some(rest) => {
                    found.extend(
                        rest.strip_prefix('.').and_then(|rest| rest.split('.').next()).map(str::to_owned),
                    );
                }
                None => {}
            }
        }
        found
    }
}

/// A job's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Once in the life of the service.
    Once,
    /// Once for each change of what it runs.
    Change,
    /// At the times of `schedule`.
    Timed,
}

/// A file that the agent fetches: one of `uri` and `distribution`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ArtifactDef {
    /// Where it is: `http://…`, `https://…`, `file:///…` or an absolute path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// A version among the spec's `distributions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Text>,
    /// Hex SHA-256 of it; anything else is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Whether to unpack it (tar, tar.gz, zip). Distributions always are.
    #[serde(skip_serializing_if = "is_false")]
    pub extract: bool,
    /// Its name in the sandbox, where that is not the last part of the URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// A rendered file: its text, or more about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FileDef {
    /// Its text, a template.
    Text(String),
    /// Its text or where the text is, and its mode.
    Whole(WholeFile),
}

/// A rendered file in full.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WholeFile {
    /// Its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A file beside the spec that holds the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The text is no template.
    #[serde(skip_serializing_if = "is_false")]
    pub raw: bool,
    /// Its permission bits. Absent: `private` where a secret option is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
    /// Written only where it is not there yet, and no reason for a restart when it changes.
    #[serde(skip_serializing_if = "is_false")]
    pub keep: bool,
}

/// Permission bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileMode {
    /// 0644.
    Normal,
    /// 0600.
    Private,
    /// 0755.
    Executable,
}

impl FileDef {
    /// The file in full.
    pub fn whole(&self) -> WholeFile {
        match self {
            Self::Text(text) => WholeFile { text: Some(text.clone()), ..WholeFile::default() },
            Self::Whole(whole) => whole.clone(),
        }
    }
}

/// Ports by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Ports {
    /// Any numbers.
    Names(Vec<String>),
    /// A number, a range, or a text that is empty where any number will do.
    Wanted(BTreeMap<String, Option<Text>>),
}

impl Default for Ports {
    fn default() -> Self {
        Self::Names(Vec::new())
    }
}

impl Ports {
    fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (list, map) = match self {
            Self::Names(names) => (Some(names), None),
            Self::Wanted(wanted) => (None, Some(wanted)),
        };
        let names = list.into_iter().flatten().map(String::as_str);
        names.chain(map.into_iter().flatten().map(|(name, _)| name.as_str()))
    }

    /// What was written for a port, if anything.
    pub fn wanted(&self, name: &str) -> Option<&Text> {
        match self {
            Self::Names(_) => None,
            Self::Wanted(wanted) => wanted.get(name)?.as_ref(),
        }
    }
}

/// Several texts: a list, or one text that is split at white space once it is filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Lines {
    /// Split when filled in.
    One(String),
    /// One by one.
    Many(Vec<String>),
}

impl Default for Lines {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Lines {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Many(lines) if lines.is_empty())
    }
}

/// How a task is asked: exactly one of `tcp`, `http`, `exchange` and `command`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProbeDef {
    /// `host:port` that accepts a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<String>,
    /// URL (plain HTTP) that answers with a status from 200 to 299.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// A text that is sent, and what must be in the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Exchange>,
    /// A command that exits with 0, run in the sandbox with the task's environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// Pause between two attempts [default: 500ms until it is ready, 10s afterwards].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Text>,
    /// How long an attempt may take [default: 5s].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Text>,
}

/// When a task counts as ready: exactly one of `tcp`, `http`, `exchange` and `command`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReadyDef {
    /// How it is asked.
    #[serde(flatten)]
    pub probe: ProbeDef,
    /// The task fails if it is not ready so long after its start. Absent: it may take for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Text>,
}

/// How a ready task is watched: exactly one of `tcp`, `http`, `exchange` and `command`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthDef {
    /// How it is asked.
    #[serde(flatten)]
    pub probe: ProbeDef,
    /// So many failures in a row make the task unhealthy [default: 3].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub failures: Option<u32>,
    /// Whether an unhealthy task is killed, and so started anew. Otherwise it is only told.
    #[serde(skip_serializing_if = "is_false")]
    pub kill: bool,
}

/// A question and its answer over TCP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// `host:port`.
    pub to: String,
    /// What is sent.
    pub send: String,
    /// What must be in the answer; alternatives are separated by `|`.
    pub expect: String,
}

/// An output: a template, or where to read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Output {
    /// A template over `peers`, `options` and `inputs`.
    Template(String),
    /// Read once everything is ready, and now and then afterwards.
    Fetched(FetchedOutput),
}

/// An output that is read: from a `url`, or from a `file` in the sandbox of the first task of a `group`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FetchedOutput {
    /// URL (plain HTTP, a template over `peers`) whose answer is the output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Path of a file, relative to the sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The group whose first task has the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// JSON Pointer (RFC 6901) into it, for example `/leader/address`. Absent: the whole text, trimmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

impl FetchedOutput {
    /// The part of what was read that is the output.
    ///
    /// # Errors
    /// There is none.
    pub fn pick(&self, text: &str) -> Result<String, String> {
        let Some(pointer) = &self.pointer else { return Ok(text.trim().to_owned()) };
        let value: Value =
            serde_json::from_str(text).map_err(|error| format!("what was read is not JSON: {error}"))?;
        match value.pointer(pointer) {
            None | Some(Value::Null) => Err(format!("what was read has nothing at `{pointer}`")),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Ok(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_picks_texts_and_other_values() {
        let pick = |text: &str, pointer: Option<&str>| {
            FetchedOutput { pointer: pointer.map(str::to_owned), ..FetchedOutput::default() }.pick(text)
        };
        let text = r#"{"leader": {"address": "127.0.0.2:1", "epoch": 3}}"#;
        assert_eq!(pick(text, Some("/leader/address")).unwrap(), "127.0.0.2:1");
        assert_eq!(pick(text, Some("/leader/epoch")).unwrap(), "3");
        assert_eq!(pick(" token\n", None).unwrap(), "token");
        assert!(pick(text, Some("/leader/name")).unwrap_err().contains("nothing at `/leader/name`"));
        assert!(pick("<html>", Some("/a")).unwrap_err().contains("not JSON"));
    }
}

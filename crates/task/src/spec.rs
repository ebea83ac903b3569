//! What an executor is told to run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{FollowSpec, HealthSpec, Place, ReadySpec, RenderError};

/// One service process with all that surrounds it. Every string that is marked *template* may use the variables of
/// [`Place`], for example `{{ ports.client }}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskSpec {
    /// Program and arguments (templates). Run without a shell in the sandbox. Must not be empty.
    pub command: Vec<String>,
    /// Environment on top of what the executor inherited (templates).
    pub env: BTreeMap<String, String>,
    /// Commands that run to completion before `command`, in order, every time (templates). A non-zero exit fails the
    /// task with the last lines of its output as the message.
    pub prepare: Vec<Vec<String>>,
    /// Files that are written into the sandbox before anything runs.
    pub files: Vec<ConfigFile>,
    /// Programs that must be found on PATH before the task starts, with the hint shown when one is not.
    pub requires: BTreeMap<String, String>,
    /// When the task counts as ready. Absent: as soon as the process runs.
    pub ready: Option<ReadySpec>,
    /// How the task's health is watched once it is ready. Absent: a running process is healthy.
    pub health: Option<HealthSpec>,
    /// Time between SIGTERM and SIGKILL when the task is stopped, milliseconds. 0 means the default, 10 s.
    pub grace_ms: u64,
    /// User and group id to run as, where the executor is root and the service must not be. Sandbox and volumes are
    /// given to it. Without effect where the executor is not root.
    pub run_as: Option<u32>,
    /// Files of other tasks on the agent that it wants to see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub follow: Vec<FollowSpec>,
}

/// Permission bits of a rendered file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileMode {
    /// 0644.
    #[default]
    Normal,
    /// 0600: holds a secret.
    Private,
    /// 0755.
    Executable,
}

/// A file that the executor renders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigFile {
    /// Path below the sandbox; may lead into a volume, for example `data/myid` (template). No `..`, not absolute.
    pub path: String,
    /// Content (template unless `raw`).
    pub content: String,
    /// Leave the content as it is.
    pub raw: bool,
    /// Permission bits.
    pub mode: FileMode,
    /// Write only if the file does not exist: for files that the service itself rewrites, such as ZooKeeper's
    /// dynamic configuration.
    pub keep: bool,
}

impl ConfigFile {
    /// A file whose content is taken as it is.
    pub fn raw(path: impl Into<String>, content: impl Into<String>) -> Self {
        Self { path: path.into(), content: content.into(), raw: true, ..Self::default() }
    }

    /// A file whose content is a template, filled in beside the task.
    pub fn filled(path: impl Into<String>, template: impl Into<String>) -> Self {
        Self { path: path.into(), content: template.into(), ..Self::default() }
    }

    /// The same, written once and left alone: what it says may change without a restart, and holds from the next launch on.
    #[must_use]
    pub fn kept(self) -> Self {
        Self { keep: true, ..self }
    }

    /// The same, for its owner's eyes only.
    #[must_use]
    pub fn private(self) -> Self {
        Self { mode: FileMode::Private, ..self }
    }
}

impl TaskSpec {
    /// The same spec with every template rendered for `place`.
    ///
    /// # Errors
    /// The first template that does not render, with its place in the spec and the engine's reason.
    pub fn render(&self, place: &Place) -> Result<Self, RenderError> {
        let mut out = self.clone();
        out.command = place.render_all("command", &self.command)?;
        out.prepare =
            self.prepare.iter().map(|c| place.render_all("prepare", c)).collect::<Result<_, _>>()?;
        for (name, value) in &mut out.env {
            *value = place.render(&format!("env {name}"), value)?;
        }
        for file in &mut out.files {
            file.path = place.render("file path", &file.path)?;
            if !file.raw {
                file.content = place.render(&format!("file {}", file.path), &file.content)?;
            }
        }
        if let Some(ready) = &mut out.ready {
            ready.probe.kind = ready.probe.kind.render(place)?;
        }
        if let Some(health) = &mut out.health {
            health.probe.kind = health.probe.kind.render(place)?;
        }
        Ok(out)
    }
}

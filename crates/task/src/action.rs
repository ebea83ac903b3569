//! Commands that run beside a service, in its sandbox: what a scheduler asks an executor, and what it answers.
//!
//! Both travel as JSON in framework messages, which may get lost. So the scheduler asks again until it has heard the end,
//! and the executor never runs an action that it knows a second time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Place, RenderError};

/// Most of an action's output that a report carries, bytes: its end.
pub const OUTPUT_MAX: usize = 16 * 1024;

/// A command that runs to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Action {
    /// Identity: the same id is the same run. `[A-Za-z0-9._-]`, at most 120 characters.
    pub id: String,
    /// Program and arguments (templates). Run without a shell in the sandbox.
    pub argv: Vec<String>,
    /// Environment on top of the task's (templates).
    pub env: BTreeMap<String, String>,
    /// It is ended after so long, milliseconds. 0: it may take for ever.
    pub timeout_ms: u64,
}

/// What a scheduler asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Start it, unless it has been started already.
    Run(Action),
    /// End it.
    Abort {
        /// Which.
        id: String,
    },
    /// Say how it is.
    Ask {
        /// Which.
        id: String,
    },
    /// Forget its result, so that it can be run again.
    Forget {
        /// Which.
        id: String,
    },
}

/// What the executor answers to every order, and tells by itself at the end of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionReport {
    /// Which action.
    pub id: String,
    /// How it is.
    #[serde(flatten)]
    pub state: ActionState,
}

/// How an action is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum ActionState {
    /// This executor has never heard of it, or has forgotten it.
    Unknown,
    /// It runs.
    Running {
        /// End of what it has written so far, standard output and error together.
        output: String,
    },
    /// It ended by itself.
    Done {
        /// Exit status; 0 is success.
        code: i32,
        /// End of what it wrote.
        output: String,
    },
    /// It was ended because somebody asked for that.
    Aborted {
        /// End of what it wrote.
        output: String,
    },
    /// It could not be started, took too long, or died of a signal.
    Failed {
        /// Why.
        reason: String,
        /// End of what it wrote.
        output: String,
    },
}

impl ActionState {
    /// It is over.
    pub fn is_over(&self) -> bool {
        !matches!(self, Self::Unknown | Self::Running { .. })
    }

    /// End of what it has written.
    pub fn output(&self) -> &str {
        match self {
            Self::Unknown => "",
            Self::Running { output }
            | Self::Done { output, .. }
            | Self::Aborted { output }
            | Self::Failed { output, .. } => output,
        }
    }
}

impl Action {
    /// The same with every template rendered for `place`.
    ///
    /// # Errors
    /// The first template that does not render.
    pub fn render(&self, place: &Place) -> Result<Self, RenderError> {
        let mut out = self.clone();
        out.argv = place.render_all("action", &self.argv)?;
        for (name, value) in &mut out.env {
            *value = place.render(&format!("env {name}"), value)?;
        }
        Ok(out)
    }

    /// Whether the id can name a file.
    pub fn has_plain_id(&self) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        (1..=120).contains(&self.id.len()) && self.id.chars().all(plain) && !self.id.starts_with('.')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_words_on_the_wire() {
        let run = Order::Run(Action { id: "a".into(), argv: vec!["true".into()], ..Action::default() });
        assert_eq!(
            serde_json::to_value(&run).unwrap(),
            json!({ "run": { "id": "a", "argv": ["true"], "env": {}, "timeout_ms": 0 } })
        );
        assert_eq!(
            serde_json::from_value::<Order>(json!({ "run": { "id": "a", "argv": ["true"] } })).unwrap(),
            run
        );
        let done = ActionState::Done { code: 0, output: "x".into() };
        let report = ActionReport { id: "a".into(), state: done };
        let value = json!({ "id": "a", "state": "done", "code": 0, "output": "x" });
        assert_eq!(serde_json::to_value(&report).unwrap(), value);
        assert_eq!(serde_json::from_value::<ActionReport>(value).unwrap(), report);
    }

    #[test]
    fn ids_can_name_files() {
        let plain = |id: &str| Action { id: id.into(), ..Action::default() }.has_plain_id();
        assert!(plain("repair-1f.node-2"));
        assert!(!plain("") && !plain("../x") && !plain("a b") && !plain(&"x".repeat(121)) && !plain(".x"));
    }
}

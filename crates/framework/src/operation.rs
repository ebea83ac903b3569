//! Operations: named work inside a running service, such as `repair`, `cleanup` or `snapshot`, on one, some or all of its
//! instances.
//!
//! A service declares them in [`crate::Service::operations`] and carries a step out in [`crate::Service::operate`]. The SDK
//! keeps them: what was asked for is stored before anything happens, one instance follows the other (or all go at once), a
//! step begins only on an instance that serves and is not about to be restarted, changes wait until it is done, and a
//! restart of the scheduler goes on where it was. `/v1/operations` lists, begins and aborts them.
//!
//! Where a step is a command beside the instance, [`Handle::carry_out`] does all of it:
//!
//! ```
//! # use cairn_framework::{Handle, Operate, OperationSpec, Progress}; use cairn_task::Action;
//! fn operations() -> Vec<OperationSpec> {
//!     vec![OperationSpec { arguments: &[("keyspace", "Only this one")], ..OperationSpec::new("repair", "Repair replicas") }]
//! }
//!
//! async fn operate(handle: &Handle, step: &Operate) -> Progress {
//!     let mut argv = ["java", "-cp", "lib/*", "NodeTool", "-p", "{{ ports.jmx }}", "repair"].map(String::from).to_vec();
//!     argv.extend(step.argument("keyspace"));
//!     handle.carry_out(step, Action { argv, ..Action::default() }).await
//! }
//! ```

use std::sync::Arc;

use cairn_task::{Action, ActionState};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Config, Handle, View};

/// An operation that a service offers. Build it with [`OperationSpec::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OperationSpec {
    /// For example `repair`: `[a-z][a-z0-9-]*`.
    pub name: &'static str,
    /// What it does, for people.
    pub summary: &'static str,
    /// On all chosen instances at once; otherwise one after the other, and the first failure ends it.
    pub parallel: bool,
    /// Arguments it takes, each with what it means.
    pub arguments: &'static [(&'static str, &'static str)],
}

impl OperationSpec {
    /// One instance after the other, without arguments.
    pub const fn new(name: &'static str, summary: &'static str) -> Self {
        Self { name, summary, parallel: false, arguments: &[] }
    }
}

/// One step of an operation: what a service is asked to do, again and again until it is done.
#[derive(Debug, Clone)]
pub struct Operate {
    /// Identity of the step, the same over restarts of the scheduler: fit to be the id of an [`Action`].
    pub id: String,
    /// Which operation.
    pub operation: String,
    /// On which instance. It serves when the step begins.
    pub instance: String,
    /// What the operator gave, only names that the operation has.
    pub arguments: Map<String, Value>,
    /// The operator wants it ended: end it, and answer [`Progress::Failed`] when nothing of it goes on.
    pub abort: bool,
    /// Effective configuration.
    pub config: Config,
    /// All instances as they are.
    pub view: Arc<View>,
}

impl Operate {
    /// An argument as text, if it was given: a text as it is, anything else as JSON.
    pub fn argument(&self, name: &str) -> Option<String> {
        match self.arguments.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Ask again; what people see meanwhile.
    Running(String),
    /// It is done; what came out, for people. Only its end is kept if it is long.
    Done(String),
    /// It has failed, or was aborted, and nothing of it goes on.
    Failed(String),
}

/// Statuses of operations and their steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationStatus {
    /// Not begun.
    #[default]
    Pending,
    /// Begun.
    Started,
    /// Done.
    Complete,
    /// Failed.
    Error,
    /// Ended or never begun, because an operator said so or a step before it failed.
    Aborted,
}

impl OperationStatus {
    /// Nothing more happens.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::Started)
    }
}

/// An operation that was asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Operation {
    /// Its identity, for example `repair-1f3a9c20`.
    pub id: String,
    /// Which one.
    pub operation: String,
    /// What the operator gave.
    pub arguments: Map<String, Value>,
    /// All instances at once.
    pub parallel: bool,
    /// How far it is.
    pub status: OperationStatus,
    /// An operator wants it ended.
    pub aborting: bool,
    /// When it was asked for, milliseconds since the epoch.
    pub asked_ms: u64,
    /// When its last step was over.
    pub ended_ms: Option<u64>,
    /// An instance each, in order.
    pub steps: Vec<OperationStep>,
}

/// An operation on one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperationStep {
    /// On which instance.
    pub instance: String,
    /// How far it is.
    pub status: OperationStatus,
    /// What it waits for, or what came out.
    pub message: String,
    /// Task of the instance in which it was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}

impl Operation {
    /// Its step on this instance has begun and is not over.
    pub(crate) fn is_on(&self, instance: &str) -> bool {
        self.steps.iter().any(|s| s.instance == instance && s.status == OperationStatus::Started)
    }

    /// What all its steps come to.
    pub(crate) fn summary(&self) -> OperationStatus {
        let any = |status| self.steps.iter().any(|s| s.status == status);
        match () {
            () if any(OperationStatus::Started) => OperationStatus::Started,
            () if any(OperationStatus::Pending) && self.steps.iter().any(|s| s.status.is_over()) => {
                OperationStatus::Started
            }
            () if any(OperationStatus::Pending) => OperationStatus::Pending,
            () if any(OperationStatus::Error) => OperationStatus::Error,
            () if any(OperationStatus::Aborted) => OperationStatus::Aborted,
            () => OperationStatus::Complete,
        }
    }
}

impl Handle {
    /// Carries out a step that is a command beside the instance; its id is the step's. Exit status 0 is success.
    pub async fn carry_out(&self, step: &Operate, action: Action) -> Progress {
        let action = Action { id: step.id.clone(), ..action };
        let state = if step.abort {
            self.abort(&step.instance, &action.id).await
        } else {
            self.run(&step.instance, &action).await
        };
        match state {
            Ok(state) => progress(state, step.abort),
            Err(why) => Progress::Running(why),
        }
    }
}

fn progress(state: ActionState, abort: bool) -> Progress {
    match state {
        ActionState::Unknown if abort => Progress::Failed("it had not begun".into()),
        ActionState::Unknown => Progress::Running(String::new()),
        ActionState::Running { output } => {
            Progress::Running(output.lines().next_back().unwrap_or_default().to_owned())
        }
        ActionState::Done { code: 0, output } => Progress::Done(output),
        ActionState::Done { code, output } => Progress::Failed(format!("exit status {code}\n{output}")),
        ActionState::Aborted { output } => Progress::Failed(format!("aborted\n{output}")),
        ActionState::Failed { reason, output } => Progress::Failed(format!("{reason}\n{output}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_commands() {
        let output = || "a\nb\n".to_owned();
        assert_eq!(
            progress(ActionState::Running { output: output() }, false),
            Progress::Running("b".into()),
            "the last line is what people see"
        );
        assert_eq!(progress(ActionState::Done { code: 0, output: output() }, true), Progress::Done(output()));
        assert_eq!(
            progress(ActionState::Done { code: 2, output: output() }, false),
            Progress::Failed("exit status 2\na\nb\n".into())
        );
        assert!(matches!(progress(ActionState::Unknown, true), Progress::Failed(_)));
        assert!(matches!(progress(ActionState::Unknown, false), Progress::Running(_)));
    }

    #[test]
    fn a_whole_is_what_its_steps_come_to() {
        use OperationStatus::{Aborted, Complete, Error, Pending, Started};
        let of = |statuses: &[OperationStatus]| {
            let step =
                |status: &OperationStatus| OperationStep { status: *status, ..OperationStep::default() };
            Operation { steps: statuses.iter().map(step).collect(), ..Operation::default() }.summary()
        };
        assert_eq!(of(&[Pending, Pending]), Pending);
        assert_eq!(of(&[Complete, Pending]), Started);
        assert_eq!(of(&[Error, Started]), Started);
        assert_eq!(of(&[Complete, Error, Aborted]), Error);
        assert_eq!(of(&[Complete, Aborted]), Aborted);
        assert_eq!(of(&[Complete, Complete]), Complete);
    }
}

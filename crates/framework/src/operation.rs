//! Operations: named work inside a running service, such as `repair`, `cleanup` or `snapshot`, on one, some or all of its
//! instances.
//!
//! A service declares them in [`crate::Service::operations`]. The SDK keeps them: what was asked for is stored before anything
//! happens, one instance follows the other (or all go at once), a step begins only on an instance that serves and is not about
//! to be restarted, changes wait until it is done, and a restart of the scheduler goes on where it was. `/v1/operations` lists,
//! begins and aborts them.
//!
//! Where a step is a script beside the instance, a declaration is all there is to write:
//!
//! ```
//! # use cairn_framework::{Argument, OperationSpec};
//! const KEYSPACE: Argument = Argument::name("keyspace", "Only this one").after("--");
//! const REPAIR: OperationSpec = OperationSpec {
//!     arguments: &[Argument::truth("full", "Compare all rows").after("-full"), KEYSPACE],
//!     ..OperationSpec::script("repair", "Repair replicas", &["nodetool.sh", "repair"])
//! };
//! ```
//!
//! Other steps are carried out by [`crate::Service::operate`].

use std::sync::Arc;

use cairn_task::{Action, ActionState};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::kit::{check, sh};
use crate::{Config, Handle, Problem, View};

/// An operation that a service offers. Build it with [`OperationSpec::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationSpec {
    /// For example `repair`: `[a-z][a-z0-9-]*`.
    pub name: &'static str,
    /// What it does, for people.
    pub summary: &'static str,
    /// On all chosen instances at once; otherwise one after the other, and the first failure ends it.
    pub parallel: bool,
    /// Arguments it takes.
    pub arguments: &'static [Argument],
    /// The shell script that a step is, in the instance's sandbox, with its first words; what was given for the arguments
    /// follows, in their order. Empty: the service carries it out, in [`crate::Service::operate`].
    pub script: &'static [&'static str],
    /// The script that ends the work of an aborted step, where the other one only waits for it.
    pub ended_by: &'static [&'static str],
}

impl OperationSpec {
    /// One instance after the other, without arguments.
    pub const fn new(name: &'static str, summary: &'static str) -> Self {
        Self { name, summary, parallel: false, arguments: &[], script: &[], ended_by: &[] }
    }

    /// The same, of steps that are a script: see [`Self::script`].
    pub const fn script(name: &'static str, summary: &'static str, script: &'static [&'static str]) -> Self {
        Self { script, ..Self::new(name, summary) }
    }

    /// The same, on all chosen instances at once.
    #[must_use]
    pub const fn at_once(self) -> Self {
        Self { parallel: true, ..self }
    }

    /// What is wrong with the arguments of this operation.
    pub(crate) fn check(&self, given: &Map<String, Value>) -> Vec<Problem> {
        self.arguments.iter().filter_map(|argument| argument.check(given.get(argument.name))).collect()
    }

    /// The command line of a step.
    pub fn line(&self, step: &Operate) -> Vec<String> {
        let given = self.arguments.iter().flat_map(|argument| argument.words(step.argument(argument.name)));
        sh(self.script).into_iter().chain(given).collect()
    }

    /// Has the script of a step run, or ended with what it has begun.
    pub(crate) async fn carry_out(&self, handle: &Handle, step: &Operate) -> Progress {
        if step.abort && !self.ended_by.is_empty() {
            let end =
                Action { id: format!("{}.stop", step.id), argv: sh(self.ended_by), ..Action::default() };
            match handle.run(&step.instance, &end).await {
                Ok(state) if state.is_over() => {}
                Ok(_) => return Progress::Running("is being stopped".into()),
                Err(why) => return Progress::Running(why),
            }
        }
        handle.carry_out(step, Action { argv: self.line(step), ..Action::default() }).await
    }
}

/// An argument of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// What it means, for people.
    pub about: &'static str,
    kind: Kind,
    /// What it is needed for.
    needed: Option<&'static str>,
    /// The word of a command before it.
    after: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Any,
    Name,
    Truth,
}

impl Argument {
    const fn new(name: &'static str, about: &'static str, kind: Kind) -> Self {
        Self { name, about, kind, needed: None, after: None }
    }

    /// Whatever the service takes.
    pub const fn any(name: &'static str, about: &'static str) -> Self {
        Self::new(name, about, Kind::Any)
    }

    /// A name, which can be a word of a command line: see [`check::is_plain`].
    pub const fn name(name: &'static str, about: &'static str) -> Self {
        Self::new(name, about, Kind::Name)
    }

    /// True or false; true is the word of [`Self::after`].
    pub const fn truth(name: &'static str, about: &'static str) -> Self {
        Self::new(name, about, Kind::Truth)
    }

    /// It must be given; what for.
    #[must_use]
    pub const fn needed(self, why: &'static str) -> Self {
        Self { needed: Some(why), ..self }
    }

    /// On a command line it follows this word.
    #[must_use]
    pub const fn after(self, word: &'static str) -> Self {
        Self { after: Some(word), ..self }
    }

    fn check(&self, given: Option<&Value>) -> Option<Problem> {
        let value = match (given, self.needed) {
            (Some(value), _) => value,
            (None, Some(why)) => return Some(Problem::new(self.name, format!("is missing: {why}"))),
            (None, None) => return None,
        };
        match self.kind {
            Kind::Truth if !value.is_boolean() => Some(Problem::new(self.name, "is true or false")),
            Kind::Name
                if !value.as_str().is_some_and(|text| check::is_plain(text) && !text.starts_with('-')) =>
            {
                Some(Problem::new(self.name, "cannot be a name").help(check::PLAIN))
            }
            Kind::Truth | Kind::Name | Kind::Any => None,
        }
    }

    /// Its words on a command line.
    fn words(&self, given: Option<String>) -> Vec<String> {
        let after = self.after.map(str::to_owned);
        match (self.kind, given) {
            (_, None) => Vec::new(),
            (Kind::Truth, Some(text)) => after.filter(|_| text == "true").into_iter().collect(),
            (_, Some(text)) => after.into_iter().chain([text]).collect(),
        }
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
    use serde_json::json;

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

    const SPEC: OperationSpec = OperationSpec {
        arguments: &[
            Argument::name("tag", "Its name").after("-t").needed("it is found by it"),
            Argument::truth("full", "All of it").after("-full"),
            Argument::any("times", "How often"),
        ],
        ..OperationSpec::script("snapshot", "Keep all", &["tool", "snapshot"])
    };

    fn step(arguments: &Value) -> Operate {
        Operate {
            id: "x".into(),
            operation: "snapshot".into(),
            instance: "node-0".into(),
            arguments: arguments.as_object().cloned().unwrap_or_default(),
            abort: false,
            config: Config::default(),
            view: Arc::default(),
        }
    }

    #[test]
    fn arguments_are_checked_and_become_words() {
        let line = |arguments: &Value| SPEC.line(&step(arguments)).join(" ");
        assert_eq!(
            line(&json!({ "times": 3, "full": true, "tag": "monday" })),
            "/bin/sh tool snapshot -t monday -full 3"
        );
        assert_eq!(line(&json!({ "full": false })), "/bin/sh tool snapshot");
        let wrong = |arguments: &Value| -> Vec<String> {
            SPEC.check(&step(arguments).arguments).iter().map(ToString::to_string).collect()
        };
        assert!(wrong(&json!({ "tag": "a.b_c", "full": false, "times": "x y" })).is_empty());
        assert_eq!(wrong(&json!({})), ["tag: is missing: it is found by it"]);
        assert_eq!(
            wrong(&json!({ "tag": "--all", "full": "yes" })),
            ["tag: cannot be a name", "full: is true or false"]
        );
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

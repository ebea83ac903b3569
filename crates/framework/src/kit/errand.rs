//! Errands: commands beside a node that a gate has run before it says yes. They may take hours.

use cairn_task::{Action, ActionState};

use crate::{Handle, Verdict};

/// A command to be run beside an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// The instance.
    pub on: String,
    /// The command; its id is the same as long as it is the same errand.
    pub action: Action,
    /// What it is about, for people.
    pub what: String,
}

impl Errand {
    /// A shell script in the instance's sandbox, with its arguments.
    pub fn script(on: &str, id: &str, script: &[&str], what: String) -> Self {
        let action = Action { id: id.to_owned(), argv: super::sh(script), ..Action::default() };
        Self { on: on.to_owned(), action, what }
    }

    /// Yes once the command has succeeded; one that fails is tried again by the next question.
    pub async fn run(self, handle: &Handle) -> Verdict {
        let Self { on, action, what } = self;
        match handle.run(&on, &action).await {
            Ok(ActionState::Done { code: 0, .. }) => Verdict::Go,
            Ok(ActionState::Running { .. } | ActionState::Unknown) => Verdict::Wait(what),
            Ok(ended) => {
                handle.forget(&on, &action.id).await;
                let why =
                    ended.output().lines().rfind(|line| !line.trim().is_empty()).unwrap_or("without a word");
                Verdict::Wait(format!("{what}: failed, and is tried again: {why}"))
            }
            Err(why) => Verdict::Wait(format!("{what}: {why}")),
        }
    }
}

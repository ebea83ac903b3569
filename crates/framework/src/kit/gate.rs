//! What gates come to. A gate of a service that is not trivial decides purely, from what a survey says, and may find that
//! something has to be done first; the shell around it does that and looks again.

use serde_json::Value;

use super::Errand;
use crate::Verdict;

/// A gate's decision; `A` is what the service can have done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<A> {
    /// That is the answer.
    Say(Verdict),
    /// Do this first, then look again.
    Do(A),
    /// Have this command run beside an instance first, which may take hours; with its success the answer is yes.
    Run(Errand),
    /// Tasks that are about to be rendered must know this first.
    Note(Note),
}

/// Something to be observed, see [`crate::Handle::observe`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Under this key.
    pub key: String,
    /// This.
    pub value: Value,
    /// What is told meanwhile.
    pub meanwhile: String,
}

/// A decision, or what has to be waited for.
pub type Decided<A> = Result<Decision<A>, String>;

impl<A> Decision<A> {
    /// Go on.
    pub const GO: Self = Self::Say(Verdict::Go);

    /// Not now.
    pub fn wait(reason: impl Into<String>) -> Self {
        Self::Say(Verdict::Wait(reason.into()))
    }

    /// A shell script in an instance's sandbox, with its arguments: see [`Errand::script`].
    pub fn run(on: &str, id: &str, script: &[&str], what: String) -> Self {
        Self::Run(Errand::script(on, id, script, what))
    }

    /// This has to be observed.
    pub fn note(key: impl Into<String>, value: impl Into<Value>, meanwhile: impl Into<String>) -> Self {
        Self::Note(Note { key: key.into(), value: value.into(), meanwhile: meanwhile.into() })
    }

    /// Never, unless somebody changes something.
    pub fn refuse(reason: impl Into<String>) -> Self {
        Self::Say(Verdict::Refuse(reason.into()))
    }
}

impl<A> From<Decided<A>> for Decision<A> {
    fn from(decided: Decided<A>) -> Self {
        decided.unwrap_or_else(Self::wait)
    }
}

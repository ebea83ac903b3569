//! What gates come to. A gate of a service that is not trivial decides purely, from what a survey says, and may find that
//! something has to be done first; the shell around it does that and looks again.

use crate::Verdict;

/// A gate's decision; `A` is what the service can have done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<A> {
    /// That is the answer.
    Say(Verdict),
    /// Do this first, then look again.
    Do(A),
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

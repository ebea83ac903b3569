//! Whether offers are to be made for other reasons than that something of an agent has become free or taken.

/// Who may want what nobody wanted when offers were last made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Attention {
    #[default]
    Nobody,
    /// Those whose wishes have changed since.
    Some,
    /// Something has happened that concerns all.
    Everybody,
}

impl Attention {
    pub(crate) fn somebody(&mut self) {
        *self = (*self).max(Self::Some);
    }

    pub(crate) fn everybody(&mut self) {
        *self = Self::Everybody;
    }

    pub(crate) fn is_wanted(self) -> bool {
        self != Self::Nobody
    }

    pub(crate) fn is_for_everybody(self) -> bool {
        self == Self::Everybody
    }
}

//! Whose wishes have changed since offers were last made.
//!
//! After offers have been made, nobody wants what is left. So an agent where nothing has changed need only be shown to those
//! who want something else by now, unless something has happened that concerns everybody.

use std::collections::BTreeSet;

/// Who is to be considered for agents that have not changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attention {
    everybody: bool,
    frameworks: BTreeSet<String>,
}

impl Attention {
    pub(crate) fn framework(&mut self, id: &str) {
        self.frameworks.insert(id.to_owned());
    }

    pub(crate) fn everybody(&mut self) {
        self.everybody = true;
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.everybody || !self.frameworks.is_empty()
    }

    pub(crate) fn is_for_everybody(&self) -> bool {
        self.everybody
    }

    /// Those that may want something else than before.
    pub(crate) fn frameworks(&self) -> impl Iterator<Item = &String> {
        self.frameworks.iter()
    }
}

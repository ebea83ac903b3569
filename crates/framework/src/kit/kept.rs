//! What is declared is kept: how that went for all of it comes to one verdict.

use crate::Verdict;

/// At most so many reasons to wait are told.
const SHOWN: usize = 5;

/// What could not be done, and what is not done yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    refused: Vec<String>,
    waits: Vec<String>,
}

impl Kept {
    /// What the service would refuse again, and what is on its way.
    pub fn of(refused: Vec<String>, waits: Vec<String>) -> Self {
        Self { refused, waits }
    }

    /// And this.
    pub(crate) fn extend(&mut self, more: Self) {
        self.refused.extend(more.refused);
        self.waits.extend(more.waits);
    }

    /// The service would say the same next time.
    pub fn refused(&mut self, reason: impl Into<String>) {
        self.refused.push(reason.into());
    }

    /// It is on its way, or did not work this time.
    pub fn waits(&mut self, reason: impl Into<String>) {
        self.waits.push(reason.into());
    }

    /// All together: a refusal is told before what only takes its time.
    pub fn verdict(self) -> Verdict {
        match (self.refused.is_empty(), self.waits.is_empty()) {
            (false, _) => Verdict::Refuse(self.refused.join("; ")),
            (true, false) => Verdict::Wait(shown(&self.waits)),
            (true, true) => Verdict::Go,
        }
    }
}

/// The first of them, and how many more there are.
fn shown(reasons: &[String]) -> String {
    let first = reasons.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    match reasons.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_first() {
        let mut kept = Kept::default();
        assert_eq!(kept.clone().verdict(), Verdict::Go);
        kept.waits("a");
        kept.waits("b");
        assert_eq!(kept.clone().verdict(), Verdict::Wait("a; b".into()));
        let mut many = kept.clone();
        (0..5).for_each(|n| many.waits(n.to_string()));
        assert_eq!(many.verdict(), Verdict::Wait("a; b; 0; 1; 2 and 2 more".into()));
        kept.refused("c");
        assert_eq!(kept.verdict(), Verdict::Refuse("c".into()));
    }
}

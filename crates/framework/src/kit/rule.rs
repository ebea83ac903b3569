//! Safety rules that have names, which stand in the reasons of a gate, and by which an operator can switch them off.

use std::collections::BTreeSet;

use serde::Serialize;

/// A rule that says no for the reason `broken`, if there is one, unless it is among those that an operator has switched off:
/// then it is logged. A rule's name is what it is in JSON.
///
/// # Errors
/// The rule's name and the reason.
pub fn rule<R: Serialize + Ord>(off: &BTreeSet<R>, rule: &R, broken: Option<String>) -> Result<(), String> {
    let Some(reason) = broken else { return Ok(()) };
    let name = serde_json::to_value(rule).unwrap_or_default();
    let name = name.as_str().unwrap_or("a rule");
    if off.contains(rule) {
        tracing::warn!(rule = name, reason, "a rule that is switched off would have said no");
        return Ok(());
    }
    Err(format!("{name}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_say_their_names_and_can_be_switched_off() {
        #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
        #[serde(rename_all = "kebab-case")]
        enum Rule {
            NoMoves,
        }
        let none = BTreeSet::new();
        assert_eq!(rule(&none, &Rule::NoMoves, Some("2 move".into())), Err("no-moves: 2 move".into()));
        assert_eq!(rule(&none, &Rule::NoMoves, None), Ok(()));
        assert_eq!(rule(&[Rule::NoMoves].into(), &Rule::NoMoves, Some("2 move".into())), Ok(()));
    }
}

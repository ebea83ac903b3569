//! Whether a constraint lets an instance onto an agent.

use std::collections::BTreeMap;

use crate::constraint::anchored;
use crate::{Constraint, Operator};

impl Constraint {
    /// Whether an agent whose attribute has the value `here` may take an instance whose peers are at agents with the
    /// values `peers`.
    ///
    /// # Errors
    /// Why not, for people.
    pub fn admits(&self, here: Option<&str>, peers: &[Option<&str>]) -> Result<(), String> {
        let Some(here) = here else {
            return Err(format!("the agent has no attribute {}", self.attribute));
        };
        let counts = count(peers);
        let mine = counts.get(here).copied().unwrap_or(0);
        let no = |why: String| Err(format!("{self}: {why}"));
        match &self.operator {
            Operator::Unique if mine > 0 => no(format!("{here} has a peer already")),
            Operator::AtMost(n) if mine >= *n => no(format!("{here} has {mine} already")),
            Operator::Cluster(Some(v)) if v != here => no(format!("the agent has {here}")),
            Operator::Cluster(None) if !counts.is_empty() && mine == 0 => {
                no("its peers are elsewhere".into())
            }
            Operator::GroupBy(groups) => even(here, mine, &counts, *groups).or_else(no),
            Operator::Like(p) if !anchored(p).is_ok_and(|r| r.is_match(here)) => {
                no(format!("the agent has {here}"))
            }
            Operator::Unlike(p) if !anchored(p).is_ok_and(|r| !r.is_match(here)) => {
                no(format!("the agent has {here}"))
            }
            Operator::Unique
            | Operator::AtMost(_)
            | Operator::Cluster(_)
            | Operator::Like(_)
            | Operator::Unlike(_) => Ok(()),
        }
    }
}

fn count<'a>(peers: &[Option<&'a str>]) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for value in peers.iter().flatten() {
        *counts.entry(*value).or_default() += 1;
    }
    counts
}

/// groupBy: a value may be used again once all expected values are used as often.
fn even(
    here: &str,
    mine: usize,
    counts: &BTreeMap<&str, usize>,
    groups: Option<usize>,
) -> Result<(), String> {
    let expected = groups.unwrap_or(1).max(counts.len());
    let least = if counts.len() < expected { 0 } else { counts.values().copied().min().unwrap_or(0) };
    if mine > least { Err(format!("{here} has {mine}, another value has {least}")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(constraint: &str, here: Option<&str>, peers: &[&str]) -> Result<(), String> {
        let peers: Vec<_> = peers.iter().map(|p| Some(*p)).collect();
        constraint.parse::<Constraint>().unwrap().admits(here, &peers)
    }

    #[test]
    fn operators() {
        assert!(check("rack:unique", Some("r1"), &["r2"]).is_ok());
        assert!(check("rack:unique", Some("r1"), &["r1"]).is_err());
        assert!(check("rack:atMost:2", Some("r1"), &["r1"]).is_ok());
        assert!(check("rack:atMost:2", Some("r1"), &["r1", "r1"]).is_err());
        assert!(check("rack:cluster", Some("r1"), &[]).is_ok());
        assert!(check("rack:cluster", Some("r2"), &["r1"]).is_err());
        assert!(check("rack:cluster:r1", Some("r1"), &["r1"]).is_ok());
        assert!(check("hostname:like:web.*", Some("web1"), &[]).is_ok());
        assert!(check("hostname:like:web", Some("web1"), &[]).is_err(), "patterns are anchored");
        assert!(check("hostname:unlike:web.*", Some("web1"), &[]).is_err());
        assert!(check("rack:groupBy:2", Some("r1"), &["r1"]).is_err());
        assert!(check("rack:groupBy:2", Some("r2"), &["r1"]).is_ok());
        assert!(check("rack:groupBy", Some("r1"), &["r1", "r2"]).is_ok());
    }

    #[test]
    fn an_agent_without_the_attribute_is_refused() {
        assert_eq!(check("rack:unique", None, &[]), Err("the agent has no attribute rack".into()));
    }
}

//! Where an instance may run, relative to agents' attributes and to its peers.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One constraint, written `attribute:operator[:value]`, with `hostname` as an attribute that every agent has. Operators
/// are those of Marathon and of the earlier frameworks. An agent without the attribute is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Constraint {
    /// Attribute, or `hostname`.
    pub attribute: String,
    /// What must hold.
    pub operator: Operator,
}

/// What must hold between an agent's attribute and those of the peers already placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// `unique`: no peer has the same value.
    Unique,
    /// `cluster[:v]`: the value is `v`, or the one that the peers have.
    Cluster(Option<String>),
    /// `groupBy[:n]`: the values are used evenly; `n` says how many there are to use.
    GroupBy(Option<usize>),
    /// `atMost:n`: at most n instances for one value.
    AtMost(usize),
    /// `like:a|b`: the value is one of these, `*` stands for any characters.
    Like(String),
    /// `unlike:a|b`: the value is none of these.
    Unlike(String),
}

/// A constraint that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a constraint: {reason}")]
pub struct ConstraintError {
    text: String,
    reason: String,
}

impl std::str::FromStr for Constraint {
    type Err = ConstraintError;

    fn from_str(text: &str) -> Result<Self, ConstraintError> {
        let error = |reason: String| ConstraintError { text: text.to_owned(), reason };
        let mut parts = text.splitn(3, ':');
        let attribute = parts.next().unwrap_or_default().trim_start_matches('@').to_owned();
        let name = parts.next().ok_or_else(|| error("expected attribute:operator[:value]".into()))?;
        if attribute.is_empty() {
            return Err(error("the attribute is empty".into()));
        }
        let operator = Operator::parse(name, parts.next()).map_err(error)?;
        Ok(Self { attribute, operator })
    }
}

impl Operator {
    fn parse(name: &str, value: Option<&str>) -> Result<Self, String> {
        let number = |v: &str| match v.parse::<usize>() {
            Ok(n) if n > 0 => Ok(n),
            _ => Err(format!("`{v}` is not a whole number above 0")),
        };
        let pattern = |v: Option<&str>| {
            let v = v.ok_or_else(|| format!("{name} needs a regular expression"))?;
            anchored(v).map_err(|e| e.to_string()).map(|_| v.to_owned())
        };
        match name.to_ascii_lowercase().as_str() {
            "unique" if value.is_none() => Ok(Self::Unique),
            "unique" => Err("unique takes no value".into()),
            "cluster" => Ok(Self::Cluster(value.map(str::to_owned))),
            "groupby" | "group_by" => Ok(Self::GroupBy(value.map(number).transpose()?)),
            "atmost" | "max_per" => number(value.unwrap_or_default()).map(Self::AtMost),
            "like" => pattern(value).map(Self::Like),
            "unlike" => pattern(value).map(Self::Unlike),
            _ => Err("operators are unique, cluster, groupBy, atMost, like, unlike".into()),
        }
    }
}

impl TryFrom<String> for Constraint {
    type Error = ConstraintError;
    fn try_from(text: String) -> Result<Self, ConstraintError> {
        text.parse()
    }
}

impl From<Constraint> for String {
    fn from(c: Constraint) -> Self {
        c.to_string()
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let a = &self.attribute;
        match &self.operator {
            Operator::Unique => write!(f, "{a}:unique"),
            Operator::Cluster(None) => write!(f, "{a}:cluster"),
            Operator::Cluster(Some(v)) => write!(f, "{a}:cluster:{v}"),
            Operator::GroupBy(None) => write!(f, "{a}:groupBy"),
            Operator::GroupBy(Some(n)) => write!(f, "{a}:groupBy:{n}"),
            Operator::AtMost(n) => write!(f, "{a}:atMost:{n}"),
            Operator::Like(v) => write!(f, "{a}:like:{v}"),
            Operator::Unlike(v) => write!(f, "{a}:unlike:{v}"),
        }
    }
}

fn anchored(pattern: &str) -> Result<regex_lite::Regex, regex_lite::Error> {
    regex_lite::Regex::new(&format!("^(?:{pattern})$"))
}

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
            _ => Ok(()),
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

    #[test]
    fn text_round_trips_and_errors_explain() {
        for text in ["rack:unique", "rack:cluster:r1", "rack:groupBy:3", "hostname:like:a.*", "z:atMost:2"] {
            assert_eq!(text.parse::<Constraint>().unwrap().to_string(), text);
        }
        for text in ["rack", "rack:near", "rack:atMost:0", ":unique", "rack:like:(", "rack:unique:x"] {
            assert!(text.parse::<Constraint>().is_err(), "{text}");
        }
    }
}

//! Where instances may be placed, as text.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::suggest;

/// A condition on an agent's attribute, written `attribute:operator[:value]`; `hostname` is an attribute that every agent
/// has. Operators are those of Marathon. An agent without the attribute is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// The attribute.
    pub attribute: String,
    /// What must hold.
    pub operator: Operator,
}

/// What must hold between the attribute of an agent and those of the instances placed already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// No two instances on the same value.
    Unique,
    /// The value matches this regular expression as a whole.
    Like(String),
    /// The value does not match this regular expression.
    Unlike(String),
    /// All instances on one value: on this one if it is given.
    Cluster(Option<String>),
    /// Spread evenly over the values; over at least so many if it is given.
    GroupBy(Option<usize>),
    /// At most so many instances on a value.
    AtMost(usize),
}

/// A text that is no [`Constraint`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a constraint: {reason}")]
pub struct ConstraintError {
    text: String,
    /// What is wrong with it.
    pub reason: String,
    /// What to write instead.
    pub help: String,
}

/// What is wrong, and what to write instead.
type Why = (String, String);

/// Operators with the names that Marathon gave them, which are understood as well.
const OPERATORS: [(&str, &str); 6] = [
    ("unique", "unique"),
    ("like", "like"),
    ("unlike", "unlike"),
    ("cluster", "cluster"),
    ("groupBy", "group_by"),
    ("atMost", "max_per"),
];

impl FromStr for Constraint {
    type Err = ConstraintError;

    fn from_str(text: &str) -> Result<Self, ConstraintError> {
        read(text).map_err(|(reason, help)| ConstraintError { text: text.to_owned(), reason, help })
    }
}

fn read(text: &str) -> Result<Constraint, Why> {
    let form = "a constraint is `attribute:operator[:value]`, such as `hostname:unique`";
    let mut parts = text.splitn(3, ':');
    let attribute = parts.next().unwrap_or_default().trim_start_matches('@').trim();
    let Some(operator) = parts.next() else {
        return Err(why(format!("`{text}` names no operator"), form));
    };
    if attribute.is_empty() {
        return Err(why(format!("`{text}` names no attribute"), form));
    }
    let known = OPERATORS
        .iter()
        .find(|(name, other)| name.eq_ignore_ascii_case(operator) || other.eq_ignore_ascii_case(operator));
    let Some((name, _)) = known else {
        return Err(unknown_operator(operator));
    };
    let operator = Operator::parse(attribute, name, parts.next().filter(|value| !value.is_empty()))?;
    Ok(Constraint { attribute: attribute.to_owned(), operator })
}

impl Operator {
    fn parse(attribute: &str, name: &str, value: Option<&str>) -> Result<Self, Why> {
        match (name, value) {
            ("unique", None) => Ok(Self::Unique),
            ("unique", Some(value)) => {
                Err(why(format!("`unique` takes no value, and this is `{value}`"), "remove the value"))
            }
            ("like", Some(pattern)) => regex(pattern).map(Self::Like),
            ("unlike", Some(pattern)) => regex(pattern).map(Self::Unlike),
            ("like" | "unlike", None) => Err(why(
                format!("`{name}` needs a regular expression"),
                &format!("write `{attribute}:{name}:a|b`"),
            )),
            ("cluster", value) => Ok(Self::Cluster(value.map(str::to_owned))),
            ("groupBy", value) => {
                Ok(Self::GroupBy(value.map(|value| count(attribute, name, value)).transpose()?))
            }
            (_, value) => count(attribute, name, value.unwrap_or_default()).map(Self::AtMost),
        }
    }
}

fn unknown_operator(operator: &str) -> Why {
    let names = OPERATORS.map(|(name, _)| name);
    let help = suggest::hint(operator, "operators", names).unwrap_or_default();
    why(format!("`{operator}` is not an operator of constraints"), &help)
}

fn regex(pattern: &str) -> Result<String, Why> {
    match anchored(pattern) {
        Ok(_) => Ok(pattern.to_owned()),
        Err(error) => Err(why(
            format!("`{pattern}` is not a regular expression: {error}"),
            "a `\\` quotes what follows",
        )),
    }
}

/// Matches whole values.
pub(crate) fn anchored(pattern: &str) -> Result<regex_lite::Regex, regex_lite::Error> {
    regex_lite::Regex::new(&format!("^(?:{pattern})$"))
}

fn count(attribute: &str, name: &str, value: &str) -> Result<usize, Why> {
    let example = format!("write `{attribute}:{name}:2`");
    match value.parse() {
        Ok(0) => Err(why(format!("`{name}` counts from 1"), &example)),
        Ok(count) => Ok(count),
        Err(_) if value.is_empty() => Err(why(format!("`{name}` needs a number"), &example)),
        Err(_) => Err(why(format!("`{name}` needs a number, and this is `{value}`"), &example)),
    }
}

fn why(reason: String, help: &str) -> Why {
    (reason, help.to_owned())
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attribute = &self.attribute;
        match &self.operator {
            Operator::Unique => write!(f, "{attribute}:unique"),
            Operator::Like(pattern) => write!(f, "{attribute}:like:{pattern}"),
            Operator::Unlike(pattern) => write!(f, "{attribute}:unlike:{pattern}"),
            Operator::Cluster(None) => write!(f, "{attribute}:cluster"),
            Operator::Cluster(Some(value)) => write!(f, "{attribute}:cluster:{value}"),
            Operator::GroupBy(None) => write!(f, "{attribute}:groupBy"),
            Operator::GroupBy(Some(count)) => write!(f, "{attribute}:groupBy:{count}"),
            Operator::AtMost(count) => write!(f, "{attribute}:atMost:{count}"),
        }
    }
}

impl Serialize for Constraint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Constraint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Constraint {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Constraint".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "constraint" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_read_and_write_the_same() {
        for text in [
            "hostname:unique",
            "rack:like:a|b:c",
            "rack:unlike:x.*",
            "rack:cluster",
            "rack:cluster:r1",
            "rack:groupBy",
            "rack:groupBy:3",
            "hostname:atMost:2",
        ] {
            assert_eq!(text.parse::<Constraint>().unwrap().to_string(), text);
        }
        assert_eq!("rack:GROUP_BY:3".parse::<Constraint>().unwrap().to_string(), "rack:groupBy:3");
        assert_eq!("rack:MAX_PER:3".parse::<Constraint>().unwrap().to_string(), "rack:atMost:3");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let reason = |text: &str| text.parse::<Constraint>().unwrap_err();
        assert_eq!(
            reason("rack:unique:x").to_string(),
            "`rack:unique:x` is not a constraint: `unique` takes no value, and this is `x`"
        );
        assert!("rack:near".parse::<Constraint>().is_err());
        assert_eq!(reason("hostname").reason, "`hostname` names no operator");
        assert_eq!(reason(":unique").reason, "`:unique` names no attribute");
        assert!(reason("hostname:uniq").help.starts_with("did you mean `unique`?"));
        assert_eq!(reason("hostname:unique:3").reason, "`unique` takes no value, and this is `3`");
        assert_eq!(reason("hostname:atMost").reason, "`atMost` needs a number");
        assert_eq!(reason("hostname:atMost:0").reason, "`atMost` counts from 1");
        assert_eq!(reason("rack:groupBy:x").reason, "`groupBy` needs a number, and this is `x`");
        assert!(reason("rack:like:(").reason.starts_with("`(` is not a regular expression"));
    }
}

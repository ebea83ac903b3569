//! Which principals may be in which roles: the `register_frameworks` rules of Apache Mesos.

use std::path::Path;

use serde::Deserialize;

use super::{SecurityError, read};

/// Rules, of which the first that names a principal counts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// What holds when no rule names the principal.
    #[serde(default = "yes")]
    permissive: bool,
    register_frameworks: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    principals: Entity,
    roles: Entity,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entity {
    #[serde(default)]
    values: Vec<String>,
    #[serde(default, rename = "type")]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Kind {
    #[default]
    Some,
    Any,
    None,
}

fn yes() -> bool {
    true
}

impl Entity {
    fn has(&self, matches: impl Fn(&str) -> bool) -> bool {
        match self.kind {
            Kind::Any => true,
            Kind::None => false,
            Kind::Some => self.values.iter().any(|value| matches(value)),
        }
    }
}

/// A rule for `web/%` is for all roles below `web`.
fn covers(rule: &str, role: &str) -> bool {
    match rule.strip_suffix("/%") {
        Some(above) => role.strip_prefix(above).is_some_and(|rest| rest.starts_with('/') && rest.len() > 1),
        None => rule == role,
    }
}

impl Roles {
    /// From a file like
    /// `{"permissive": false, "register_frameworks": [{"principals": {"values": ["p"]}, "roles": {"values": ["web"]}}]}`.
    ///
    /// # Errors
    /// The file cannot be read, or says something else.
    pub fn load(path: &Path) -> Result<Self, SecurityError> {
        let text = read(path)?;
        serde_json::from_str(&text).map_err(|error| SecurityError::Content {
            path: path.to_owned(),
            problem: format!(
                "{error}; only rules for `register_frameworks` are known: {{\"permissive\": false, \
                 \"register_frameworks\": [{{\"principals\": {{\"values\": [\"p\"]}}, \"roles\": {{\"values\": [\"web\"]}}}}]}}"
            ),
        })
    }

    /// Whether the principal may be in the role.
    pub(crate) fn allow(&self, principal: Option<&str>, role: &str) -> bool {
        let names = |rule: &&Rule| rule.principals.has(|value| Some(value) == principal);
        let mut named = self.register_frameworks.iter().filter(names).peekable();
        if named.peek().is_none() {
            return self.permissive;
        }
        named.next().is_some_and(|rule| rule.roles.has(|value| covers(value, role)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_names_the_principal_counts() {
        let rules = r#"{"permissive": false, "register_frameworks": [
            {"principals": {"values": ["p1"]}, "roles": {"values": ["a", "web/%"]}},
            {"principals": {"values": ["admin"]}, "roles": {"type": "ANY"}},
            {"principals": {"type": "ANY"}, "roles": {"type": "NONE"}}]}"#;
        let roles: Roles = serde_json::from_str(rules).unwrap();
        for (principal, role, allowed) in [
            (Some("p1"), "a", true),
            (Some("p1"), "web/x/y", true),
            (Some("p1"), "web", false),
            (Some("p1"), "webs/x", false),
            (Some("admin"), "whatever", true),
            (Some("p2"), "a", false),
            (None, "a", false),
        ] {
            assert_eq!(roles.allow(principal, role), allowed, "{principal:?} {role}");
        }
        let open: Roles = serde_json::from_str(r#"{"register_frameworks": []}"#).unwrap();
        assert!(open.allow(None, "a"));
    }
}

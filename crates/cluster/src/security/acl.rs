//! Which principals may be in which roles, and bring agents: the `register_frameworks` and `register_agents` rules of Apache
//! Mesos.

use std::path::Path;

use serde::Deserialize;

use super::{SecurityError, read};

/// Rules of both kinds, of which the first that names a principal counts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acls {
    /// What holds when no rule names the principal.
    #[serde(default = "yes")]
    permissive: bool,
    #[serde(default)]
    register_frameworks: Vec<FrameworkRule>,
    #[serde(default)]
    register_agents: Vec<AgentRule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrameworkRule {
    principals: Entity,
    roles: Entity,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentRule {
    principals: Entity,
    agents: AllOrNone,
}

/// Agents have no names that a rule could list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllOrNone {
    #[serde(rename = "type")]
    kind: Extent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Extent {
    Any,
    None,
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
    fn names(&self, principal: Option<&str>) -> bool {
        self.has(|value| Some(value) == principal)
    }

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

impl Acls {
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
                "{error}; only rules for `register_frameworks` and `register_agents` are known: {{\"permissive\": false, \
                 \"register_frameworks\": [{{\"principals\": {{\"values\": [\"p\"]}}, \"roles\": {{\"values\": [\"web\"]}}}}], \
                 \"register_agents\": [{{\"principals\": {{\"values\": [\"p\"]}}, \"agents\": {{\"type\": \"ANY\"}}}}]}}"
            ),
        })
    }

    /// Whether the principal may be in the role.
    pub(crate) fn allow(&self, principal: Option<&str>, role: &str) -> bool {
        let mut rules = self.register_frameworks.iter();
        let first = rules.find(|rule| rule.principals.names(principal));
        first.map_or(self.permissive, |rule| rule.roles.has(|value| covers(value, role)))
    }

    /// Whether the principal may bring agents.
    pub(crate) fn allow_agent(&self, principal: Option<&str>) -> bool {
        let first = self.register_agents.iter().find(|rule| rule.principals.names(principal));
        first.map_or(self.permissive, |rule| rule.agents.kind == Extent::Any)
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
        let acls: Acls = serde_json::from_str(rules).unwrap();
        for (principal, role, allowed) in [
            (Some("p1"), "a", true),
            (Some("p1"), "web/x/y", true),
            (Some("p1"), "web", false),
            (Some("p1"), "webs/x", false),
            (Some("admin"), "whatever", true),
            (Some("p2"), "a", false),
            (None, "a", false),
        ] {
            assert_eq!(acls.allow(principal, role), allowed, "{principal:?} {role}");
        }
        let open: Acls = serde_json::from_str(r#"{"register_frameworks": []}"#).unwrap();
        assert!(open.allow(None, "a") && open.allow_agent(None));
    }
    #[test]
    fn agents_are_brought_by_whom_a_rule_names() {
        let rules = r#"{"register_agents": [
            {"principals": {"values": ["machine"]}, "agents": {"type": "ANY"}},
            {"principals": {"type": "ANY"}, "agents": {"type": "NONE"}}]}"#;
        let acls: Acls = serde_json::from_str(rules).unwrap();
        assert!(
            acls.allow_agent(Some("machine")) && !acls.allow_agent(Some("p1")) && !acls.allow_agent(None)
        );
        let named = r#"{"register_agents": [{"principals": {}, "agents": {"type": "SOME"}}]}"#;
        assert!(serde_json::from_str::<Acls>(named).is_err());
    }
}

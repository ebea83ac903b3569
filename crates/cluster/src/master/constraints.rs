//! Offer constraints: of which agents a framework wants to hear in a role, by what they say about themselves.
//!
//! Source: Mesos's `src/master/allocator/mesos/offer_constraints_filter.cpp`, whose words are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_mesos::v1::scheduler::attribute_constraint::selector::PseudoattributeType;
use cairn_mesos::v1::scheduler::attribute_constraint::{Predicate, Selector};
use cairn_mesos::v1::scheduler::offer_constraints::RoleConstraints;
use cairn_mesos::v1::scheduler::offer_constraints::role_constraints::Group;
use cairn_mesos::v1::scheduler::{AttributeConstraint, OfferConstraints};
use cairn_mesos::v1::{AgentInfo, value};
use regex::{Regex, RegexBuilder};

/// Greatest size of a compiled expression, in bytes. Mesos's own bound, a program of 100 instructions, is below it.
const EXPRESSION: usize = 64 * 1024;
/// So many expressions a framework may have at most.
const EXPRESSIONS: usize = 1000;

/// What a framework has said, and what it means.
#[derive(Debug, Clone, Default)]
pub(crate) struct Constraints {
    said: OfferConstraints,
    by_role: BTreeMap<String, Arc<Groups>>,
}

impl Constraints {
    /// Reads what a framework in these roles says.
    ///
    /// # Errors
    /// What is wrong with it, in the words of Mesos.
    pub(crate) fn read(said: Option<OfferConstraints>, roles: &[String]) -> Result<Self, String> {
        let said = said.unwrap_or_default();
        if let Some(role) = said.role_constraints.keys().find(|role| !roles.contains(role)) {
            return Err(format!(
                "Offer constraints specify `role_constraints` for a role '{role}'not contained in the set of roles"
            ));
        }
        let mut by_role = BTreeMap::new();
        let mut expressions = 0;
        for (role, constraints) in &said.role_constraints {
            let invalid = |why: String| format!("Offer constraints are not valid: {why}");
            let groups = Groups::read(role, constraints).map_err(invalid)?;
            expressions += groups.expressions();
            if expressions > EXPRESSIONS {
                return Err(invalid(format!("more than {EXPRESSIONS} regular expressions")));
            }
            by_role.insert(role.clone(), Arc::new(groups));
        }
        Ok(Self { said, by_role })
    }

    /// What holds in a role, if anything does.
    pub(crate) fn of(&self, role: &str) -> Option<Arc<Groups>> {
        self.by_role.get(role).cloned()
    }

    /// As the framework has said it.
    pub(crate) fn said(&self) -> &OfferConstraints {
        &self.said
    }
}

/// Of one of these groups every condition holds.
#[derive(Debug)]
pub(crate) struct Groups(Vec<Vec<Condition>>);

impl Groups {
    fn read(role: &str, said: &RoleConstraints) -> Result<Self, String> {
        if said.groups.is_empty() {
            return Err(format!(
                "'OfferConstraints::role_constraints' has an empty 'RoleConstraints::groups' for role {role}"
            ));
        }
        let conditions = |group: &Group| {
            if group.attribute_constraints.is_empty() {
                return Err(format!(
                    "'OfferConstraints::RoleConstraints::groups' for role {role}contains an empty RoleConstraints::Group"
                ));
            }
            let conditions = group.attribute_constraints.iter().map(Condition::read);
            let invalid = |why| format!("A role {role} has an invalid 'AttributeConstraint': {why}");
            conditions.collect::<Result<Vec<_>, String>>().map_err(invalid)
        };
        said.groups.iter().map(conditions).collect::<Result<_, _>>().map(Self)
    }

    /// How many regular expressions are in them.
    fn expressions(&self) -> usize {
        self.0.iter().flatten().filter(|condition| condition.test.is_expression()).count()
    }

    /// Whether a framework wants to hear of an agent.
    pub(crate) fn admit(&self, agent: &AgentInfo) -> bool {
        self.0.iter().any(|group| group.iter().all(|condition| condition.holds(agent)))
    }
}

#[derive(Debug)]
struct Condition {
    subject: Subject,
    test: Test,
}

/// What is looked at.
#[derive(Debug)]
enum Subject {
    Hostname,
    Region,
    Zone,
    /// The first attribute of this name.
    Attribute(String),
}

#[derive(Debug)]
enum Test {
    Exists,
    NotExists,
    Equals(String),
    NotEquals(String),
    Matches(Regex),
    NotMatches(Regex),
}

/// What an agent says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found<'a> {
    Nothing,
    Text(&'a str),
    /// A number, or ranges: no text can be wrong about it.
    Other,
}

impl Condition {
    fn read(said: &AttributeConstraint) -> Result<Self, String> {
        Ok(Self { subject: Subject::read(&said.selector)?, test: Test::read(&said.predicate)? })
    }

    fn holds(&self, agent: &AgentInfo) -> bool {
        self.test.passes(self.subject.of(agent))
    }
}

impl Subject {
    fn read(said: &Selector) -> Result<Self, String> {
        match (said.pseudoattribute_type, &said.attribute_name) {
            (None, Some(name)) => Ok(Self::Attribute(name.clone())),
            (Some(kind), None) => match PseudoattributeType::try_from(kind) {
                Ok(PseudoattributeType::Hostname) => Ok(Self::Hostname),
                Ok(PseudoattributeType::Region) => Ok(Self::Region),
                Ok(PseudoattributeType::Zone) => Ok(Self::Zone),
                Ok(PseudoattributeType::Unknown) | Err(_) => Err("Unknown pseudoattribute type".to_owned()),
            },
            _ => Err("Exactly one of 'AttributeConstraint::Selector::name' or \
                      'AttributeConstraint::Selector::pseudoattribute_type' must be set"
                .to_owned()),
        }
    }

    fn of<'a>(&self, agent: &'a AgentInfo) -> Found<'a> {
        let domain = || agent.domain.as_ref()?.fault_domain.as_ref();
        let text = |text: Option<&'a str>| text.map_or(Found::Nothing, Found::Text);
        match self {
            Self::Hostname => Found::Text(&agent.hostname),
            Self::Region => text(domain().map(|domain| domain.region.name.as_str())),
            Self::Zone => text(domain().map(|domain| domain.zone.name.as_str())),
            Self::Attribute(name) => {
                match agent.attributes.iter().find(|attribute| attribute.name == *name) {
                    None => Found::Nothing,
                    Some(attribute) if attribute.r#type != value::Type::Text as i32 => Found::Other,
                    Some(attribute) => {
                        Found::Text(attribute.text.as_ref().map_or("", |text| text.value.as_str()))
                    }
                }
            }
        }
    }
}

impl Test {
    fn read(said: &Predicate) -> Result<Self, String> {
        let Predicate { exists, not_exists, text_equals, text_not_equals, text_matches, text_not_matches } =
            said;
        let tests = [
            exists.as_ref().map(|_| Ok(Self::Exists)),
            not_exists.as_ref().map(|_| Ok(Self::NotExists)),
            text_equals.as_ref().map(|text| Ok(Self::Equals(text.value.clone()))),
            text_not_equals.as_ref().map(|text| Ok(Self::NotEquals(text.value.clone()))),
            text_matches.as_ref().map(|text| expression(&text.regex).map(Self::Matches)),
            text_not_matches.as_ref().map(|text| expression(&text.regex).map(Self::NotMatches)),
        ];
        // In Mesos they are alternatives, of which the last one that is said counts.
        tests.into_iter().flatten().last().unwrap_or_else(|| Err("Unknown predicate type".to_owned()))
    }

    fn is_expression(&self) -> bool {
        matches!(self, Self::Matches(_) | Self::NotMatches(_))
    }

    fn passes(&self, found: Found<'_>) -> bool {
        match (self, found) {
            (Self::Exists, found) => found != Found::Nothing,
            (Self::NotExists, found) => found == Found::Nothing,
            (Self::Equals(_) | Self::Matches(_), Found::Nothing) => false,
            (Self::NotEquals(_) | Self::NotMatches(_), Found::Nothing) => true,
            (_, Found::Other) => true,
            (Self::Equals(wanted), Found::Text(text)) => text == wanted,
            (Self::NotEquals(unwanted), Found::Text(text)) => text != unwanted,
            (Self::Matches(wanted), Found::Text(text)) => wanted.is_match(text),
            (Self::NotMatches(unwanted), Found::Text(text)) => !unwanted.is_match(text),
        }
    }
}

/// An expression that the whole of a text matches.
fn expression(pattern: &str) -> Result<Regex, String> {
    // By itself first: `a)|(b` is none, and would be one within parentheses.
    let built = |pattern: &str| RegexBuilder::new(pattern).size_limit(EXPRESSION).build();
    built(pattern).and_then(|_| built(&format!(r"\A(?:{pattern})\z"))).map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            format!("Regex '{pattern}' is too complex: it takes more than {EXPRESSION} bytes")
        }
        error => format!("Failed to construct regex from pattern '{pattern}': {error}"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn agent(said: &Value) -> AgentInfo {
        let mut agent = json!({"hostname": "h7"});
        agent.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        serde_json::from_value(agent).unwrap()
    }

    fn read(groups: &Value) -> Result<Constraints, String> {
        let groups: Vec<Value> =
            groups.as_array().unwrap().iter().map(|group| json!({"attribute_constraints": group})).collect();
        let said = json!({"role_constraints": {"r": {"groups": groups}}});
        Constraints::read(Some(serde_json::from_value(said).unwrap()), &["r".to_owned()])
    }

    fn admits(groups: &Value, said: &Value) -> bool {
        read(groups).unwrap().of("r").unwrap().admit(&agent(said))
    }

    fn rack(predicate: &Value) -> Value {
        json!({"selector": {"attribute_name": "rack"}, "predicate": predicate})
    }

    #[test]
    fn all_of_one_group_must_hold() {
        let host = |regex: &str| {
            json!({"selector": {"pseudoattribute_type": "HOSTNAME"},
                   "predicate": {"text_matches": {"regex": regex}}})
        };
        assert!(admits(&json!([[host("h[0-9]")]]), &json!({})));
        assert!(!admits(&json!([[host("h")]]), &json!({})), "the whole name has to match");
        assert!(admits(&json!([[host("a|h7")]]), &json!({})));
        assert!(!admits(&json!([[host("h7"), rack(&json!({"exists": {}}))]]), &json!({})));
        assert!(admits(&json!([[host("no")], [rack(&json!({"not_exists": {}}))]]), &json!({})));
    }

    #[test]
    fn what_is_not_there_equals_nothing_and_no_text_is_wrong_about_a_number() {
        let text = json!({"attributes": [{"name": "rack", "type": "TEXT", "text": {"value": "b"}}]});
        let number = json!({"attributes": [{"name": "rack", "type": "SCALAR", "scalar": {"value": 1.0}}]});
        for (predicate, expected) in [
            (json!({"exists": {}}), [false, true, true]),
            (json!({"not_exists": {}}), [true, false, false]),
            (json!({"text_equals": {"value": "a"}}), [false, false, true]),
            (json!({"text_not_equals": {"value": "a"}}), [true, true, true]),
            (json!({"text_matches": {"regex": "[bc]"}}), [false, true, true]),
            (json!({"text_not_matches": {"regex": "[bc]"}}), [true, false, true]),
        ] {
            let admitted = [json!({}), text.clone(), number.clone()]
                .map(|said| admits(&json!([[rack(&predicate)]]), &said));
            assert_eq!(admitted, expected, "{predicate}");
        }
    }

    #[test]
    fn regions_and_zones_are_those_of_the_fault_domain() {
        let zone = json!([[{"selector": {"pseudoattribute_type": "ZONE"},
                            "predicate": {"text_equals": {"value": "z"}}}]]);
        let domain = json!({"domain": {"fault_domain": {"region": {"name": "r"}, "zone": {"name": "z"}}}});
        assert!(admits(&zone, &domain));
        assert!(!admits(&zone, &json!({})));
    }

    #[test]
    fn what_cannot_be_meant_is_told_in_the_words_of_mesos() {
        let why = |groups: Value| read(&groups).unwrap_err();
        assert!(why(json!([])).contains("has an empty 'RoleConstraints::groups' for role r"));
        assert!(why(json!([[]])).contains("contains an empty RoleConstraints::Group"));
        assert!(why(json!([[rack(&json!({}))]])).ends_with("'AttributeConstraint': Unknown predicate type"));
        let unknown = json!([[{"selector": {}, "predicate": {"exists": {}}}]]);
        assert!(why(unknown).contains("Exactly one of"));
        let broken = why(json!([[rack(&json!({"text_matches": {"regex": "a)|(b"}}))]]));
        assert!(broken.contains("Failed to construct regex from pattern 'a)|(b'"), "{broken}");
        let large = why(json!([[rack(&json!({"text_matches": {"regex": "(a{99}){99}"}}))]]));
        assert!(large.contains("is too complex"), "{large}");
        let said = serde_json::from_value(json!({"role_constraints": {"x": {"groups": []}}})).unwrap();
        let other = Constraints::read(Some(said), &["r".to_owned()]).unwrap_err();
        assert!(other.contains("for a role 'x'not contained"), "{other}");
        let many = vec![rack(&json!({"text_matches": {"regex": "a"}})); EXPRESSIONS + 1];
        assert!(why(json!([many])).contains("more than 1000 regular expressions"));
    }
}

//! Filling in what is only known once services run.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::template::{Part, Reference, Target, Template};

/// Outputs by service and name, as their schedulers gave them.
pub type Outputs = BTreeMap<String, BTreeMap<String, String>>;

/// Secrets by name.
pub type Secrets = BTreeMap<String, String>;

/// References that could not be filled in, and have no default.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not known yet: {}", references.join(", "))]
pub struct Missing {
    /// The references as written: `${zookeeper.connect}`.
    pub references: Vec<String>,
}

/// Fills in the outputs of services, and secrets, in all texts of `value`; undoes escapes.
///
/// A reference without a value takes its default. Parameters were filled in when the stack was checked.
/// The result may hold secrets: hand it on, never store or print it.
///
/// # Errors
/// Every reference that has neither a value nor a default.
pub fn resolve(value: &Value, outputs: &Outputs, secrets: &Secrets) -> Result<Value, Missing> {
    let mut missing = Vec::new();
    let resolved = walk(value, &Known { outputs, secrets }, &mut missing);
    if missing.is_empty() { Ok(resolved) } else { Err(Missing { references: missing }) }
}

/// [`resolve`] for one text, such as an input.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_text(text: &str, outputs: &Outputs, secrets: &Secrets) -> Result<String, Missing> {
    let mut missing = Vec::new();
    let resolved = fill(text, &Known { outputs, secrets }, &mut missing);
    if missing.is_empty() { Ok(resolved) } else { Err(Missing { references: missing }) }
}

/// [`resolve`] for somebody who cannot wait: what is not known is left blank.
pub fn resolve_known(value: &Value, outputs: &Outputs, secrets: &Secrets) -> Value {
    walk(value, &Known { outputs, secrets }, &mut Vec::new())
}

struct Known<'a> {
    outputs: &'a Outputs,
    secrets: &'a Secrets,
}

impl Known<'_> {
    fn get(&self, reference: &Reference) -> Option<String> {
        let found = match reference.target() {
            Target::Secret => self.secrets.get(&reference.name),
            Target::Output => self.outputs.get(&reference.scope).and_then(|o| o.get(&reference.name)),
            Target::Param => None,
        };
        found.or(reference.default.as_ref()).cloned()
    }
}

fn walk(value: &Value, known: &Known<'_>, missing: &mut Vec<String>) -> Value {
    match value {
        Value::String(text) => Value::String(fill(text, known, missing)),
        Value::Array(items) => items.iter().map(|item| walk(item, known, missing)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, item)| (key.clone(), walk(item, known, missing))).collect()
        }
        other => other.clone(),
    }
}

fn fill(text: &str, known: &Known<'_>, missing: &mut Vec<String>) -> String {
    // A text that does not parse did not come from `check_stack`; it is taken as it stands.
    let Ok(template) = Template::parse(text) else { return text.to_owned() };
    let mut filled = String::new();
    for part in template.parts {
        match part {
            Part::Text(plain) => filled.push_str(&plain),
            Part::Reference(reference, _) => match known.get(&reference) {
                Some(value) => filled.push_str(&value),
                None => missing.push(reference.to_string()),
            },
        }
    }
    filled
}

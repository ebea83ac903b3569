//! What would change between two stacks.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Service, ValidatedStack};

/// What carrying out a stack spec would change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StackDiff {
    /// Name of the stack.
    pub stack: String,
    /// Every service: those that stay or come in the order of dependency, then those that go in reverse order.
    pub services: Vec<ServiceDiff>,
    /// Changes to services that exist already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub existing: Vec<FieldChange>,
    /// Changes to the outputs of the stack and of nested ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<FieldChange>,
}

/// What would happen to one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceDiff {
    /// Name of the service.
    pub service: String,
    /// Its framework after the change; for a removed one, before it.
    pub framework: String,
    /// Services it needs, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// What happens.
    pub change: Change,
}

/// What happens to a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "fields", rename_all = "lowercase")]
pub enum Change {
    /// It comes, with these settings.
    Added(Vec<FieldChange>),
    /// It goes. Its data stays unless a verb names it.
    Removed,
    /// It stays, and these settings change.
    Changed(Vec<FieldChange>),
    /// Its framework changes: the old one goes, a new one of the same name comes.
    Replaced(Vec<FieldChange>),
    /// Nothing happens.
    Unchanged,
}

/// A setting that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Path of the setting: `topics.logs.partitions`.
    pub path: String,
    /// What it was; absent if it was not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What it will be; absent if it is no longer set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// Compares what is with what is wanted; `None` is a stack that is not there.
pub fn diff(old: Option<&ValidatedStack>, new: Option<&ValidatedStack>) -> StackDiff {
    let mut services: Vec<ServiceDiff> = new
        .map(ValidatedStack::order)
        .unwrap_or_default()
        .into_iter()
        .map(|service| compare(old, new, service))
        .collect();
    let gone = old.map(ValidatedStack::order).unwrap_or_default().into_iter().rev();
    services.extend(
        gone.filter(|service| new.is_none_or(|stack| !stack.services.contains_key(&service.name)))
            .map(|service| entry(service, Change::Removed)),
    );
    StackDiff {
        stack: new.or(old).map(|stack| stack.name.clone()).unwrap_or_default(),
        services,
        existing: changes(&existing(old), &existing(new)),
        outputs: changes(&outputs(old), &outputs(new)),
    }
}

impl StackDiff {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty()
            && self.existing.is_empty()
            && self.services.iter().all(|s| s.change == Change::Unchanged)
    }
}

fn compare(
    old_stack: Option<&ValidatedStack>,
    new_stack: Option<&ValidatedStack>,
    new: &Service,
) -> ServiceDiff {
    let change = match old_stack.and_then(|stack| stack.services.get(&new.name)) {
        None => Change::Added(changes(&Fields::new(), &settings(new))),
        Some(old) => {
            let before = settings(old).into_iter().chain(spec_of(old_stack, old)).collect();
            let after = settings(new).into_iter().chain(spec_of(new_stack, new)).collect();
            let fields = changes(&before, &after);
            match () {
                () if old.framework != new.framework => Change::Replaced(fields),
                () if fields.is_empty() => Change::Unchanged,
                () => Change::Changed(fields),
            }
        }
    };
    entry(new, change)
}

fn entry(service: &Service, change: Change) -> ServiceDiff {
    ServiceDiff {
        service: service.name.clone(),
        framework: service.framework.clone(),
        needs: service.needs.iter().cloned().collect(),
        change,
    }
}

type Fields = BTreeMap<String, Value>;

fn settings(service: &Service) -> Fields {
    let mut fields = Fields::new();
    flatten("", &service.options, &mut fields);
    for (name, text) in &service.inputs {
        fields.insert(name.clone(), Value::String(text.clone()));
    }
    if !service.needs.is_empty() {
        fields.insert("needs".to_owned(), service.needs.iter().cloned().collect());
    }
    if let Some(distribution) = &service.distribution {
        fields.insert("distribution.uri".to_owned(), distribution.uri.clone().into());
        fields.insert("distribution.sha256".to_owned(), distribution.sha256.clone().into());
    }
    fields
}

/// What the spec of a framework of the stack's own says.
fn spec_of(stack: Option<&ValidatedStack>, service: &Service) -> Fields {
    let mut fields = Fields::new();
    let spec = stack.and_then(|stack| stack.frameworks.get(&service.framework));
    if let Some(spec) = spec.and_then(|spec| serde_json::to_value(spec).ok()) {
        flatten("framework", &spec, &mut fields);
    }
    fields
}

fn existing(stack: Option<&ValidatedStack>) -> Fields {
    let mut fields = Fields::new();
    for (path, existing) in stack.iter().flat_map(|stack| &stack.existing) {
        for (name, text) in &existing.outputs {
            fields.insert(format!("{path}.{name}"), text.clone().into());
        }
        if let Some(interface) = &existing.interface {
            fields.insert(format!("{path}.interface"), interface.clone().into());
        }
    }
    fields
}

fn outputs(stack: Option<&ValidatedStack>) -> Fields {
    let outputs = stack.iter().flat_map(|stack| &stack.outputs);
    outputs.map(|(name, text)| (name.clone(), Value::String(text.clone()))).collect()
}

/// Leaves of an object by their path. Lists and empty objects are leaves.
fn flatten(prefix: &str, value: &Value, into: &mut Fields) {
    match value {
        Value::Object(map) if !map.is_empty() || prefix.is_empty() => {
            for (key, item) in map {
                let key = if key.contains('.') { format!("{key:?}") } else { key.clone() };
                let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                flatten(&path, item, into);
            }
        }
        leaf => {
            into.insert(prefix.to_owned(), leaf.clone());
        }
    }
}

fn changes(old: &Fields, new: &Fields) -> Vec<FieldChange> {
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    paths
        .into_iter()
        .filter(|path| old.get(*path) != new.get(*path))
        .map(|path| FieldChange {
            path: path.clone(),
            old: old.get(path).cloned(),
            new: new.get(path).cloned(),
        })
        .collect()
}

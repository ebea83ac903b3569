//! A checked stack as a stack spec of one file: what `cairn render` prints.

use serde_json::{Map, Value, json};

use crate::{Existing, Service, ValidatedStack};

impl ValidatedStack {
    /// The stack as a spec: overlays laid over, nested stacks laid flat (their services have paths for names),
    /// parameters filled in, frameworks of its own written into it. References to outputs and secrets are kept.
    /// Reading it gives the same stack again, except for the parameters, of which there are none left.
    pub fn to_spec(&self) -> Value {
        let mut spec = json!({ "stack": self.name });
        if !self.frameworks.is_empty() {
            spec["frameworks"] = json!(self.frameworks);
        }
        let launched = self.order().into_iter().map(|service| (service.name.clone(), entry(service)));
        let existing = self.existing.iter().map(|(path, existing)| (path.clone(), existing_entry(existing)));
        spec["services"] = existing.chain(launched).collect::<Map<_, _>>().into();
        if !self.outputs.is_empty() {
            spec["outputs"] = json!(self.outputs);
        }
        spec
    }
}

fn existing_entry(existing: &Existing) -> Value {
    let mut inner = Map::new();
    if let Some(interface) = &existing.interface {
        inner.insert("interface".to_owned(), interface.clone().into());
    }
    inner.insert("outputs".to_owned(), json!(existing.outputs));
    json!({ "existing": inner })
}

fn entry(service: &Service) -> Value {
    let mut entry = json!({ "framework": service.framework });
    if let Value::Object(options) = &service.options {
        for (name, value) in options {
            entry[name.as_str()] = value.clone();
        }
    }
    for (name, text) in &service.inputs {
        entry[name.as_str()] = text.clone().into();
    }
    if !service.needs.is_empty() {
        entry["needs"] = json!(service.needs);
    }
    if let Some(distribution) = &service.distribution {
        entry["distribution"] = json!(distribution);
    }
    entry
}

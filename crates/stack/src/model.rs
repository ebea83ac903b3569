//! What a checked stack is: plain data that can be stored and compared.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Catalog, Distribution, FrameworkSpec, Report, SecretUses, name};

/// Values of a stack's parameters by name.
pub type Params = BTreeMap<String, Value>;

/// What checking a stack spec without errors gives.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The stack.
    pub stack: ValidatedStack,
    /// Secrets that it declares and uses: whether they are known is for whoever keeps them to say.
    pub secrets: SecretUses,
    /// What is allowed but probably not meant. Often empty.
    pub warnings: Report,
}

/// A stack in which every name is known, every option fits its framework and no service waits for itself.
///
/// Its texts may still hold `${service.output}` and `${secret.name}`, which only [`crate::resolve`] can fill in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidatedStack {
    /// Name of the stack, a DNS label.
    pub name: String,
    /// Parameters with the values in effect.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: Params,
    /// Frameworks that the stack brings along, by name: those that its services use and that no catalog has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub frameworks: BTreeMap<String, FrameworkSpec>,
    /// Services by path: `zookeeper`; of a nested stack, `kafka/zookeeper`.
    pub services: BTreeMap<String, Service>,
    /// Services that exist already, by path. Those that refer to them have their outputs filled in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub existing: BTreeMap<String, Existing>,
    /// Outputs of the stack, and by path those of nested ones: texts with references.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
}

/// A service that exists already: nothing launches or ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Existing {
    /// The interface that it offers, if the stack says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Its outputs: texts that may hold `${secret.name}`.
    pub outputs: BTreeMap<String, String>,
}

/// One service of a [`ValidatedStack`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Path within the stack: DNS labels, separated by `/`.
    pub name: String,
    /// Name of its framework in the catalog, or among those of the stack.
    pub framework: String,
    /// What the stack sets, an object. Parameters are filled in; references to outputs and secrets are kept as text.
    pub options: Value,
    /// Inputs by the framework's name for them, as text with references: `zookeeper` -> `${zookeeper.connect}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// Services that must serve before this one starts: those under `needs:` and those it refers to.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub needs: BTreeSet<String>,
    /// The archive to run instead of the framework's own. Its texts may hold references, as those of `options`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
}

impl ValidatedStack {
    /// Services in layers: each rests only on the layers before it, so those of one layer may start together.
    /// Within a layer by name.
    pub fn layers(&self) -> Vec<Vec<&Service>> {
        let mut placed: BTreeSet<&str> = BTreeSet::new();
        let mut layers = Vec::new();
        while placed.len() < self.services.len() {
            let layer: Vec<&Service> = self
                .services
                .values()
                .filter(|s| !placed.contains(s.name.as_str()) && self.rests_on(s, &placed))
                .collect();
            // Only a stack that did not come from `check_stack` can hold a cycle: what is left is then one layer.
            let layer = if layer.is_empty() {
                self.services.values().filter(|s| !placed.contains(s.name.as_str())).collect()
            } else {
                layer
            };
            placed.extend(layer.iter().map(|s| s.name.as_str()));
            layers.push(layer);
        }
        layers
    }

    /// Services in an order in which each comes after all that it needs.
    pub fn order(&self) -> Vec<&Service> {
        self.layers().into_iter().flatten().collect()
    }

    /// Names of the services that need `service` directly.
    pub fn dependents(&self, service: &str) -> BTreeSet<&str> {
        self.services.values().filter(|s| s.needs.contains(service)).map(|s| s.name.as_str()).collect()
    }

    /// The generated framework name and role of a service on the cluster; see [`crate::framework_name`].
    pub fn framework_name(&self, service: &str) -> String {
        name::framework_name(&self.name, service)
    }

    /// The framework of a service: one of the stack's own, or one of the catalog.
    pub fn framework<'a>(&'a self, name: &str, catalog: &'a Catalog) -> Option<&'a FrameworkSpec> {
        self.frameworks.get(name).or_else(|| catalog.get(name))
    }

    fn rests_on(&self, service: &Service, placed: &BTreeSet<&str>) -> bool {
        service.needs.iter().all(|need| placed.contains(need.as_str()) || !self.services.contains_key(need))
    }
}

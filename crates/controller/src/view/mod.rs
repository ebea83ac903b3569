//! The status tree: stack → service → instance, made from the stored stacks and what is known of their schedulers.

mod service;
mod stack;
#[cfg(test)]
mod tests;

pub use service::{InstanceView, SchedulerView, ServiceState, ServiceView};
pub use stack::{StackState, StackSummary, StackView};

use cairn_framework::View;
use serde::{Deserialize, Serialize};

use crate::state::Options;

/// Addresses at which a service is to be had.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceEndpoints {
    /// Name of the service.
    pub service: String,
    /// URL of its scheduler's REST.
    pub scheduler: Option<String>,
    /// What the service tells its dependents.
    pub outputs: std::collections::BTreeMap<String, String>,
    /// Its instances.
    pub instances: Vec<InstanceEndpoints>,
}

/// Addresses of an instance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InstanceEndpoints {
    /// Name of the instance.
    pub name: String,
    /// `address:port` by the port's name.
    pub endpoints: std::collections::BTreeMap<String, String>,
}

/// All stacks.
pub(crate) fn stacks(options: &Options, view: &View) -> Vec<StackView> {
    options.stacks.values().map(|stored| stack::view(stored, view)).collect()
}

/// One stack.
pub(crate) fn stack(options: &Options, name: &str, view: &View) -> Option<StackView> {
    options.stacks.get(name).map(|stored| stack::view(stored, view))
}

impl ServiceView {
    /// Where it is to be had.
    pub fn endpoints(&self) -> ServiceEndpoints {
        let instances = self
            .instances
            .iter()
            .map(|i| InstanceEndpoints { name: i.name.clone(), endpoints: i.endpoints.clone() });
        ServiceEndpoints {
            service: self.name.clone(),
            scheduler: self.scheduler.url.clone(),
            outputs: self.outputs.clone(),
            instances: instances.collect(),
        }
    }
}

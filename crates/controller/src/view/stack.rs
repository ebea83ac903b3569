//! A stack, as people see it.

use std::collections::BTreeMap;

use cairn_framework::View;
use serde::{Deserialize, Serialize};

use super::service::{self, ServiceState, ServiceView};
use crate::state::StoredStack;
use crate::task::stack_outputs;

/// How a stack is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StackState {
    /// It is being brought to what the file says.
    #[default]
    Deploying,
    /// Every service serves as the file says.
    Ready,
    /// A service cannot go on without an operator.
    Error,
    /// It is being destroyed.
    Removing,
}

/// A stack with its services.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StackView {
    /// Name of the stack.
    pub name: String,
    /// How it is.
    pub state: StackState,
    /// Everything is as the file says and serves.
    pub complete: bool,
    /// What an operator must know, each with the service's name.
    pub errors: Vec<String>,
    /// How the stack differs from its file.
    pub notes: Vec<String>,
    /// Outputs, as far as they are known; those of nested stacks by path, `kafka/bootstrap`.
    pub outputs: BTreeMap<String, String>,
    /// Services that exist already, then those to launch in the order of dependency, then those on their way out.
    pub services: Vec<ServiceView>,
}

/// A stack in one line.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StackSummary {
    /// Name of the stack.
    pub name: String,
    /// How it is.
    pub state: StackState,
    /// Everything is as the file says and serves.
    pub complete: bool,
    /// How many services it has.
    pub services: usize,
    /// How many of them serve.
    pub ready: usize,
    /// What holds it up, if anything does.
    pub message: String,
}

pub(super) fn view(stored: &StoredStack, view: &View) -> StackView {
    let order = stored.spec.order();
    let staying = order.iter().filter(|s| !stored.leaving.contains_key(&s.name)).map(|s| s.name.as_str());
    let names = staying.chain(stored.leaving.keys().map(String::as_str));
    let existing = stored.spec.existing.iter().filter(|_| stored.destroying.is_none());
    let existing = existing.map(|(path, existing)| service::existing(path, existing));
    let launched = names.filter_map(|name| service::view(stored, name, view));
    let services: Vec<ServiceView> = existing.chain(launched).collect();
    let errors: Vec<String> = services
        .iter()
        .filter(|s| s.state == ServiceState::Error)
        .map(|s| format!("{}: {}", s.name, s.message))
        .collect();
    let complete = stored.destroying.is_none() && services.iter().all(|s| s.complete);
    let state = match () {
        () if stored.destroying.is_some() => StackState::Removing,
        () if !errors.is_empty() => StackState::Error,
        () if complete => StackState::Ready,
        () => StackState::Deploying,
    };
    StackView {
        name: stored.spec.name.clone(),
        state,
        complete,
        errors,
        notes: stored.notes.clone(),
        outputs: stack_outputs(stored, view),
        services,
    }
}

impl StackView {
    /// The stack in one line.
    pub fn summary(&self) -> StackSummary {
        let held_up = self.services.iter().find(|s| !s.complete && !s.message.is_empty());
        StackSummary {
            name: self.name.clone(),
            state: self.state,
            complete: self.complete,
            services: self.services.len(),
            ready: self.services.iter().filter(|s| s.complete).count(),
            message: held_up.map(|s| format!("{}: {}", s.name, s.message)).unwrap_or_default(),
        }
    }
}

//! The meta-scheduler: child schedulers are its instances.
//!
//! [`Controller`] is a framework on the SDK like any other. Its configuration is the set of stacks that were applied
//! ([`state`]); its instances are one scheduler for each service. It knows no service by name: all it knows of
//! one stands in a framework spec of the catalog and in the status document that its scheduler serves.
//!
//! Ordering is in no plan of its own: the task of a scheduler waits until all that its service needs is complete
//! and has given its outputs, so independent branches come up at the same time and a changed output changes
//! exactly those that use it.

mod apply;
mod child;
mod clock;
mod distribution;
pub mod doctor;
mod events;
mod gate;
pub mod layout;
mod model;
pub mod outside;
mod planted;
mod rest;
mod scale;
pub mod secrets;
mod service;
mod settings;
pub mod simulation;
pub mod state;
mod task;
#[cfg(test)]
mod testing;
mod token;
pub mod view;
mod watch;

pub use apply::ApplyPlan;
pub use events::Event;
pub use rest::{BUNDLE, RESOURCES};
pub use service::{Controller, ControllerError, run};
pub use settings::ControllerOptions;
pub use token::Secret;

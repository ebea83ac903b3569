//! Anything that a framework spec describes under `service:`, and schedulers that others wrote.
//!
//! - `spec`: the definition as it comes with the configuration, and the variables of its templates;
//! - `group`: a group as instances;
//! - `task`: the task of an instance;
//! - `outputs`: what dependents get, also what has to be read from somewhere;
//! - `service`: all of it as the SDK drives it;
//! - `rest`: resources of its own.

mod group;
mod outputs;
mod rest;
mod service;
mod spec;
mod task;

use std::sync::Arc;

use cairn_framework::Service;

/// The service, for [`cairn_framework::run`].
pub fn service() -> Arc<dyn Service> {
    Arc::new(service::Described)
}

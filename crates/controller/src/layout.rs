//! Where states are, below the place of all of them.

/// The controller's own.
pub const CONTROLLER: &str = "controller";
/// Above those of the child schedulers.
pub const SCHEDULERS: &str = "schedulers";

/// That of a service's scheduler, below [`SCHEDULERS`]. One for each framework: a service that changes its framework must
/// not find the state of the old one.
pub fn scheduler(stack: &str, service: &str, framework: &str) -> String {
    // No name has a dot, so a service of a nested stack has no place within that of another one.
    format!("{stack}/{}/{framework}", service.replace('/', "."))
}

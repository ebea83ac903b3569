//! Framework specs and stack specs: parsed, checked, resolved into a graph, compared. No I/O
//!
//! The way through this crate:
//!
//! 1. [`Catalog::load`] reads framework specs: what each framework needs, offers and lets a stack set.
//! 2. [`Bundle`] is what a user applies: a main file, overlays, and the files that they name. [`check_bundle`] turns it
//!    into a [`ValidatedStack`], in which nested stacks are laid flat, or into a [`Report`] that names every mistake
//!    with its place.
//! 3. [`ValidatedStack::layers`] says what starts after what; [`resolve`] puts the outputs of running services
//!    into the options and inputs of those that depend on them.
//! 4. [`diff()`] compares two stacks; [`StackDiff::render`] is what `cairn plan` prints.
//!
//! Whoever holds a [`ValidatedStack`] needs to check nothing again.

mod beside;
mod bundle;
mod catalog;
mod check;
mod described;
mod diagnostic;
mod diff;
mod distribution;
mod flatten;
mod framework;
mod load;
mod merge;
mod model;
mod name;
mod node;
mod plan_text;
mod render;
mod resolve;
pub mod schema;
mod schema_check;
mod secrets;
mod source;
mod template;
mod yaml;

pub use beside::{Beside, named_files};
pub use bundle::{Bundle, Content, MAX_FILES, resolve_name};
pub use catalog::{Catalog, FrameworkFile, FrameworkFiles, Mistake, OwnCheck, Proposed};
pub use check::{check_bundle, check_stack, param_value};
pub use diagnostic::{Diagnostic, Label, Report, Severity, Span};
pub use diff::{Change, FieldChange, ServiceDiff, StackDiff, diff};
pub use distribution::Distribution;
pub use framework::{Archive, Bound, Command, Condition, FrameworkSpec, Need, Offer, Rule, SchedulerSpec};
pub use model::{Checked, Existing, Params, Service, ValidatedStack};
pub use name::{MAX_FRAMEWORK_NAME, framework_name, is_name};
pub use resolve::{Missing, Outputs, Secrets, resolve, resolve_known, resolve_text};
pub use secrets::{SecretSource, SecretUses, declared_secrets, is_secret_name, secret_names, secret_places};
pub use source::MAX_BYTES;
pub use template::{Part, Reference, Target, Template, TemplateError, escape};

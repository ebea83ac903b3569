//! The SDK that every scheduler is built on.
//!
//! A framework implements [`Service`] (what is different about its service) and calls [`run`]. The SDK does the rest:
//!
//! - [`core`]: the pure state machine `step(event, now) -> effects` that decides everything;
//! - [`driver`]: feeds it Mesos events, verdicts, timers and requests, and carries out its effects in order;
//! - [`store`]: where intent is kept before anything happens;
//! - [`kit`]: what services have in common;
//! - [`http`]: a client for services that speak HTTP;
//! - [`operation`]: named work inside running instances;
//! - [`rest`]: the skeleton that every scheduler serves, and problem documents.

pub mod core;
pub mod driver;
pub mod http;
pub mod kit;
mod master;
pub mod model;
pub mod operation;
pub mod rest;
mod secrets;
pub mod service;
pub mod simulation;
pub mod status;
pub mod store;
mod view;

pub use cairn_mesos::client::{Access, AccessError, Authorities, Credentials, Piece};
pub use cairn_units::{Constraint, Missed, Overlap};
pub use driver::{
    Accepted, Cluster, Command, Foreign, Given, Handle, Published, Registered, RunError, RunOptions, Sandbox,
    SandboxError, run,
};
pub use master::Master;
pub use model::{
    Artifact, Config, GoalState, InstanceSpec, Model, Options, PortSpec, Problem, Rolling, Strategy, Timing,
    VolumeSpec,
};
pub use operation::{Argument, Operate, Operation, OperationSpec, OperationStatus, OperationStep, Progress};
pub use rest::Refused;
pub use secrets::Secrets;
pub use service::{Action, Ask, Moment, Service, Verdict, Wait};
pub use status::{
    Health, InstanceStatus, Phase, Placement, Plan, PlanPhase, PlanStatus, Run, RunState, Status, Step,
};
pub use view::View;

/// What the crate of a framework gives to the program that runs it: `SPEC`, the framework spec that lies beside its
/// manifest; `service()`, for [`run`]; and `options_schema()`, the JSON Schema of its options.
///
/// ```ignore
/// cairn_framework::framework!(service::ZooKeeper, Options);
/// ```
#[macro_export]
macro_rules! framework {
    ($service:expr, $options:ty) => {
        /// The framework spec; its options are those of [`options_schema`].
        pub const SPEC: &str = include_str!("../framework.yaml");

        /// The service, for [`cairn_framework::run`].
        pub fn service() -> ::std::sync::Arc<dyn $crate::Service> {
            ::std::sync::Arc::new($service)
        }

        /// JSON Schema of the options.
        pub fn options_schema() -> ::serde_json::Value {
            ::schemars::schema_for!($options).to_value()
        }
    };
}

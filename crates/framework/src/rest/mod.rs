//! REST: the skeleton every scheduler serves, and what services need for resources of their own.

mod api;
mod auth;
mod body;
mod cluster;
mod config;
mod contents;
mod executable;
pub mod form;
mod limits;
mod meant;
mod nodes;
mod openapi;
mod operations;
mod passing;
mod problem;
mod scrub;
mod server;
mod skeleton;
#[cfg(test)]
mod stub;

pub use api::{Api, Resource};
pub use auth::{Token, writes_need_token};
pub use body::{Body, parsed};
pub use limits::too_many;
pub use meant::MEANT;
pub use nodes::{Count, start};
pub use openapi::{SKELETON, resources};
pub use passing::{Part, forwarded, gathered};
pub use problem::Problem;
pub use skeleton::{accepted, unknown_verb, verb_command};

pub(crate) use executable::Executable;
pub(crate) use server::Server;
pub(crate) use skeleton::router;

/// The answer of a handler that can refuse.
pub type Refused<T> = Result<T, Problem>;

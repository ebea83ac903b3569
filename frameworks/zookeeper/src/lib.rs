//! ZooKeeper ensembles: what is different about ZooKeeper among the services that the SDK keeps running.
//!
//! - [`Options`]: what a stack may set;
//! - `task`, `prepare.sh`: the files and the command line of a server, and how its membership outlives it;
//! - `formation`: whether a server founds the ensemble or joins it;
//! - `survey`: how the servers are, asked from themselves;
//! - `gate`: what is safe when, and what membership has to be changed for it;

mod formation;
mod gate;
mod names;
mod options;
#[cfg(test)]
mod real;
mod secret;
mod service;
mod survey;
mod task;

pub use cairn_units::Size;
pub use options::{Options, Server};

cairn_framework::framework!(service::ZooKeeper, Options);

//! Elasticsearch and OpenSearch clusters: what is different about them among the services that the SDK keeps running.
//!
//! - [`Options`]: what a stack may set; `nodes`: which nodes follow from it;
//! - `task`, `run.sh`: the files and the command line of a node;
//! - `gate`: what is safe when, and what is done for it; `contents`: indices and templates, which are kept as declared;
//! - `rest`: resources of its own.

mod contents;
mod gate;
mod nodes;
mod options;
mod rest;
mod service;
mod task;

pub use cairn_elasticsearch_admin::Role;
pub use cairn_units::Size;
pub use options::{Group, Node, Options, Predicate};

cairn_framework::framework!(service::Elasticsearch, Options);

//! What every service needs and none should write again.
//!
//! - [`Nodes`]: instances that are alike and numbered. A framework that names them in [`crate::Service::nodes`] gets
//!   `/v1/nodes` (list, resize, add, patch, start, stop, restart, replace, remove), its problem documents and its lines in
//!   `/openapi.json`; it writes no REST for them. [`crate::Service::describe`] adds fields of its own to each listed node.
//! - [`Ids`]: nodes as people write them: `0`, `0,2`, `0..4`, `*`, `*[rack=r1]`.
//! - [`java`]: the command line of a JVM by the size of its heap.
//! - [`Settings`] and [`Scalar`]: entries of a service's own configuration; [`Ports`]: a port or a range of ports.
//! - [`Count`]: a number of instances, or `*` for one on every agent; [`Many`]: a text or several.
//! - [`check`]: checks of options that a schema cannot express.
//! - [`options`]: changes to options as they were written.
//!
//! Problems become reasons to wait by themselves: in [`crate::Service::task`], `Options::read(config)?`.

pub mod check;
mod count;
mod ids;
pub mod java;
mod many;
mod nodes;
pub mod options;
mod port;
mod probes;
mod scalar;

pub use count::Count;
pub use ids::Ids;
pub use many::Many;
pub use nodes::Nodes;
pub(crate) use nodes::idle;
pub use port::Ports;
pub use probes::probes;
pub use scalar::{Scalar, Settings};

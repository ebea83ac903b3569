//! The master: who may use what, and who has been told what.
//!
//! [`Master`] decides: one [`Input`] and the time go in, [`Effect`]s come out, and nothing else happens. The driver
//! around it speaks HTTP, keeps the [`registry`], and holds the links to the agents.

mod accept;
mod agent;
mod agents;
mod allocator;
mod attention;
mod calls;
mod constraints;
mod container_check;
mod core;
mod driver;
mod event;
mod filters;
mod fleet;
pub(crate) mod format;
mod framework;
mod framework_check;
mod http;
mod identity;
mod launch;
mod measured;
mod offers;
mod open_offers;
mod operations;
mod operator;
mod planted;
mod pool;
mod probe_check;
mod reconcile;
mod refusal;
mod registration;
pub mod registry;
mod server;
mod status;
mod stream;
mod subscribe;
mod task_check;
mod tasks;
mod timer;
mod told;

pub use self::core::{Master, Timeouts};
pub use self::event::{CallKey, Effect, Input, LinkKey, Reply, StreamKey, Time};
pub use self::identity::{Identity, PROTOCOL_VERSION};
pub use self::planted::Bug;
pub use self::server::{AgentConnector, MasterError, MasterServer, MasterSettings};

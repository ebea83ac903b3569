//! What the end to end tests share: real processes in a folder of their own, found and ended by id, never by name.

mod authority;
pub mod cairn;
pub mod canary;
pub mod chaos;
pub mod cql;
pub mod http;
pub mod kcat;
pub mod processes;
pub mod wait;
pub mod zookeeper;

pub use authority::{Authority, Certified};
pub use cairn::{Cairn, Output, checkout};
pub use http::Http;
pub use wait::until;
pub use zookeeper::ZooKeeperServer;

//! The Mesos v1 HTTP API: messages, JSON mapping, RecordIO, clients, resource arithmetic
//!
//! - [`v1`]: the messages, with `scheduler`, `executor`, `master` and `agent` below it; protobuf by prost, JSON by serde
//! - [`codec`]: bodies of either media type
//! - [`recordio`]: the framing of streams
//! - [`resources`]: arithmetic on resources, and their textual form
//! - [`client`]: async clients for schedulers, executors and operators

pub mod client;
pub mod codec;
mod json;
pub mod recordio;
pub mod resources;
mod signal;

pub use signal::signal_name;

/// The messages of the Mesos v1 API, generated from the `.proto` files of this crate.
///
/// Field names, numbers and enums are those of Apache Mesos 1.11. Optional fields are `Option`; enum fields are `i32`
/// with typed accessors (`status.state()`, `status.set_state(..)`), as prost makes them.
pub mod v1 {
    #![expect(missing_docs, clippy::all, unreachable_pub, reason = "it is generated")]
    pub use self::messages::mesos::v1::*;

    mod messages {
        include!(concat!(env!("OUT_DIR"), "/messages.rs"));
    }
}

mod enums {
    include!(concat!(env!("OUT_DIR"), "/enums.rs"));
}

//! What a scheduler asks of Cassandra nodes. It knows nothing of Cairn.
//!
//! - [`Client`]: the native protocol, one statement at a time;
//! - [`Report`]: what a node says of itself and of the ring; [`Survey`]: what all of them say, and how the ring stands by it;
//! - [`Keyspace`]: how keyspaces are replicated, and what is [`Due`] to make it so;
//! - [`tokens`]: how a new node comes to its ranges.

mod client;
mod keyspaces;
mod ring;
mod survey;
pub mod tokens;

pub use client::{Client, Error};
pub use keyspaces::{Due, Keyspace, Sizes, is_keyspace_name, misfits};
pub use ring::{Listed, major};
pub use survey::{Member, Node, Report, State, Survey, owns};

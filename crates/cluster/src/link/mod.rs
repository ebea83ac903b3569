//! The seam of [`crate::wire`] over HTTP, for agents that are processes of their own.
//!
//! An agent POSTs to `/api/v1/agent` of the master and leaves its request open: the body holds what it says, the body of the
//! answer what the master says. Both are RecordIO of JSON; an empty record says no more than that its sender lives. Who hears
//! nothing for [`SILENCE`] takes the link for broken. A request that a master would refuse gets an HTTP status as any other,
//! so whatever else authenticates requests can authenticate agents.

mod dial;
mod frame;

use std::time::Duration;

use tokio::sync::mpsc;

pub(crate) use dial::Remote;
pub(crate) use frame::{Incoming, outgoing};

/// Where agents come to the master.
pub(crate) const PATH: &str = "/api/v1/agent";
/// What both bodies are.
pub(crate) const CONTENT_TYPE: &str = "application/json";
/// How long either side says nothing at most.
const PULSE: Duration = Duration::from_secs(5);
/// How long the other side may say nothing.
const SILENCE: Duration = Duration::from_secs(30);
/// The longest message, in bytes: an agent that registers names all its tasks.
const LONGEST: usize = 256 * 1024 * 1024;

/// Carries messages from a body to a channel until either ends.
pub(crate) async fn carry<T, S, C, E>(body: S, to: mpsc::Sender<T>) -> Result<(), String>
where
    T: serde::de::DeserializeOwned,
    S: futures_util::Stream<Item = Result<C, E>> + Unpin,
    C: AsRef<[u8]>,
    E: std::fmt::Display,
{
    let mut incoming = Incoming::new(body);
    loop {
        let message = tokio::select! {
            message = incoming.next() => message?,
            () = to.closed() => return Ok(()),
        };
        let Some(message) = message else { return Ok(()) };
        if to.send(message).await.is_err() {
            return Ok(());
        }
    }
}

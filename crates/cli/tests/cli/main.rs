//! The binary, run as users run it; only what needs no controller.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod bad_specs;
mod cairn;
mod client;
mod docs;
mod help;
mod load;
mod offline;
mod schemas;
mod servers;

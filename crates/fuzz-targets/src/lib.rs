//! What is done with bytes from outside, and bytes to begin with.
//!
//! A target takes any bytes and does with them what the program does when they come from a file, a client or a disk. It
//! panics when something is wrong, and so does what it calls, if it can. `fuzz/` runs the targets under libFuzzer; the
//! test of this crate runs each for a bounded number of [`change`]d inputs.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a target that finds something panics")]

pub mod change;
mod corpus;
mod rest;
mod specs;
mod state;
mod templates;
mod wire;

/// Bytes and what becomes of them.
pub struct Target {
    /// Its name, as in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Does with bytes what the program does with them.
    pub run: fn(&[u8]),
    /// Inputs that are right, or wrong in a known way.
    pub corpus: fn() -> Vec<Vec<u8>>,
    /// How many changed inputs the bounded run tries: some seconds' worth.
    pub rounds: usize,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "specs", run: specs::run, corpus: specs::corpus, rounds: 2_000 },
    Target { name: "templates", run: templates::run, corpus: templates::corpus, rounds: 20_000 },
    Target { name: "recordio", run: wire::recordio, corpus: wire::streams, rounds: 20_000 },
    Target { name: "bodies", run: wire::bodies, corpus: wire::messages, rounds: 20_000 },
    Target { name: "state", run: state::run, corpus: state::corpus, rounds: 5_000 },
    Target { name: "rest", run: rest::run, corpus: rest::corpus, rounds: 2_000 },
];

/// The target of a name.
///
/// # Panics
/// When there is none.
pub fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("there is no target {name}"))
}

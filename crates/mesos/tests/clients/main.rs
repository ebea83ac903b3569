//! The clients against peers that lead, follow, fall silent, refuse and go away.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the lint spares tests, not what they share")]

mod executor;
mod operator;
mod scheduler;
mod support;

//! The clients against peers that lead, follow, fall silent, refuse and go away.
#![allow(clippy::unwrap_used, clippy::panic)] // The lint knows only #[test] functions, not what they share.

mod executor;
mod operator;
mod scheduler;
mod support;

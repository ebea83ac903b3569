//! The master's state machine, driven by hand, against what Apache Mesos was recorded to do.

#![expect(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value, reason = "a test may fail")]

mod allocation;
mod apart;
mod closed;
mod containment;
mod environment;
mod failover;
mod launching;
mod nesting;
mod operating;
mod reconciling;
mod reserving;
mod scene;
mod secure;
mod sharing;
mod storms;
mod tools;
mod web;
mod whole;

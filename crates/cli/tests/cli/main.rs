//! The binary, run as users run it; only what needs no controller.

mod bad_specs;
mod cairn;
mod client;
mod help;
mod offline;
mod schemas;

//! The client side: where the controller is, what it is asked, how its answers are shown.

pub(crate) mod bundle;
pub(crate) mod changes;
pub(crate) mod context;
pub(crate) mod display;
pub(crate) mod endpoints;
pub(crate) mod follow;
pub(crate) mod logs;
pub(crate) mod names;
pub(crate) mod options;
pub(crate) mod problem;
pub(crate) mod progress;
pub(crate) mod rest;
pub(crate) mod scheduler;
pub(crate) mod secrets;
pub(crate) mod spec;
pub(crate) mod stack;
pub(crate) mod start;
pub(crate) mod table;
pub(crate) mod target;
pub(crate) mod tree;
pub(crate) mod words;

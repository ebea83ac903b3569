//! A deterministic simulator: the real cores of schedulers, master, agents and executors in one thread, on virtual
//! time, from a seed.
//!
//! Operators ask for things at random, and everything goes wrong that [`Fault`] names: processes end between any two
//! effects, messages are late, lost or come twice, machines lose power, clocks jump, gates and probes lie. After every
//! step, every write and every message the invariants of the design are checked ([`Violation`]); at the end nothing goes
//! wrong any more, and all must become as it was asked for. A core that panics breaks a rule like any other.
//!
//! In some runs a controller brings up a stack of services that rest on each other, and its child schedulers are processes
//! of tasks (`stack`); in the others schedulers stand alone.
//!
//! What stands in for the drivers is here; every decision is that of the shipped code. A run is its [`Plan`]: the same
//! plan gives the same run, and [`shrink`] looks for a smaller one that breaks the same rule.

mod acts;
mod agent;
mod check;
mod child;
mod cluster_check;
mod connection;
mod container;
mod controller;
mod effects;
mod end;
mod fall;
mod fault;
mod freed;
mod given;
mod ledger;
mod machine;
mod master;
mod misfortune;
mod operator;
mod outside;
mod paused;
mod program;
mod rng;
mod scheduler;
mod secrets;
mod service;
mod shrink;
mod stack;
mod stack_check;
mod stack_end;
mod stack_operator;
mod standing;
mod start;
mod told;
mod words;
mod work;
mod world;

pub use fault::{Fault, Plan};
pub use shrink::shrink;
pub use world::Violation;

use world::World;

/// How a run went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Events that cores took.
    pub steps: u64,
    /// Faults that happened.
    pub faults: u64,
    /// The rule that was broken, if one was.
    pub violation: Option<Violation>,
    /// What happened, line by line; only of a run that was traced.
    pub trace: Vec<String>,
}

/// Runs a plan. With `traced`, the outcome tells all that happened.
pub fn run(plan: &Plan, traced: bool) -> Outcome {
    let mut world = World::new(plan.clone(), traced);
    if let Err(panic) = fall::caught(|| world.run()) {
        world.violate("nothing panics", || panic);
    }
    let trace = world.take_trace();
    Outcome { steps: world.steps, faults: world.luck.happened(), violation: world.violation, trace }
}

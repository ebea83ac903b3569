//! End to end, with the real services. Each story shares one cluster; its steps run in order and stand on their own
//! feet: run alone, a step brings the stack up first.
//!
//! `cargo test -p cairn-tests --test e2e -- NAME` runs what contains NAME; `CAIRN_BIN` and `CAIRN_DIST` name what is run.

mod cassandra;
mod cql;
mod elasticsearch;
mod example;
mod examples;
mod kafka;
mod kcat;
mod kraft;
mod logging;
mod nested;
mod secrets;
mod service;
mod trouble;

use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};

/// A story: something that is set up once, and steps that use it.
pub(crate) struct Story<W> {
    world: Arc<Mutex<Option<W>>>,
    name: &'static str,
    trials: Vec<Trial>,
}

impl<W: Send + 'static> Story<W> {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { world: Arc::default(), name, trials: Vec::new() }
    }

    /// Adds a step. `setup` makes the world for the first step that runs.
    pub(crate) fn step(mut self, name: &str, setup: fn() -> W, step: fn(&mut W)) -> Self {
        let world = Arc::clone(&self.world);
        let run = move || -> Result<(), Failed> {
            let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
            step(world.get_or_insert_with(setup));
            Ok(())
        };
        self.trials.push(Trial::test(format!("{}::{name}", self.name), run));
        self
    }

    /// The steps, and what ends the world when all have run.
    pub(crate) fn end(self) -> (Vec<Trial>, Box<dyn FnOnce()>) {
        let world = self.world;
        (self.trials, Box::new(move || drop(world.lock().unwrap_or_else(PoisonError::into_inner).take())))
    }
}

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let stories = [
        kafka::story(),
        kraft::story(),
        cassandra::story(),
        nested::story(),
        example::story(),
        examples::story(),
        elasticsearch::story(),
        service::story(),
        logging::story(),
        secrets::story(),
        trouble::story(),
    ];
    let mut trials = Vec::new();
    let mut ends = Vec::new();
    for (steps, end) in stories {
        trials.extend(steps);
        ends.push(end);
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    for end in ends {
        end();
    }
    conclusion.exit();
}

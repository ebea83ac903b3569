//! End to end, with the real services. Each story shares one cluster; its steps run in order and stand on their own
//! feet: run alone, a step brings the stack up first.
//!
//! `cargo test -p cairn-tests --test e2e -- NAME` runs what contains NAME; `CAIRN_BIN` and `CAIRN_DIST` name what is run.

mod cassandra;
mod chaos;
mod closed;
mod elasticsearch;
mod example;
mod examples;
mod failover;
mod kafka;
mod kraft;
mod logging;
mod nested;
mod nodes;
mod racks;
mod secrets;
mod secure;
mod service;
mod shipped;
mod state;
mod trouble;
mod zones;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use cairn_tests::{cql, kcat};
use libtest_mimic::{Arguments, Failed, Trial};

/// A story: something that is set up once, and steps that use it.
pub(crate) struct Story<W> {
    world: Arc<Mutex<Option<W>>>,
    name: &'static str,
    trials: Vec<Trial>,
}

/// The story whose world is up, and what ends that world. One at a time: the machine holds no two of them.
static CURRENT: Mutex<Option<(&'static str, End)>> = Mutex::new(None);

type End = Box<dyn FnOnce() + Send>;

impl<W: Send + 'static> Story<W> {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { world: Arc::default(), name, trials: Vec::new() }
    }

    /// Adds a step. `setup` makes the world for the first step that runs.
    pub(crate) fn step(mut self, name: &str, setup: fn() -> W, step: fn(&mut W)) -> Self {
        let world = Arc::clone(&self.world);
        let story = self.name;
        let run = move || -> Result<(), Failed> {
            let ended = Arc::clone(&world);
            enter(story, Box::new(move || drop(lock(&ended).take())));
            step(lock(&world).get_or_insert_with(setup));
            Ok(())
        };
        self.trials.push(Trial::test(format!("{}::{name}", self.name), run));
        self
    }

    pub(crate) fn end(self) -> Vec<Trial> {
        self.trials
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the world of the story before.
fn enter(story: &'static str, end: End) {
    if lock(&CURRENT).as_ref().is_some_and(|(name, _)| *name == story) {
        return;
    }
    leave();
    *lock(&CURRENT) = Some((story, end));
}

fn leave() {
    let current = lock(&CURRENT).take();
    if let Some((_, end)) = current {
        end();
    }
}

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let stories = [
        kafka::story(),
        kraft::story(),
        cassandra::story(),
        racks::story(),
        nested::story(),
        example::story(),
        examples::story(),
        elasticsearch::story(),
        zones::story(),
        service::story(),
        logging::story(),
        secrets::story(),
        closed::story(),
        secure::story(),
        failover::story(),
        state::story(),
        shipped::story(),
        trouble::story(),
        chaos::story(),
    ];
    let conclusion = libtest_mimic::run(&arguments, stories.into_iter().flatten().collect());
    leave();
    conclusion.exit();
}

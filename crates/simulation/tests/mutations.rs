//! The test of the test: bugs that are planted on purpose are found.

#![expect(clippy::panic, reason = "a test may fail")]

use std::fmt::Debug;

use cairn_cluster::{agent::simulation as agent, master};
use cairn_controller::simulation as controller;
use cairn_executor::simulation as executor;
use cairn_framework::core;
use cairn_planted::plant;
use cairn_simulation::{Plan, run};

/// So many seeds are enough to find each of them. The rarest, that a task out of reach is launched anew, shows in one of 500:
/// its agent has to be away for longer than the master waits, and the run has to go on for longer than that.
const WITHIN: u64 = 2_000;

fn each_is_found<Bug: Copy + Debug + 'static>(bugs: &[Bug]) {
    for bug in bugs {
        plant(Some(*bug));
        let found = (0..WITHIN).find_map(|seed| Some((seed, run(&Plan::of(seed), false).violation?)));
        plant(None::<Bug>);
        let Some((seed, violation)) = found else { panic!("{bug:?} is not found within {WITHIN} seeds") };
        println!("{bug:?}: seed {seed} breaks `{}`: {}", violation.rule, violation.text);
    }
}

#[test]
fn every_bug_of_the_core_is_found() {
    each_is_found(&core::Bug::ALL);
}

#[test]
fn every_bug_of_the_controller_is_found() {
    each_is_found(&controller::Bug::ALL);
}

#[test]
fn every_bug_of_the_master_is_found() {
    each_is_found(&master::Bug::ALL);
}

#[test]
fn every_bug_of_the_agent_is_found() {
    each_is_found(&agent::Bug::ALL);
}

#[test]
fn every_bug_of_the_executor_is_found() {
    each_is_found(&executor::Bug::ALL);
}

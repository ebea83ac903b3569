//! The test of the test: bugs that are planted on purpose are found.

#![allow(clippy::panic, reason = "a test may fail")]

use cairn_framework::core::{Bug, plant};
use cairn_simulation::{Plan, run};

/// So many seeds are enough to find each of them.
const WITHIN: u64 = 400;

#[test]
fn every_planted_bug_is_found() {
    for bug in Bug::ALL {
        plant(Some(bug));
        let found = (0..WITHIN).find_map(|seed| Some((seed, run(&Plan::of(seed), false).violation?)));
        plant(None);
        let Some((seed, violation)) = found else { panic!("{bug:?} is not found within {WITHIN} seeds") };
        println!("{bug:?}: seed {seed} breaks `{}`: {}", violation.rule, violation.text);
    }
}

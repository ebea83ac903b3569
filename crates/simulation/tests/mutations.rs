//! The test of the test: bugs that are planted on purpose are found.

#![expect(clippy::panic, reason = "a test may fail")]

use std::fmt::Debug;

use cairn_cluster::{agent::simulation as agent, master};
use cairn_controller::simulation as controller;
use cairn_executor::simulation as executor;
use cairn_framework::core::Bug;
use cairn_planted::plant;
use cairn_simulation::{Plan, Violation, run, shrink};

/// So many seeds are enough to find each of them. The rarest, that a task out of reach is launched anew, shows in one of 500:
/// its agent has to be away for longer than the master waits, and the run has to go on for longer than that.
const WITHIN: u64 = 2_000;

/// Each is the reason that a rule is there: this rule, and not only another one that happens to be broken too.
const OF_CORE: [(Bug, &str); 13] = [
    (Bug::NoRevive, "offers are asked for when there is something to do"),
    (Bug::StoreLater, "an acknowledgement comes after what it reports is stored"),
    (Bug::FreeStopped, "nothing is freed that the store holds"),
    (Bug::FreePorts, "nothing is freed that the store holds"),
    (Bug::NoSuppress, "no offers are wanted when there is nothing to do"),
    (Bug::ShortFilters, "offers are declined for long when there is nothing to do"),
    (Bug::LongFilters, "offers are asked for when there is something to do"),
    (Bug::AskOnlySome, "after each subscription everything is reconciled"),
    (Bug::AskNoOthers, "after each subscription everything is reconciled"),
    (Bug::HalfOutputs, "dependents see outputs of providers that are ready"),
    (Bug::StoreSecrets, "a secret is read by its service only"),
    (Bug::TrustMaster, "nothing panics"),
    (Bug::AnySchema, "an older program leaves a newer state alone"),
];

const OF_CONTROLLER: [(controller::Bug, &str); 2] = [
    (controller::Bug::EarlyOutputs, "dependents see outputs of providers that are ready"),
    (controller::Bug::OpenFiles, "a secret is read by its service only"),
];

/// The first seed that finds a bug, by this rule if one is given.
fn finds<B: Copy + 'static>(bug: B, rule: Option<&str>) -> Option<(u64, Violation)> {
    plant(Some(bug));
    let breaks = |seed| {
        let violation = run(&Plan::of(seed), false).violation?;
        rule.is_none_or(|rule| violation.rule == rule).then_some((seed, violation))
    };
    let found = (0..WITHIN).find_map(breaks);
    plant(None::<B>);
    found
}

fn each_is_found<B: Copy + Debug + PartialEq + 'static>(bugs: &[B], rules: &[(B, &str)]) {
    for bug in bugs {
        let rule = rules.iter().find(|(known, _)| known == bug).map(|(_, rule)| *rule);
        let Some((seed, violation)) = finds(*bug, rule) else {
            panic!("{bug:?} is not found within {WITHIN} seeds")
        };
        println!("{bug:?}: seed {seed} breaks `{}`: {}", violation.rule, violation.text);
    }
}

#[test]
fn every_bug_of_the_core_is_found() {
    each_is_found(&Bug::ALL, &OF_CORE);
}

#[test]
fn every_bug_of_the_controller_is_found() {
    each_is_found(&controller::Bug::ALL, &OF_CONTROLLER);
}

#[test]
fn a_panic_is_told_with_its_place_and_shrunk() {
    let (seed, violation) = finds(Bug::TrustMaster, Some("nothing panics")).expect("it is found");
    assert!(violation.text.contains("updates.rs"), "{violation:?}");
    plant(Some(Bug::TrustMaster));
    let plan = Plan::of(seed);
    let small = shrink(&plan, violation.rule);
    let outcome = run(&small, true);
    plant(None::<Bug>);
    assert!(small.without.len() > plan.without.len(), "{small:?}");
    assert_eq!(outcome.violation.map(|v| v.rule), Some("nothing panics"));
    assert!(outcome.trace.last().is_some_and(|line| line.contains("nothing panics")), "{:?}", outcome.trace);
}

#[test]
fn every_bug_of_the_master_is_found() {
    each_is_found(&master::Bug::ALL, &[]);
}

#[test]
fn every_bug_of_the_agent_is_found() {
    each_is_found(&agent::Bug::ALL, &[]);
}

#[test]
fn every_bug_of_the_executor_is_found() {
    each_is_found(&executor::Bug::ALL, &[]);
}

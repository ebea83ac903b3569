//! Many seeds, each a run of its own.

#![expect(clippy::panic, reason = "a test may fail")]

use std::sync::atomic::{AtomicU64, Ordering};

use cairn_simulation::{Plan, run, shrink};

/// So many seeds, unless CAIRN_SEEDS says otherwise.
const SEEDS: u64 = 3_000;
/// Lines of the trace that are shown of a failure.
const LINES: usize = 120;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn check(seed: u64) -> u64 {
    let plan = Plan::of(seed);
    let outcome = run(&plan, false);
    let Some(violation) = outcome.violation else { return outcome.steps };
    let small = shrink(&plan, violation.rule);
    let trace = run(&small, true).trace;
    let last = trace[trace.len().saturating_sub(LINES)..].join("\n");
    panic!("seed {seed} breaks `{}`: {}\nsmallest: {small:?}\n{last}", violation.rule, violation.text);
}

#[test]
fn every_seed_keeps_the_invariants_and_converges() {
    let (first, many) = (from_environment("CAIRN_SEED", 0), from_environment("CAIRN_SEEDS", SEEDS));
    let next = AtomicU64::new(first);
    let steps = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + many {
                        return;
                    }
                    steps.fetch_add(check(seed), Ordering::Relaxed);
                }
            });
        }
    });
    println!("{many} seeds, {} events", steps.into_inner());
}

#[test]
fn the_same_plan_gives_the_same_run() {
    let plan = Plan::of(7);
    assert_eq!(run(&plan, true), run(&plan, true));
}

//! Runs seed after seed until it is stopped, or for as many as it is told, and says how fast that goes.
//!
//! `cairn-soak [FIRST [MANY]]` runs seeds; `cairn-soak --trace SEED` tells all that happens in one, shrunk if it fails.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cairn_simulation::{Plan, run, shrink};

/// How often it says how far it is.
const TELL: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| words.get(at).and_then(|text| text.parse().ok());
    match (words.first().map(String::as_str), number(1)) {
        (Some("--trace"), Some(seed)) => tell(seed),
        _ => soak(number(0).unwrap_or_default(), number(1).unwrap_or(u64::MAX)),
    }
}

fn tell(seed: u64) -> ExitCode {
    let mut plan = Plan::of(seed);
    if let Some(violation) = run(&plan, false).violation {
        plan = shrink(&plan, violation.rule);
    }
    let outcome = run(&plan, true);
    println!("{plan:?}");
    outcome.trace.iter().for_each(|line| println!("{line}"));
    if outcome.violation.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Count {
    next: AtomicU64,
    seeds: AtomicU64,
    steps: AtomicU64,
    failed: AtomicBool,
    told: Mutex<Instant>,
}

#[expect(clippy::disallowed_methods, reason = "it measures how fast the simulator is")]
fn now() -> Instant {
    Instant::now()
}

fn soak(first: u64, many: u64) -> ExitCode {
    let start = now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let count = Count {
        next: AtomicU64::new(first),
        seeds: AtomicU64::new(0),
        steps: AtomicU64::new(0),
        failed: AtomicBool::new(false),
        told: Mutex::new(start),
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&count, first.saturating_add(many), start, threads));
        }
    });
    say(&count, start, threads);
    println!("{} events in all", count.steps.load(Ordering::Relaxed));
    if count.failed.into_inner() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn work(count: &Count, end: u64, start: Instant, threads: usize) {
    loop {
        let seed = count.next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return;
        }
        let plan = Plan::of(seed);
        let outcome = run(&plan, false);
        count.seeds.fetch_add(1, Ordering::Relaxed);
        count.steps.fetch_add(outcome.steps, Ordering::Relaxed);
        if let Some(violation) = outcome.violation {
            count.failed.store(true, Ordering::Relaxed);
            println!("seed {seed} breaks `{}`: {}", violation.rule, violation.text);
        }
        if let Ok(mut told) = count.told.try_lock()
            && told.elapsed() > TELL
        {
            *told = now();
            say(count, start, threads);
        }
    }
}

fn say(count: &Count, start: Instant, threads: usize) {
    let (seeds, steps) = (count.seeds.load(Ordering::Relaxed), count.steps.load(Ordering::Relaxed));
    let seconds = start.elapsed().as_secs_f64();
    let (a_second, on_one) = (steps as f64 / seconds, steps as f64 / seconds * 60.0 / threads as f64);
    println!(
        "{seeds} seeds in {seconds:.0} s: {:.0} seeds/s, {a_second:.0} events/s; {on_one:.0} events a minute on one core",
        seeds as f64 / seconds
    );
}

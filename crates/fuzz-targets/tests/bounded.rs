//! Each target for a bounded number of changed inputs, always the same ones. What it finds is named by its number.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cairn_fuzz_targets::change::Random;
use cairn_fuzz_targets::target;

fn bounded(name: &str) {
    let target = target(name);
    let corpus = (target.corpus)();
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|input| (target.run)(input));
    let mut random = Random::new(0x9E37_79B9_7F4A_7C15);
    for round in 0..target.rounds {
        let mut input = corpus[random.below(corpus.len())].clone();
        random.change(&mut input);
        let survived = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
        let shown = String::from_utf8_lossy(&input[..input.len().min(2_000)]);
        assert!(survived.is_ok(), "{name}, round {round}:\n{shown}");
    }
}

#[test]
fn specs() {
    bounded("specs");
}

#[test]
fn templates() {
    bounded("templates");
}

#[test]
fn recordio() {
    bounded("recordio");
}

#[test]
fn bodies() {
    bounded("bodies");
}

#[test]
fn state() {
    bounded("state");
}

#[test]
fn rest() {
    bounded("rest");
}

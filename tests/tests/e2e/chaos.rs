//! A minute of chaos: the short form of `make chaos`, with a fixed seed.

use std::time::Duration;

use cairn_tests::chaos::{self, Run};
use libtest_mimic::Trial;

use crate::Story;

pub(crate) fn story() -> Vec<Trial> {
    let setup = || ();
    Story::new("chaos").step("a_minute_of_faults_loses_no_acknowledged_write", setup, a_minute).end()
}

fn a_minute((): &mut ()) {
    let run = Run { seed: 1, stack: "kafka.yaml", lasts: Duration::from_secs(60) };
    let report = chaos::run(&run);
    assert!(report.broken.is_none(), "{}", report.text(&run));
    assert!(!report.outcomes.is_empty());
}

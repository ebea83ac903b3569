//! A minute of chaos: the short form of `make chaos`, with a fixed seed.

use std::process::Command;

use libtest_mimic::Trial;

use crate::Story;

pub(crate) fn story() -> Vec<Trial> {
    let setup = || ();
    Story::new("chaos").step("a_minute_of_faults_loses_no_acknowledged_write", setup, a_minute).end()
}

/// In a program of its own: one that hurts networks and disks has none but its own.
fn a_minute((): &mut ()) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_cairn-chaos"));
    let out = program.args(["1", "kafka.yaml", "", "1"]).output().expect("it runs");
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{told}\n{}", String::from_utf8_lossy(&out.stderr));
    assert!(told.contains(" rounds."), "{told}");
}

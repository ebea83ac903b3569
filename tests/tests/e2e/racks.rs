//! Three Cassandra nodes in the racks of their agents, upgraded from 4.1 to 5.0 while rows are written and read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cairn_tests::Cairn;
use cairn_tests::cql::{self, Session};
use libtest_mimic::Trial;
use serde_json::json;

use crate::Story;
use crate::cassandra::{PATIENT, converged, points, ring, rows, write};

const RACKS: [&str; 3] = ["r1", "r2", "r3"];
/// Rows that are there before the upgrade.
const BEFORE: u32 = 50;
/// A statement is tried at two nodes of three in this time, also while one restarts.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn story() -> Vec<Trial> {
    let setup = || Cairn::new(3).attributes(&["rack:r1", "rack:r2", "rack:r3"]).up();
    Story::new("racks")
        .step("each_node_is_in_the_rack_of_its_agent", setup, placed)
        .step("an_upgrade_from_4_1_rolls_through_while_rows_are_written_and_read", setup, upgrade)
        .end()
}

/// Three nodes of this version, one in each rack, with waiting times for a cluster on one machine.
fn spec(cairn: &Cairn, version: &str) -> String {
    let text = format!(
        "stack: cassandra
services:
  cassandra:
    framework: cassandra
    version: {version}
    nodes: 3
    constraints: [\"rack:groupBy:3\"]
{PATIENT}    keyspaces:
      shop: {{ replication: 3 }}
"
    );
    cairn.file(&format!("cassandra-{version}.yaml"), &text)
}

fn apply(cairn: &Cairn, version: &str) -> String {
    cairn.apply(&spec(cairn, version), "6m");
    points(cairn)
}

/// The stack in version 4.1 with rows in it, as the step before has left it.
fn up(cairn: &Cairn) -> String {
    let points = apply(cairn, "4.1.10");
    cql::query(&points, "CREATE TABLE IF NOT EXISTS shop.orders (id int PRIMARY KEY, item text)");
    write(&points, 0);
    points
}

fn placed(cairn: &mut Cairn) {
    let points = up(cairn);
    let mut racks: Vec<String> =
        ring(cairn).iter().filter_map(|(_, member)| member["rack"].as_str().map(str::to_owned)).collect();
    racks.sort_unstable();
    assert_eq!(racks, RACKS);
    rows(&points, BEFORE);
    assert_eq!(versions(&points), "4.1.10");
}

/// What version the nodes are of, where that is the same for all.
fn versions(points: &str) -> String {
    let all = points.split(',').map(|point| {
        let told = cql::query(point, "SELECT release_version FROM system.local");
        told[0][0].as_str().unwrap_or_default().to_owned()
    });
    let mut all: Vec<String> = all.collect();
    all.dedup();
    all.join(" and ")
}

/// Writes a row and counts all of them, again and again, until it is told to stop: how many rows were written, and all that
/// went wrong.
fn work_on(points: String, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<(u32, Vec<String>)> {
    std::thread::spawn(move || {
        let mut session = Session::open(&points, PATIENCE);
        let (mut written, mut failures) = (0, Vec::new());
        while !stop.load(Ordering::Relaxed) {
            let id = BEFORE + written;
            let row = format!("INSERT INTO shop.orders (id, item) VALUES ({id}, 'item {id}')");
            match session.execute(&row) {
                Ok(_) => written += 1,
                Err(error) => failures.push(error),
            }
            match session.execute("SELECT count(*) FROM shop.orders") {
                Ok(count) if count == json!([[BEFORE + written]]) => {}
                Ok(count) => failures.push(format!("{count} rows, and {written} were written")),
                Err(error) => failures.push(error),
            }
        }
        (written, failures)
    })
}

fn upgrade(cairn: &mut Cairn) {
    let points = up(cairn);
    let stop = Arc::new(AtomicBool::new(false));
    let working = work_on(points.clone(), Arc::clone(&stop));
    let after = apply(cairn, "5.0.5");
    converged(cairn);
    stop.store(true, Ordering::Relaxed);
    let (written, failures) = working.join().expect("it ends by itself");
    assert!(failures.is_empty(), "after {written} rows: {failures:?}");
    assert!(written > 10, "{written}");
    assert_eq!(after, points, "addresses and ports are kept");
    assert_eq!(versions(&points), "5.0.5");
    rows(&points, BEFORE + written);
    // Cassandra cannot read what a newer major version has written.
    let back = cairn.run(&["apply", "-f", &spec(cairn, "4.1.10"), "--timeout", "1m"]);
    assert!(back.code != 0 && back.stderr.contains("4.1.10"), "{back:#?}");
    assert_eq!(versions(&points), "5.0.5");
}

//! What ships, as users meet it first: the demo, and the spec that holds all services. Data goes in at one end and comes out
//! at the other, through the clients that users have.

use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use cairn_tests::{Cairn, Http, cairn, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{Story, cql, kcat};

const SOON: Duration = Duration::from_secs(180);
const LINE: &str = "a curlew over everything";

pub(crate) fn story() -> Vec<Trial> {
    let mut trials = Story::new("demo").step("finds_its_line_and_leaves_nothing", || (), |()| demo()).end();
    let setup = || Cairn::new(3).up();
    trials.extend(
        Story::new("everything")
            .step("comes_up_and_serves_at_both_ends", setup, both_ends)
            .step("destroy_leaves_nothing", setup, destroy)
            .end(),
    );
    trials
}

/// `make demo ONCE=1`, without the building.
fn demo() {
    let port = cairn::free_port();
    let run = Command::new(cairn::checkout().join("scripts/demo"))
        .env("ONCE", "1")
        .env("CAIRN_BIN", cairn::binary())
        .env("DEMO_LISTEN", format!("127.0.0.1:{port}"))
        .stdin(Stdio::null())
        .output()
        .expect("the script runs");
    let said = String::from_utf8_lossy(&run.stdout);
    let complained = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}\n{complained}");
    for expected in
        ["found in Elasticsearch: a stone", "read from Kafka:        a stone", "no process is left"]
    {
        assert!(said.contains(expected), "{expected}: {said}\n{complained}");
    }
}

/// Brings the stack up, if it is not, and gives its outputs.
fn up(cairn: &Cairn) -> Value {
    let lines = cairn.folder().join("in");
    std::fs::create_dir_all(&lines).expect("a folder");
    let files = format!("files={}/*.log", lines.display());
    let out = cairn.run(&["apply", "-f", "specs/everything.yaml", "--param", &files, "--timeout", "10m"]);
    assert_eq!(out.code, 0, "{}\n{}\n{}", out.stdout, out.stderr, cairn.logs());
    cairn.run(&["endpoints", "everything", "-o", "json"]).expect(0).json()["outputs"].take()
}

fn both_ends(cairn: &mut Cairn) {
    let outputs = up(cairn);
    let output = |name: &str| outputs[name].as_str().expect("an output").to_owned();

    let path = cairn.folder().join("in/app.log");
    let mut file = File::options().create(true).append(true).open(path).expect("a file");
    writeln!(file, "{LINE}").expect("a line");
    let http = Http::new(output("http").split(',').next().unwrap_or_default(), None);
    let query = json!({ "query": { "match_phrase": { "message": LINE } } });
    until("the line is found", SOON, || {
        let (status, found) = http.try_send("POST", "/logs-*/_search", Some(query.clone())).ok()?;
        (status == 200 && found.pointer("/hits/hits/0/_source/message") == Some(&json!(LINE))).then_some(())
    });
    let records = kcat::consume(&output("bootstrap"), "logs");
    assert!(records.iter().any(|record| record.contains(LINE)), "{} records", records.len());

    let points = output("cql");
    assert_eq!(points.split(',').count(), 3, "{points}");
    cql::query(&points, "CREATE TABLE IF NOT EXISTS shop.birds (name text PRIMARY KEY)");
    cql::execute(&points, &["INSERT INTO shop.birds (name) VALUES ('curlew')".to_owned()]);
    assert_eq!(cql::query(&points, "SELECT name FROM shop.birds"), json!([["curlew"]]));
}

fn destroy(cairn: &mut Cairn) {
    up(cairn);
    cairn.run(&["destroy", "everything", "--yes", "--delete-data"]).expect(0);
    let left = cairn.processes(&["java"]);
    assert!(left.is_empty(), "{left:?}");
}

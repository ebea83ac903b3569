//! Kafka as its users see it: through kcat, a client that others wrote.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use cairn_tests::wait::until;
use serde_json::Value;

fn run(args: &[&str], input: Option<&str>) -> String {
    let mut child = Command::new("timeout")
        .args(["60", "kcat", "-q"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kcat is installed by `make setup`");
    if let Some(text) = input {
        child.stdin.as_mut().expect("piped").write_all(text.as_bytes()).expect("kcat reads");
    }
    drop(child.stdin.take());
    let out = child.wait_with_output().expect("kcat ends");
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "kcat {args:?}: {} {stderr}", out.status);
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Writes records, acknowledged by all replicas in sync.
pub(crate) fn produce(brokers: &str, topic: &str, records: &[String]) {
    let mut text = records.join("\n");
    text.push('\n');
    run(&["-b", brokers, "-t", topic, "-P", "-X", "acks=all", "-X", "message.timeout.ms=50000"], Some(&text));
}

/// Reads a topic from its beginning to its end.
pub(crate) fn consume(brokers: &str, topic: &str) -> Vec<String> {
    let out = run(&["-b", brokers, "-t", topic, "-C", "-o", "beginning", "-e"], None);
    out.lines().map(str::to_owned).collect()
}

/// Waits until `records`, all acknowledged, are read from the topic. One read does not do after a change of leaders: a
/// new leader shows records only up to the high watermark that it knows of, and learns of the rest with the first
/// fetches of its followers; a reader that comes in between finds the end of the topic before them.
pub(crate) fn find(brokers: &str, topic: &str, records: &[String]) {
    until("every acknowledged record is read", Duration::from_secs(120), || {
        let read: BTreeSet<String> = consume(brokers, topic).into_iter().collect();
        records.iter().all(|record| read.contains(record)).then_some(())
    });
}

/// What [`consume`] reads, each record as its headers and its value.
pub(crate) fn consume_with_headers(brokers: &str, topic: &str) -> Vec<String> {
    let out = run(&["-b", brokers, "-t", topic, "-C", "-o", "beginning", "-e", "-f", "%h %s\n"], None);
    out.lines().map(str::to_owned).collect()
}

/// What the brokers say of themselves and their topics.
pub(crate) fn metadata(brokers: &str) -> Value {
    serde_json::from_str(&run(&["-b", brokers, "-L", "-J"], None)).expect("kcat prints JSON")
}

/// Ids of the brokers in the cluster, in order.
pub(crate) fn broker_ids(brokers: &str) -> Vec<i64> {
    let metadata = metadata(brokers);
    let all = metadata["brokers"].as_array().cloned().unwrap_or_default();
    let mut ids: Vec<i64> = all.iter().filter_map(|b| b["id"].as_i64()).collect();
    ids.sort_unstable();
    ids
}

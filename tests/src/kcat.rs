//! Kafka as its users see it: through kcat, a client that others wrote.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::until;
use serde_json::Value;

fn run(args: &[&str], input: Option<&str>) -> String {
    let told = try_run(args, input);
    assert!(told.is_ok(), "{told:?}");
    told.unwrap_or_default()
}

fn try_run(args: &[&str], input: Option<&str>) -> Result<String, String> {
    let mut child = Command::new("timeout")
        .args(["60", "kcat", "-q"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kcat is installed by `make setup`");
    let mut stdin = child.stdin.take().expect("piped");
    // kcat that gives up early says so by how it ends.
    let _ = stdin.write_all(input.unwrap_or_default().as_bytes());
    drop(stdin);
    let out = child.wait_with_output().expect("kcat ends");
    let stderr = String::from_utf8_lossy(&out.stderr);
    if !out.status.success() {
        return Err(format!("kcat {args:?}: {} {stderr}", out.status));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Writes records, acknowledged by all replicas in sync.
///
/// # Panics
/// When that does not work.
pub fn produce(brokers: &str, topic: &str, records: &[String]) {
    let told = try_produce(brokers, topic, records, Duration::from_secs(50));
    assert!(told.is_ok(), "{told:?}");
}

/// The same, giving up after some time.
///
/// # Errors
/// What kcat says when not all of them are acknowledged. Some may have been written all the same.
pub fn try_produce(brokers: &str, topic: &str, records: &[String], patience: Duration) -> Result<(), String> {
    let timeout = format!("message.timeout.ms={}", patience.as_millis());
    let text = records.join("\n") + "\n";
    let args = ["-b", brokers, "-t", topic, "-P", "-X", "acks=all", "-X", &timeout];
    try_run(&args, Some(&text)).map(drop)
}

/// Reads a topic from its beginning to its end.
///
/// # Panics
/// When that does not work.
pub fn consume(brokers: &str, topic: &str) -> Vec<String> {
    let told = try_consume(brokers, topic);
    assert!(told.is_ok(), "{told:?}");
    told.unwrap_or_default()
}

/// How a reader comes to the end of a topic that is written to all the time. The end of a partition is an answer without
/// records; a broker that may wait for some, as it usually may for half a second, always has new ones to answer with.
const TO_THE_END: [&str; 3] = ["-e", "-X", "fetch.wait.max.ms=10"];

fn reader<'a>(brokers: &'a str, topic: &'a str) -> Vec<&'a str> {
    [&["-b", brokers, "-t", topic, "-C", "-o", "beginning"], &TO_THE_END[..]].concat()
}

/// The same, for when it is not sure that the brokers answer.
///
/// # Errors
/// What kcat says.
pub fn try_consume(brokers: &str, topic: &str) -> Result<Vec<String>, String> {
    let out = try_run(&reader(brokers, topic), None)?;
    Ok(out.lines().map(str::to_owned).collect())
}

/// Waits until `records`, all acknowledged, are read from the topic. One read does not do after a change of leaders: a
/// new leader shows records only up to the high watermark that it knows of, and learns of the rest with the first
/// fetches of its followers; a reader that comes in between finds the end of the topic before them.
pub fn find(brokers: &str, topic: &str, records: &[String]) {
    until("every acknowledged record is read", Duration::from_secs(120), || {
        let read: BTreeSet<String> = consume(brokers, topic).into_iter().collect();
        records.iter().all(|record| read.contains(record)).then_some(())
    });
}

/// What [`consume`] reads, each record as its headers and its value.
pub fn consume_with_headers(brokers: &str, topic: &str) -> Vec<String> {
    let out = run(&[&reader(brokers, topic)[..], &["-f", "%h %s\n"]].concat(), None);
    out.lines().map(str::to_owned).collect()
}

/// What the brokers say of themselves and their topics.
///
/// # Panics
/// When that does not work.
pub fn metadata(brokers: &str) -> Value {
    let told = try_metadata(brokers);
    assert!(told.is_ok(), "{told:?}");
    told.unwrap_or_default()
}

/// The same, for when it is not sure that the brokers answer.
///
/// # Errors
/// What kcat says.
pub fn try_metadata(brokers: &str) -> Result<Value, String> {
    let told = try_run(&["-b", brokers, "-L", "-J"], None)?;
    serde_json::from_str(&told).map_err(|error| format!("{error}: {told}"))
}

/// Ids of the brokers in the cluster, in order.
pub fn broker_ids(brokers: &str) -> Vec<i64> {
    let metadata = metadata(brokers);
    let all = metadata["brokers"].as_array().cloned().unwrap_or_default();
    let mut ids: Vec<i64> = all.iter().filter_map(|b| b["id"].as_i64()).collect();
    ids.sort_unstable();
    ids
}

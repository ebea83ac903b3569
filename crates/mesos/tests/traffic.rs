//! Recorded conversations with Apache Mesos 1.11.0: every message must be read in both forms, mean the same in both, and
//! be written as Mesos writes it.
//!
//! `SIDE-KIND.NAME.ENCODING.EXT`: `.json` is the message, `.bin` the same in protobuf, `.stream` a RecordIO body with
//! its messages in `.events`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the lint spares tests, not what they share")]

use std::fs;
use std::path::{Path, PathBuf};

use cairn_mesos::codec::{Body, MediaType};
use cairn_mesos::recordio::Decoder;
use cairn_mesos::v1::{agent, executor, master, scheduler};
use serde_json::Value;

fn fixtures(extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    assert!(!files.is_empty());
    files
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Runs `check` for the message type that the name of a fixture tells.
fn check_by_name(path: &Path, media: MediaType, body: &[u8], expected: &Value) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let check = match name.split('.').next().unwrap() {
        "scheduler-call" => check::<scheduler::Call>,
        "scheduler-event" => check::<scheduler::Event>,
        "executor-call" => check::<executor::Call>,
        "executor-event" => check::<executor::Event>,
        "master-call" => check::<master::Call>,
        "master-response" => check::<master::Response>,
        "master-event" => check::<master::Event>,
        "agent-call" => check::<agent::Call>,
        "agent-response" => check::<agent::Response>,
        other => panic!("unknown kind of fixture: {other}"),
    };
    check(name, media, body, expected);
}

fn check<M: Body + PartialEq + std::fmt::Debug>(name: &str, media: MediaType, body: &[u8], expected: &Value) {
    let message: M = media.decode(body).unwrap_or_else(|error| panic!("{name}: {error}"));
    let wanted = comparable(expected);
    assert_eq!(written(&message), wanted, "{name}: written otherwise than by Mesos");

    let from_json: M =
        serde_json::from_value(expected.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(written(&from_json), wanted, "{name}: the two forms differ");

    let again: M = MediaType::Protobuf.decode(&MediaType::Protobuf.encode(&message).unwrap()).unwrap();
    assert_eq!(again, message, "{name}: changed by a round trip through protobuf");
}

fn written<M: Body>(message: &M) -> Value {
    comparable(&serde_json::from_slice(&MediaType::Json.encode(message).unwrap()).unwrap())
}

/// 15 and 15.0 are equal, and so are an empty list and none.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64().unwrap()),
        Value::Array(items) => items.iter().map(comparable).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| value.as_array().is_none_or(|items| !items.is_empty()))
            .map(|(name, value)| (name.clone(), comparable(value)))
            .collect(),
        other => other.clone(),
    }
}

#[test]
fn json_bodies_are_read_and_written_as_mesos_does() {
    for path in fixtures("json") {
        check_by_name(&path, MediaType::Json, &fs::read(&path).unwrap(), &read_json(&path));
    }
}

#[test]
fn protobuf_bodies_mean_the_same_as_their_json() {
    for path in fixtures("bin") {
        let json = read_json(&path.with_extension("json"));
        check_by_name(&path, MediaType::Protobuf, &fs::read(&path).unwrap(), &json);
    }
}

#[test]
fn streams_are_taken_apart_into_the_recorded_events() {
    for path in fixtures("stream") {
        let json = path.to_str().unwrap().ends_with(".json.stream");
        let media = if json { MediaType::Json } else { MediaType::Protobuf };
        let events = read_json(&path.with_extension("events"));
        let mut decoder = Decoder::new(1 << 20);
        let mut records = Vec::new();
        for chunk in fs::read(&path).unwrap().chunks(7) {
            decoder.feed(chunk);
            while let Some(record) = decoder.next_record().unwrap() {
                records.push(record);
            }
        }
        let events = events.as_array().unwrap();
        assert_eq!(records.len(), events.len(), "{}", path.display());
        for (record, event) in records.iter().zip(events) {
            check_by_name(&path, media, record, event);
        }
    }
}

//! The Mesos API: streams of records, and messages in both media types.

use cairn_mesos::codec::{Body, MediaType};
use cairn_mesos::recordio::{self, Decoder};
use cairn_mesos::v1::{executor, master, scheduler};

use crate::rest;

/// Longest record of the target's streams.
const CAP: usize = 4_096;

/// A stream is the same however it is cut: the first byte says into which pieces.
pub(crate) fn recordio(bytes: &[u8]) {
    let Some((cut, stream)) = bytes.split_first() else { return };
    let whole = records(stream, stream.len().max(1));
    assert_eq!(records(stream, usize::from(*cut).max(1)), whole);
    let mut again = Vec::new();
    whole.0.iter().for_each(|record| recordio::encode(record, &mut again));
    assert_eq!(records(&again, again.len().max(1)), (whole.0, true));
}

/// The records of a stream, and whether it went on to its end.
fn records(stream: &[u8], size: usize) -> (Vec<Vec<u8>>, bool) {
    let mut decoder = Decoder::new(CAP);
    let mut found = Vec::new();
    for piece in stream.chunks(size) {
        decoder.feed(piece);
        loop {
            match decoder.next_record() {
                Ok(Some(record)) => found.push(record.to_vec()),
                Ok(None) => break,
                Err(_) => return (found, false),
            }
        }
    }
    (found, true)
}

pub(crate) fn streams() -> Vec<Vec<u8>> {
    let mut stream = vec![3];
    for record in [&b"{}"[..], b"", &[b'x'; 100], b"{\"type\":\"HEARTBEAT\"}"] {
        recordio::encode(record, &mut stream);
    }
    vec![
        stream,
        vec![1; 40],
        b"\x02000000000000000000001\nx".to_vec(),
        b"\x0118446744073709551615\n".to_vec(),
    ]
}

/// A message that can be read can be written, and is the same then.
pub(crate) fn bodies(bytes: &[u8]) {
    for media in [MediaType::Json, MediaType::Protobuf] {
        body::<scheduler::Call>(media, bytes);
        body::<scheduler::Event>(media, bytes);
        body::<executor::Call>(media, bytes);
        body::<executor::Event>(media, bytes);
        body::<master::Call>(media, bytes);
    }
}

fn body<M: Body + std::fmt::Debug>(media: MediaType, bytes: &[u8]) {
    let Ok(message) = media.decode::<M>(bytes) else { return };
    let written = MediaType::Protobuf.encode(&message).unwrap();
    let again = MediaType::Protobuf.decode::<M>(&written).unwrap();
    // Not by ==: a number of a message may be one that is not equal to itself.
    assert_eq!(format!("{again:?}"), format!("{message:?}"));
    // Not every message has JSON: text of the protobuf need not be a name of the JSON.
    let _ = MediaType::Json.encode(&message);
}

pub(crate) fn messages() -> Vec<Vec<u8>> {
    let requests = rest::recorded().into_iter().map(|request| request.body);
    let event = r#"{"type":"OFFERS","offers":{"offers":[{"id":{"value":"o"},"framework_id":{"value":"f"},"agent_id":
        {"value":"a"},"hostname":"h","resources":[{"name":"cpus","type":"SCALAR","scalar":{"value":0.1}},{"name":"ports",
        "type":"RANGES","ranges":{"range":[{"begin":1,"end":18446744073709551615}]}}]}]}}"#;
    let event: scheduler::Event = serde_json::from_str(event).unwrap();
    let both = [MediaType::Json, MediaType::Protobuf].map(|media| media.encode(&event).unwrap());
    requests.chain(both).collect()
}

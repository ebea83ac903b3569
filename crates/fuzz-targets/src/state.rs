//! What a scheduler and the controller have stored: it may be damaged, or made by somebody.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_framework::core::{Core, Effect, Event, Setup};
use cairn_framework::{Config, Service};
use serde_json::json;

/// Between keys and values.
const END: u8 = 0;
/// Some time, milliseconds since 1970.
const NOW: u64 = 1_700_000_000_000;

type Entries = BTreeMap<String, Vec<u8>>;

/// A core that takes the state goes on with it; the others say which key they do not understand.
pub(crate) fn run(bytes: &[u8]) {
    let entries = read(bytes);
    for service in [cairn_zookeeper::service(), cairn_kafka::service()] {
        if let Ok(mut core) = core(service, &entries) {
            core.step(subscribed(), NOW);
            core.step(offers(), NOW + 1_000);
            core.step(Event::Tick, NOW + 60_000);
            let _ = (core.status(NOW), core.view(), core.config());
        }
    }
    for value in entries.values() {
        let options =
            serde_json::from_slice(value).map(|value| cairn_controller::state::Options::read(&value));
        let Ok(Ok(options)) = options else { continue };
        for stack in options.stacks.values() {
            stack.all_services().for_each(|service| drop(stack.instance(&service.name)));
            let _ = stack.files();
        }
    }
}

fn core(service: Arc<dyn Service>, entries: &Entries) -> Result<Core, cairn_framework::Problem> {
    let mut next = 0_u64;
    let ids = move || {
        next += 1;
        next.to_string()
    };
    Core::new(service, Setup::default(), entries, Box::new(ids))
}

fn subscribed() -> Event {
    Event::Subscribed { framework_id: "f".into() }
}

fn offers() -> Event {
    let offer = |n: u8| {
        json!({ "id": { "value": format!("o{n}") }, "framework_id": { "value": "f" }, "agent_id":
            { "value": format!("a{n}") }, "hostname": format!("127.0.0.{n}"), "url": { "scheme": "http", "address":
            { "ip": format!("127.0.0.{n}"), "port": 5051 }, "path": "/slave(1)" }, "resources": [
            { "name": "cpus", "type": "SCALAR", "scalar": { "value": 4 } },
            { "name": "mem", "type": "SCALAR", "scalar": { "value": 8192 } },
            { "name": "disk", "type": "SCALAR", "scalar": { "value": 40960 } },
            { "name": "ports", "type": "RANGES", "ranges": { "range": [{ "begin": 31000, "end": 31999 }] } }] })
    };
    Event::Offers((1..=3).map(|n| serde_json::from_value(offer(n)).unwrap()).collect())
}

fn write(entries: &Entries) -> Vec<u8> {
    entries.iter().flat_map(|(key, value)| [key.as_bytes(), &[END], value, &[END]].concat()).collect()
}

fn read(bytes: &[u8]) -> Entries {
    let parts: Vec<&[u8]> = bytes.split(|byte| *byte == END).collect();
    let key = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
    parts.chunks_exact(2).map(|pair| (key(pair[0]), pair[1].to_vec())).collect()
}

/// What the cores themselves store while they place and launch their instances.
pub(crate) fn corpus() -> Vec<Vec<u8>> {
    let zookeeper = lived(cairn_zookeeper::service(), json!({ "nodes": 3 }), &[]);
    let kafka = lived(cairn_kafka::service(), json!({ "brokers": 3 }), &[("zookeeper", "127.0.0.1:2181")]);
    let revisions = json!({ "revision": 3, "stacks": {}, "secrets": {} }).to_string();
    let controller = Entries::from([("target".to_owned(), revisions.into_bytes())]);
    [zookeeper, kafka, controller].iter().map(write).collect()
}

fn lived(service: Arc<dyn Service>, options: serde_json::Value, inputs: &[(&str, &str)]) -> Entries {
    let mut entries = Entries::new();
    let mut core = core(service, &entries).unwrap();
    let inputs = inputs.iter().map(|(need, value)| ((*need).to_owned(), (*value).to_owned())).collect();
    let archive = json!({ "uri": "file:///a.tar", "sha256": "0".repeat(64), "version": "3.9.4" });
    let config = Config { revision: 1, options: options.into(), inputs, ..Config::default() };
    let config = Config { distribution: serde_json::from_value(archive).ok(), ..config };
    let given = core.given(config, NOW).unwrap_or_else(|problems| panic!("{problems:?}"));
    store(&mut entries, given);
    for event in [subscribed(), offers(), Event::Tick] {
        store(&mut entries, core.step(event, NOW));
    }
    assert!(entries.keys().any(|key| key.starts_with("instance/")), "{entries:?}");
    entries
}

fn store(entries: &mut Entries, effects: Vec<Effect>) {
    for effect in effects {
        let Effect::Store(changes) = effect else { continue };
        for change in changes {
            match change.value {
                Some(value) => drop(entries.insert(change.key, value)),
                None => drop(entries.remove(&change.key)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cores_store_is_what_the_target_reads() {
        for bytes in corpus() {
            assert_eq!(write(&read(&bytes)), bytes);
        }
        assert!(core(cairn_zookeeper::service(), &read(&corpus()[0])).is_ok());
    }
}

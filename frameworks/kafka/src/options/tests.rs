use serde_json::{Value, json};

use super::*;

fn read(options: Value) -> Result<Options, String> {
    let inputs = [("zookeeper".to_owned(), "127.0.0.1:2181".to_owned())].into();
    let config = Config { options: options.into(), inputs, ..Config::default() };
    config.read::<Options>().map_err(|p| p.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

#[test]
fn defaults_are_a_small_broker_on_zookeeper() {
    let options = read(json!({})).unwrap();
    let (heap, mem) = (options.jvm.heap().mib(), options.jvm.memory().mib());
    assert_eq!((options.version(), heap, mem), ("3.9.1", 256, 512));
    assert_eq!(options.all().into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["broker-0"]);
}

#[test]
fn every_problem_is_told_at_once() {
    let told = read(json!({
        "brokers": 2, "ids": [1, 2, 3], "heap": "1GiB", "mem": "1GiB", "disk": 1, "controllers": 2,
        "options": { "broker.id": 3, "controller.quorum.voters": "x", "a b": 1, "num.io.threads": 4 },
        "jvmOptions": ["-Xmx1g", "x"], "constraints": ["rack"],
        "overrides": { "x": {}, "1": { "heap": "1MiB" } },
        "topics": { "a/b": {}, "ok": { "replication": 3, "partitions": 0 } },
    }))
    .unwrap_err();
    for part in [
        "ids: ",
        "mem: ",
        "disk: ",
        "controllers: ",
        "options.broker.id: cannot be overridden",
        "options.controller.quorum.voters: ",
        "options.a b: ",
        "jvmOptions.0: ",
        "jvmOptions.1: ",
        "constraints.0: ",
        "overrides.x: ",
        "overrides.1.heap: ",
        "topics.a/b: ",
        "topics.ok.replication: 3",
        "topics.ok.partitions: ",
    ] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    assert!(!told.contains("num.io.threads"), "{told}");
}

#[test]
fn zookeeper_must_be_bound_unless_kraft() {
    let problems = Config::default().read::<Options>().unwrap_err();
    assert_eq!(problems[0].option, "zookeeper");
    let config = Config { options: json!({ "mode": "kraft" }).into(), ..Config::default() };
    assert_eq!(config.read::<Options>().unwrap().version(), "4.1.0");
    assert!(read(json!({ "version": "4.1.0" })).unwrap_err().contains("does not run on ZooKeeper"));
}

#[test]
fn a_typo_is_named() {
    assert!(read(json!({ "broker": 3 })).unwrap_err().contains("unknown field `broker`"));
}

#[test]
fn what_is_special_wins() {
    let options = read(json!({
        "brokers": 3, "options": { "a": 1, "b": 1 }, "overrides": { "2": { "cpus": 2, "options": { "b": 2 } } },
    }))
    .unwrap();
    let broker = options.node("broker-2").unwrap();
    let own = (broker.options["a"].to_string(), broker.options["b"].to_string());
    assert_eq!((broker.jvm.cpus, own), (2.0, ("1".into(), "2".into())));
    assert_eq!(options.node("broker-1").unwrap().jvm.cpus, 0.5);
}

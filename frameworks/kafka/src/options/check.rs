//! Checks that a JSON Schema cannot express.

use cairn_framework::Problem;
use cairn_framework::kit::{Settings, check};
use cairn_units::Size;

use super::{Mode, Options, Override};
use crate::broker::{BROKERS, Broker};
use crate::topics::KIND;

/// Entries of server.properties that the framework sets itself.
const RESERVED: &str = include_str!("reserved");

/// Smallest heap that a broker starts with.
const LEAST_HEAP: Size = Size::from_mib(96);
/// What a JVM needs besides its heap: code, metadata, threads, network buffers.
const BESIDE_HEAP: Size = Size::from_mib(128);

/// Everything that is wrong with the options.
pub(super) fn check(options: &Options, problems: &mut Vec<Problem>) {
    check_ids(options, problems);
    check_mode(options, problems);
    check_settings("options", &options.options, problems);
    check::jvm_options("jvmOptions", &options.jvm_options, problems);
    check::constraints("constraints", &options.constraints, problems);
    check_sizes("", &Broker::common(options), problems);
    check::at_least("disk", options.disk, Size::from_mib(64), problems);
    for (id, at, over) in BROKERS.check_overrides(&options.overrides, problems) {
        check_override(options, id, &at, over, problems);
    }
    check_topics(options, problems);
}

fn check_ids(options: &Options, problems: &mut Vec<Problem>) {
    BROKERS.check(options.brokers, options.ids.as_ref(), problems);
    let Some(ids) = &options.ids else { return };
    if let Some(id) = ids.iter().chain(&options.idle).find(|id| **id > 999) {
        let help = "from 1000 on Kafka gives ids by itself";
        problems.push(Problem::new("ids", format!("{id} is above 999")).help(help));
    }
    if let Some(id) = ids.intersection(&options.idle).next() {
        problems.push(Problem::new("idle", format!("broker {id} is in `ids` too")));
    }
}

fn check_mode(options: &Options, problems: &mut Vec<Problem>) {
    let major = options.version().split('.').next().and_then(|v| v.parse::<u32>().ok());
    match (options.mode, major) {
        (_, None) => {
            problems.push(Problem::new("version", format!("`{}` is not a version", options.version())));
        }
        (Mode::ZooKeeper, Some(4..)) => problems.push(
            Problem::new("version", format!("Kafka {} does not run on ZooKeeper", options.version()))
                .help("set `mode: kraft`, or a version below 4"),
        ),
        // The static quorum and its tools are those of 3.3 and later; 3.9 is the oldest that was tried.
        (Mode::KRaft, Some(..3)) => {
            problems.push(Problem::new("version", format!("Kafka {} has no KRaft", options.version())));
        }
        _ => {}
    }
    if options.mode == Mode::ZooKeeper {
        if options.controllers.is_some() {
            problems.push(Problem::new("controllers", "only has a meaning with `mode: kraft`"));
        }
    } else if let Some(n) = options.controllers.filter(|n| n % 2 == 0 || *n > options.brokers) {
        problems.push(
            Problem::new("controllers", format!("{n} controllers among {} brokers", options.brokers))
                .help("an odd number, not more than there are brokers: 1, 3 or 5"),
        );
    }
}

fn check_override(options: &Options, id: u32, at: &str, over: &Override, problems: &mut Vec<Problem>) {
    check_settings(&format!("{at}.options"), &over.options, problems);
    check::jvm_options(
        &format!("{at}.jvmOptions"),
        over.jvm.jvm_options.as_deref().unwrap_or_default(),
        problems,
    );
    let constraints = over.jvm.constraints.as_deref().unwrap_or_default();
    check::constraints(&format!("{at}.constraints"), constraints, problems);
    check_sizes(&format!("{at}."), &Broker::of(options, id), problems);
}

fn check_sizes(prefix: &str, broker: &Broker, problems: &mut Vec<Problem>) {
    check::cpus(&format!("{prefix}cpus"), broker.cpus, problems);
    check::memory(prefix, broker.heap, LEAST_HEAP, broker.mem, BESIDE_HEAP, problems);
}

fn check_settings(at: &str, settings: &Settings, problems: &mut Vec<Problem>) {
    check::entries(at, "server.properties", settings, check::reserved(RESERVED), problems);
}

fn check_topics(options: &Options, problems: &mut Vec<Problem>) {
    KIND.check(&options.topics, problems);
    for (name, topic) in &options.topics {
        let at = format!("topics.{name}");
        if topic.partitions == 0 || topic.partitions > 100_000 {
            problems.push(Problem::new(format!("{at}.partitions"), "must be from 1 to 100000"));
        }
        if topic.replication == 0 {
            problems.push(Problem::new(format!("{at}.replication"), "must be at least 1"));
        }
        if topic.replication > options.brokers {
            let message =
                format!("{} is more than there are brokers ({})", topic.replication, options.brokers);
            problems.push(
                Problem::new(format!("{at}.replication"), message)
                    .help("every replica is on another broker; raise `brokers` or lower `replication`"),
            );
        }
        for (key, value) in &topic.config {
            check::line(&format!("{at}.config.{key}"), &value.to_string(), problems);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_framework::Config;
    use serde_json::{Value, json};

    fn read(options: Value) -> Result<Options, String> {
        let inputs = [("zookeeper".to_owned(), "127.0.0.1:2181".to_owned())].into();
        let config = Config { options: options.into(), inputs, ..Config::default() };
        config.read::<Options>().map_err(|p| p.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn defaults_are_a_small_broker_on_zookeeper() {
        let options = read(json!({})).unwrap();
        let broker = Broker::common(&options);
        assert_eq!((options.version(), broker.heap.mib(), broker.mem.mib()), ("3.9.1", 256, 512));
        assert_eq!(options.broker_ids().into_iter().collect::<Vec<_>>(), [0]);
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
}

//! Checks that a JSON Schema cannot express.

use cairn_framework::Problem;
use cairn_units::Constraint;

use super::{Mode, Options, Override, Settings};
use crate::broker::Broker;

/// Entries of server.properties that the framework sets itself; those that end in `.` are prefixes.
const RESERVED: [&str; 21] = [
    "broker.id",
    "broker.id.generation.enable",
    "node.id",
    "process.roles",
    "listeners",
    "advertised.listeners",
    "listener.security.protocol.map",
    "inter.broker.listener.name",
    "security.inter.broker.protocol",
    "host.name",
    "port",
    "advertised.host.name",
    "advertised.port",
    "log.dir",
    "log.dirs",
    "metadata.log.dir",
    "zookeeper.connect",
    "broker.rack",
    "controller.listener.names",
    "control.plane.listener.name",
    "controller.quorum.",
];

/// Smallest heap that a broker starts with.
const LEAST_HEAP: u64 = 96;
/// What a JVM needs besides its heap: code, metadata, threads, network buffers.
const BESIDE_HEAP: u64 = 128;

/// Everything that is wrong with the options.
pub(super) fn check(options: &Options) -> Vec<Problem> {
    let mut problems = Vec::new();
    check_ids(options, &mut problems);
    check_mode(options, &mut problems);
    check_settings("options", &options.options, &mut problems);
    check_jvm("jvmOptions", &options.jvm_options, &mut problems);
    check_constraints("constraints", &options.constraints, &mut problems);
    check_sizes("", &Broker::common(options), &mut problems);
    if options.disk.mib() < 64 {
        problems.push(Problem::new("disk", format!("{} is too little: at least 64MiB", options.disk)));
    }
    for (id, over) in &options.overrides {
        check_override(options, id, over, &mut problems);
    }
    check_topics(options, &mut problems);
    problems
}

fn check_ids(options: &Options, problems: &mut Vec<Problem>) {
    if options.brokers == 0 {
        problems.push(
            Problem::new("brokers", "must be at least 1").help("to stop the cluster, destroy the service"),
        );
    }
    if options.brokers > 1000 {
        problems.push(Problem::new("brokers", "more than 1000 are not supported"));
    }
    let Some(ids) = &options.ids else { return };
    if ids.len() != options.brokers as usize {
        let message = format!("names {} brokers, but `brokers` is {}", ids.len(), options.brokers);
        problems.push(Problem::new("ids", message).help("change both together, or leave `ids` out"));
    }
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

fn check_override(options: &Options, id: &str, over: &Override, problems: &mut Vec<Problem>) {
    let at = format!("overrides.{id}");
    let Some(number) = id.parse::<u32>().ok().filter(|n| n.to_string() == id) else {
        problems.push(Problem::new(at, "is not a broker id").help("write the number, for example \"1\""));
        return;
    };
    check_settings(&format!("{at}.options"), &over.options, problems);
    check_jvm(&format!("{at}.jvmOptions"), over.jvm_options.as_deref().unwrap_or_default(), problems);
    check_constraints(
        &format!("{at}.constraints"),
        over.constraints.as_deref().unwrap_or_default(),
        problems,
    );
    check_sizes(&format!("{at}."), &Broker::of(options, number), problems);
}

fn check_sizes(prefix: &str, broker: &Broker, problems: &mut Vec<Problem>) {
    if !(broker.cpus.is_finite() && broker.cpus > 0.0) {
        problems.push(Problem::new(format!("{prefix}cpus"), "must be above 0"));
    }
    if broker.heap.mib() < LEAST_HEAP {
        let message = format!("a heap of {} is too little: at least {LEAST_HEAP}MiB", broker.heap);
        problems.push(Problem::new(format!("{prefix}heap"), message));
    }
    if broker.mem.mib() < broker.heap.mib() + BESIDE_HEAP {
        let (mem, heap) = (broker.mem.mib(), broker.heap.mib());
        let message = format!("{mem}MiB does not hold a heap of {heap}MiB");
        let help = format!("leave `mem` out, or give at least {}MiB", heap + BESIDE_HEAP);
        problems.push(Problem::new(format!("{prefix}mem"), message).help(help));
    }
}

pub(super) fn reserved(key: &str) -> bool {
    RESERVED.iter().any(|r| if r.ends_with('.') { key.starts_with(r) } else { key == *r })
}

fn check_settings(at: &str, settings: &Settings, problems: &mut Vec<Problem>) {
    for (key, value) in settings {
        let option = format!("{at}.{key}");
        let odd = |c: char| c.is_whitespace() || c.is_control() || "=:#!\\".contains(c);
        if reserved(key) {
            let help = "take it out: the framework sets it, from the options and the places of the brokers";
            problems.push(Problem::new(option, "cannot be overridden").help(help));
        } else if key.is_empty() || key.contains(odd) {
            problems.push(Problem::new(option, "is not the name of a server.properties entry"));
        } else {
            check_line(&option, &value.to_string(), problems);
        }
    }
}

fn check_line(option: &str, value: &str, problems: &mut Vec<Problem>) {
    if value.contains(['\n', '\r']) {
        problems.push(Problem::new(option, "the value must be on one line"));
    }
}

fn check_jvm(at: &str, options: &[String], problems: &mut Vec<Problem>) {
    for (index, option) in options.iter().enumerate() {
        let path = format!("{at}.{index}");
        if option.starts_with("-Xmx") || option.starts_with("-Xms") {
            problems.push(Problem::new(path, "the heap has an option of its own: `heap`"));
        } else if !option.starts_with('-') {
            problems.push(Problem::new(path, format!("`{option}` is not an option: each starts with `-`")));
        }
    }
}

fn check_constraints(at: &str, constraints: &[String], problems: &mut Vec<Problem>) {
    for (index, text) in constraints.iter().enumerate() {
        if let Err(error) = text.parse::<Constraint>() {
            problems.push(Problem::new(format!("{at}.{index}"), error.to_string()).help(error.help));
        }
    }
}

fn check_topics(options: &Options, problems: &mut Vec<Problem>) {
    for (name, topic) in &options.topics {
        let at = format!("topics.{name}");
        if let Err(reason) = topic_name(name) {
            problems.push(Problem::new(at.clone(), reason));
        }
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
            check_line(&format!("{at}.config.{key}"), &value.to_string(), problems);
        }
    }
}

/// Whether Kafka takes this as the name of a topic.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn topic_name(name: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match name {
        "" | "." | ".." => Err(format!("`{name}` cannot be the name of a topic")),
        _ if name.len() > 249 => Err("a topic's name has at most 249 characters".into()),
        _ if !name.chars().all(legal) => {
            Err(format!("`{name}` cannot be the name of a topic: only letters, digits, `.`, `_` and `-`"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_framework::Config;
    use serde_json::{Value, json};

    fn read(options: Value) -> Result<Options, String> {
        let inputs = [("zookeeper".to_owned(), "127.0.0.1:2181".to_owned())].into();
        let config = Config { options, inputs, ..Config::default() };
        Options::read(&config).map_err(|p| p.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
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
        let problems = Options::read(&Config::default()).unwrap_err();
        assert_eq!(problems[0].option, "zookeeper");
        let config = Config { options: json!({ "mode": "kraft" }), ..Config::default() };
        assert_eq!(Options::read(&config).unwrap().version(), "4.1.0");
        assert!(read(json!({ "version": "4.1.0" })).unwrap_err().contains("does not run on ZooKeeper"));
    }

    #[test]
    fn ids_are_written_the_short_way() {
        let mut options = read(json!({ "brokers": 2, "ids": [4, 7] })).unwrap();
        options.set_broker_ids([0, 1, 2].into());
        assert_eq!((options.brokers, options.ids.clone()), (3, None));
        options.set_broker_ids([0, 2].into());
        assert_eq!((options.brokers, options.ids), (2, Some([0, 2].into())));
    }

    #[test]
    fn a_typo_is_named() {
        assert!(read(json!({ "broker": 3 })).unwrap_err().contains("unknown field `broker`"));
    }
}

//! The configuration of an agent of Flume, in its own form.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::follow;
use crate::options::{Kind, Options};

/// Name of the agent in its configuration.
pub(crate) const AGENT: &str = "agent";
/// Stands for the real path of the volume, which `prepare.sh` fills in: Flume knows files by their absolute paths, and
/// must know them again after it has moved into another sandbox.
pub(crate) const DATA: &str = "@DATA@";
/// Name of the sink for Kafka.
const KAFKA: &str = "kafka";
/// Least space on the disk, in bytes, with which the file channel goes on.
const LEAST_SPACE: u64 = 50_000_000;

type Properties = BTreeMap<String, String>;

/// Names of the sources that the options ask for.
pub(crate) fn sources(options: &Options) -> Vec<&'static str> {
    let asked = [
        ("exec", options.sources.exec.is_some()),
        ("files", !options.sources.files.is_empty()),
        ("tasks", !options.sources.tasks.list().is_empty()),
    ];
    asked.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

/// Names of the sinks; each has a channel of the same name. `kafka`: servers, empty if there are none.
pub(crate) fn sinks<'a>(options: &'a Options, kafka: &str) -> Vec<&'a str> {
    let to_kafka = (!kafka.is_empty()).then_some(KAFKA);
    to_kafka.into_iter().chain(options.sinks.keys().map(String::as_str)).collect()
}

/// Whether an entry says what there is or how it is connected.
pub(crate) fn connects(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or_default();
    matches!(key, "sources" | "sinks" | "channels" | "sinkgroups")
        || matches!(
            last,
            "type" | "channel" | "channels" | "positionFile" | "filegroups" | "dataDirs" | "checkpointDir"
        ) && key.split('.').count() == 3
}

/// What the framework sets and nobody else may.
pub(crate) fn managed(options: &Options, kafka: &str, hostname: &str) -> Properties {
    let mut all = Properties::new();
    let mut set = |key: String, value: &str| {
        all.insert(key, value.to_owned());
    };
    let (sources, sinks) = (sources(options), sinks(options, kafka));
    set("sources".into(), &sources.join(" "));
    set("channels".into(), &sinks.join(" "));
    set("sinks".into(), &sinks.join(" "));
    for source in sources {
        set(format!("sources.{source}.channels"), &sinks.join(" "));
        set(format!("sources.{source}.interceptors"), "time host");
        set(format!("sources.{source}.interceptors.time.type"), "timestamp");
        set(format!("sources.{source}.interceptors.host.type"), "static");
        set(format!("sources.{source}.interceptors.host.key"), "host");
        set(format!("sources.{source}.interceptors.host.value"), hostname);
        for (key, value) in source_of(options, source) {
            set(format!("sources.{source}.{key}"), &value);
        }
    }
    for sink in sinks {
        set(format!("sinks.{sink}.channel"), sink);
        for (key, value) in channel_of(options, sink) {
            set(format!("channels.{sink}.{key}"), &value);
        }
    }
    if !kafka.is_empty() {
        set(format!("sinks.{KAFKA}.type"), "org.apache.flume.sink.kafka.KafkaSink");
        set(format!("sinks.{KAFKA}.kafka.bootstrap.servers"), kafka);
        set(format!("sinks.{KAFKA}.kafka.topic"), &options.topic);
        set(format!("sinks.{KAFKA}.kafka.producer.acks"), &options.acks);
        set(format!("sinks.{KAFKA}.flumeBatchSize"), &options.batch.to_string());
    }
    all
}

fn source_of(options: &Options, source: &str) -> Vec<(String, String)> {
    let mut entries = vec![("batchSize".to_owned(), options.batch.to_string())];
    let mut tail = |groups: Vec<(String, String)>| {
        let names: Vec<&str> = groups.iter().map(|(name, _)| name.as_str()).collect();
        entries.push(("type".into(), "TAILDIR".into()));
        entries.push(("filegroups".into(), names.join(" ")));
        entries.push(("positionFile".into(), format!("{DATA}/positions-{source}.json")));
        // The name of the file becomes the key of the record: lines of one file stay in one partition, in order.
        entries.push(("fileHeader".into(), "true".into()));
        entries.push(("fileHeaderKey".into(), "key".into()));
        entries.extend(groups.iter().map(|(name, pattern)| (format!("filegroups.{name}"), pattern.clone())));
    };
    match source {
        // Links are made under a name with a dot in front, and renamed.
        "tasks" => tail(vec![("g0".into(), format!("{DATA}/{}/[^.].*", follow::DIRECTORY))]),
        "files" => {
            let files = options.sources.files.iter().enumerate();
            tail(files.map(|(at, file)| (format!("g{at}"), as_regex(file))).collect());
        }
        _ => {
            entries.push(("type".into(), "exec".into()));
            entries.push(("command".into(), options.sources.exec.clone().unwrap_or_default()));
            entries.push(("shell".into(), "/bin/sh -c".into()));
            entries.push(("restart".into(), "true".into()));
        }
    }
    entries
}

fn channel_of(options: &Options, sink: &str) -> Vec<(String, String)> {
    let file = options.channel.kind == Kind::File;
    let capacity = options.channel.capacity.unwrap_or(if file { 1_000_000 } else { 10_000 });
    let capacity = capacity.max(options.batch);
    let mut entries = vec![
        ("type", if file { "file" } else { "memory" }.to_owned()),
        ("capacity", capacity.to_string()),
        ("transactionCapacity", options.batch.to_string()),
    ];
    if file {
        let largest = (options.disk.mib() / 8).clamp(16, 1_600) * 1024 * 1024;
        entries.extend([
            ("checkpointDir", format!("{DATA}/channels/{sink}/checkpoint")),
            ("dataDirs", format!("{DATA}/channels/{sink}/data")),
            ("maxFileSize", largest.to_string()),
            ("minimumRequiredSpace", LEAST_SPACE.to_string()),
        ]);
    }
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// What `config` may replace.
fn defaults(options: &Options, kafka: &str) -> Properties {
    let mut all = Properties::new();
    if !kafka.is_empty() {
        all.insert(format!("sinks.{KAFKA}.timestampHeader"), "timestamp".into());
        all.insert(format!("sinks.{KAFKA}.header.host"), "host".into());
    }
    for source in sources(options).into_iter().filter(|s| *s != "exec") {
        // A line is known to be shipped soon after it was: little comes twice after a crash.
        all.insert(format!("sources.{source}.writePosInterval"), "1000".into());
        all.insert(format!("sources.{source}.maxBackoffSleep"), "500".into());
        all.insert(format!("sources.{source}.backoffSleepIncrement"), "100".into());
    }
    all
}

/// The whole file.
pub(crate) fn text(options: &Options, kafka: &str, hostname: &str) -> String {
    let mut all = defaults(options, kafka);
    for (sink, settings) in &options.sinks {
        all.extend(settings.iter().map(|(key, value)| (format!("sinks.{sink}.{key}"), value.to_string())));
    }
    all.extend(options.config.iter().map(|(key, value)| (key.clone(), value.to_string())));
    all.extend(managed(options, kafka, hostname));
    all.iter().fold(String::new(), |mut text, (key, value)| {
        let _ = writeln!(text, "{AGENT}.{key} = {}", escaped(value));
        text
    })
}

/// A glob in the last part of a path, as the regular expression that Flume wants there.
fn as_regex(file: &str) -> String {
    let (folder, name) = file.rsplit_once('/').unwrap_or_default();
    let regex = name.chars().fold(String::new(), |mut regex, c| {
        match c {
            '*' => regex.push_str(".*"),
            c if c.is_ascii_punctuation() && !"-_~,".contains(c) => regex.extend(['\\', c]),
            c => regex.push(c),
        }
        regex
    });
    format!("{folder}/{regex}")
}

/// As Java reads properties: a backslash escapes, and letters beyond ASCII are written by their codes.
fn escaped(value: &str) -> String {
    let mut text = String::new();
    for unit in value.encode_utf16() {
        match char::from_u32(unit.into()) {
            Some('\\') => text.push_str("\\\\"),
            Some(c) if c == '\t' || (' '..='~').contains(&c) => text.push(c),
            _ => {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_become_regular_expressions_and_values_survive_java() {
        assert_eq!(as_regex("/var/log/app-*.log"), "/var/log/app-.*\\.log");
        assert_eq!(as_regex("/a/b(1)+"), "/a/b\\(1\\)\\+");
        assert_eq!(escaped("a\\.b ü"), "a\\\\.b \\u00fc");
    }

    #[test]
    fn what_connects_is_the_frameworks() {
        for key in ["sources", "sources.extra.type", "sinks.kafka.channel", "channels.kafka.dataDirs"] {
            assert!(connects(key), "{key}");
        }
        for key in ["sources.files.idleTimeout", "sinks.kafka.kafka.producer.compression.type"] {
            assert!(!connects(key), "{key}");
        }
    }
}

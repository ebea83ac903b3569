//! The task of one agent of Flume.

use cairn_framework::kit::java::{self, SIMPLE_LOGGER};
use cairn_framework::kit::sh;
use cairn_framework::{Config, Placement};
use cairn_task::{ConfigFile, FileMode, Probe, ProbeKind, ReadySpec, TaskSpec};

use crate::options::Options;
use crate::{follow, properties};

/// Port of the counters.
pub(crate) const METRICS: &str = "metrics";
/// Sinks finish their batch and the file channel writes a checkpoint.
const GRACE_MS: u64 = 20_000;

/// The task.
pub(crate) fn task(config: &Config, options: &Options, place: &Placement) -> TaskSpec {
    let kafka = config.inputs.get("kafka").map(String::as_str).unwrap_or_default();
    let (link, jars) = java::jars("Flume");
    TaskSpec {
        command: command(options),
        prepare: vec![jars, sh(&["prepare.sh"])],
        files: vec![
            // May hold passwords of sinks.
            ConfigFile {
                mode: FileMode::Private,
                ..ConfigFile::raw("flume.properties.in", properties::text(options, kafka, &place.hostname))
            },
            ConfigFile::raw("prepare.sh", include_str!("prepare.sh")),
            ConfigFile::raw("ready.sh", include_str!("ready.sh")),
            link,
        ],
        requires: java::required("Flume needs Java 8 or later"),
        ready: Some(ReadySpec { probe: ready(options, kafka), deadline_ms: 0 }),
        grace_ms: GRACE_MS,
        follow: follow::spec(&options.sources, config),
        ..TaskSpec::default()
    }
}

fn command(options: &Options) -> Vec<String> {
    let counters = ["-Dflume.monitoring.type=http", "-Dflume.monitoring.port={{ ports.metrics }}"];
    let mut flags = SIMPLE_LOGGER.to_vec();
    flags.extend(counters.into_iter().filter(|_| options.metrics));
    let main = [
        "org.apache.flume.node.Application",
        "--name",
        properties::AGENT,
        "--conf-file",
        "flume.properties",
        "--no-reload-conf",
    ];
    options.jvm.java(&["-XX:+UseG1GC"], &flags, &main).command()
}

/// Flume says of each source and sink that it has started, and nothing else tells it without a port on all addresses.
fn ready(options: &Options, kafka: &str) -> Probe {
    let mut argv = sh(&["ready.sh"]);
    argv.extend(properties::sources(options).iter().map(|source| format!("SOURCE, name: {source} started")));
    argv.extend(
        properties::sinks(options, kafka).iter().map(|sink| format!("CHANNEL, name: {sink} started")),
    );
    argv.extend((!kafka.is_empty()).then(|| "SINK, name: kafka started".to_owned()));
    Probe { kind: ProbeKind::Command { argv }, interval_ms: 200, timeout_ms: 2_000 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rendered_task() {
        let config = Config {
            options: json!({
                "sources": { "tasks": "kafka/*", "files": ["/var/log/app-*.log"], "exec": "vmstat -n 5 | grep -v '\\d'" },
                "sinks": { "copy": { "type": "file_roll", "sink.directory": "/tmp/copy" } },
                "config": { "sources.files.idleTimeout": 60000, "sinks.kafka.timestampHeader": "other" },
                "metrics": true,
            })
            .into(),
            inputs: [("kafka".to_owned(), "127.0.0.2:31000,127.0.0.3:31000".to_owned())].into(),
            stack: "logs".into(),
            ..Config::default()
        };
        let options = config.read::<Options>().unwrap();
        let task = task(&config, &options, &Placement { hostname: "host-1".into(), ..Placement::default() });
        assert_eq!(task.files[0].mode, FileMode::Private);
        insta::assert_snapshot!(format!(
            "$ {}\n--- {}\n{}--- follow\n{}",
            task.command.join(" "),
            task.files[0].path,
            task.files[0].content,
            serde_json::to_string_pretty(&task.follow).unwrap()
        ));
    }
}

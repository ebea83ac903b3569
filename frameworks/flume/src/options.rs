//! What a stack may set. The comments on the fields are their documentation.

use std::collections::BTreeMap;
use std::path::Path;

use cairn_framework::kit::{Beside, Count, Jvm, JvmService, Many, Settings, check};
use cairn_framework::{Config, Problem};
use cairn_units::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{follow, properties};

/// Options of Flume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    /// Version, processor, memory and place of each.
    #[serde(flatten)]
    pub jvm: Jvm<Agent>,
    /// How many: `"*"` is one on every agent of the cluster that `constraints` admit, also on those that come later; a
    /// number is so many, each on an agent of its own.
    pub count: Count,
    /// What is shipped.
    pub sources: Sources,
    /// Where lines wait until a sink has taken them.
    pub channel: Channel,
    /// Topic that lines go to. The key of a record is the name of its file, so that lines of a file stay in order.
    #[schemars(regex(pattern = r"^[a-zA-Z0-9._-]+$"), length(max = 249))]
    pub topic: String,
    /// What Kafka must have done before a line counts as taken.
    #[schemars(extend("enum" = ["all", "1", "0"]))]
    pub acks: String,
    /// Lines that a source or a sink handles at a time.
    #[schemars(range(min = 1, max = 10_000))]
    pub batch: u32,
    /// Further sinks by name, each with all its properties, for example `log: { type: logger }`. Each gets all lines.
    #[schemars(extend("propertyNames" = { "pattern": "^[a-zA-Z][a-zA-Z0-9_-]*$" }))]
    pub sinks: BTreeMap<String, Settings>,
    /// Persistent volume of each, for how far files have been read and for lines that wait.
    pub disk: Size,
    /// Further entries of Flume's configuration, without the name of the agent: `sources.files.idleTimeout: 60000`,
    /// `sinks.kafka.kafka.producer.compression.type: lz4`. They replace defaults. What the framework sets itself (what
    /// there is and how it is connected, files, directories, topic and servers) cannot be replaced.
    pub config: Settings,
    /// Serve Flume's own counters over HTTP (`/metrics`, port `metrics`). Flume listens on all addresses of its machine
    /// for that, so it does not work where several agents share a machine.
    pub metrics: bool,
}

/// One Flume.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent;

impl JvmService for Agent {
    const VERSION: &'static str = "1.11.0";
    const CPUS: f64 = 0.2;
    const HEAP: Size = Size::from_mib(128);
    // Beside the heap there are code, threads and buffers of the file channel.
    const LEAST: (Size, Size) = (Size::from_mib(48), Size::from_mib(96));
    const BESIDE: Beside = Beside { percent: 25, least: 0, more: 96 };
}

/// Where lines come from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Sources {
    /// Files of the machine: absolute paths whose last part may hold `*`. New files are found, and every line from the
    /// beginning of a file is shipped.
    pub files: Vec<String>,
    /// A command, run by a shell; each line that it prints is shipped. It is started again when it ends. What it printed
    /// while Flume was down is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<String>,
    /// Tasks of this stack whose logs are followed: `"*"` all, `kafka/*` those of a service, `kafka/broker-0` one. Tasks
    /// that come are found within seconds. Flume itself is left out.
    pub tasks: Many,
    /// Which files of these tasks, below their sandboxes.
    #[schemars(extend("default" = ["stdout", "stderr"]))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_files: Option<Vec<String>>,
}

/// Where lines wait.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline)]
pub struct Channel {
    /// `file` keeps them on the volume and loses none when Flume is killed; `memory` is quicker and loses those that wait.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Lines that may wait; when there are as many, sources stop reading. Without it: a million, in memory ten thousand.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100))]
    pub capacity: Option<u32>,
}

/// Kind of a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Kind {
    /// On the volume.
    #[default]
    File,
    /// In memory.
    Memory,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            jvm: Jvm::default(),
            count: Count::EveryAgent,
            sources: Sources::default(),
            channel: Channel::default(),
            topic: "logs".into(),
            acks: "all".into(),
            batch: 500,
            sinks: BTreeMap::new(),
            disk: Size::from_mib(1024),
            config: Settings::new(),
            metrics: false,
        }
    }
}

impl cairn_framework::Options for Options {
    fn check(&self, config: &Config, problems: &mut Vec<Problem>) {
        self.check_sources(config, problems);
        self.check_sinks(config, problems);
        self.jvm.check(problems);
        check::at_least("disk", self.disk, Size::from_mib(128), problems);
        let managed = properties::managed(self, "KAFKA", "");
        let reserved = |key: &str| managed.contains_key(key) || properties::connects(key);
        check::entries("config", "Flume's configuration", &self.config, reserved, problems);
        if matches!(self.count, Count::Number(0)) {
            problems.push(Problem::new("count", "must be at least 1, or `*`"));
        }
    }
}

impl Options {
    fn check_sources(&self, config: &Config, problems: &mut Vec<Problem>) {
        let Sources { files, exec, tasks, .. } = &self.sources;
        if files.is_empty() && exec.is_none() && tasks.list().is_empty() {
            let help = "set `files`, `exec` or `tasks`, for example `sources: { tasks: \"*\" }`";
            problems.push(Problem::new("sources", "there is nothing to ship").help(help));
        }
        for (at, file) in files.iter().enumerate() {
            let option = format!("sources.files.{at}");
            let path = Path::new(file);
            let folder = path.parent().map(Path::to_string_lossy).unwrap_or_default();
            if !path.is_absolute() || path.file_name().is_none() || file.ends_with('/') {
                problems.push(Problem::new(option, format!("`{file}` is not the absolute path of a file")));
            } else if folder.contains('*') {
                let help = "name each folder by a line of its own; `*` may stand in the last part only";
                problems.push(Problem::new(option, format!("`{file}`: no `*` in folders")).help(help));
            }
        }
        if let Some(command) = exec {
            check::line("sources.exec", command, problems);
        }
        follow::check(&self.sources, config, problems);
    }

    fn check_sinks(&self, config: &Config, problems: &mut Vec<Problem>) {
        let kafka = config.inputs.contains_key("kafka");
        if !kafka && self.sinks.is_empty() {
            let help = "bind it, for example `kafka: ${kafka.bootstrap}`, or set `sinks`";
            problems.push(Problem::new("kafka", "is missing: there is nowhere to ship to").help(help));
        }
        for (name, settings) in &self.sinks {
            let at = format!("sinks.{name}");
            let odd = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-');
            if name.is_empty() || name.contains(odd) || name == "kafka" {
                problems.push(Problem::new(at.clone(), "cannot be the name of a sink of your own"));
            }
            if !settings.contains_key("type") {
                problems.push(Problem::new(at.clone(), "has no `type`, for example `type: file_roll`"));
            }
            check::entries(&at, "Flume's configuration", settings, |key| key == "channel", problems);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(options: Value) -> Result<Options, String> {
        let inputs = [("kafka".to_owned(), "127.0.0.1:9092".to_owned())].into();
        let config = Config { options: options.into(), inputs, stack: "logs".into(), ..Config::default() };
        config.read::<Options>().map_err(|p| p.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn little_has_to_be_said() {
        let options = read(json!({ "sources": { "tasks": "*" } })).unwrap();
        assert_eq!((options.count, options.channel.kind), (Count::EveryAgent, Kind::File));
        assert_eq!((options.jvm.heap().mib(), options.jvm.memory().mib()), (128, 256));
        let options = read(json!({ "count": 2, "sources": { "tasks": ["a/*", "b"] } })).unwrap();
        assert_eq!((options.count, options.sources.tasks.list().len()), (Count::Number(2), 2));
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let told = read(json!({
            "count": 0, "cpus": 0, "heap": "1GiB", "mem": "1GiB", "disk": "1MiB", "jvmOptions": ["-Xmx1g"],
            "sources": { "files": ["x.log", "/var/*/a.log"], "exec": "a\nb", "tasks": "kafka/", "taskFiles": ["../x"] },
            "sinks": { "kafka": {}, "own": { "channel": "c", "type": "logger" } },
            "config": {
                "sources.files.positionFile": "/tmp/x", "sinks.kafka.kafka.topic": "other", "channels": "x",
                "sources.files.interceptors": "mine", "sources.files.idleTimeout": 1000,
            },
        }))
        .unwrap_err();
        for part in [
            "count: ",
            "cpus: ",
            "mem: ",
            "disk: ",
            "jvmOptions.0: ",
            "sources.files.0: `x.log` is not",
            "sources.files.1: `/var/*/a.log`: no `*` in folders",
            "sources.exec: ",
            "sources.tasks: ",
            "sources.taskFiles.0: ",
            "sinks.kafka: cannot be the name",
            "sinks.own.channel: cannot be overridden",
            "config.sources.files.positionFile: ",
            "config.sinks.kafka.kafka.topic: ",
            "config.channels: ",
            "config.sources.files.interceptors: ",
        ] {
            assert!(told.contains(part), "{part} is missing in {told}");
        }
        assert!(!told.contains("idleTimeout"), "{told}");
    }

    #[test]
    fn there_is_something_to_ship_and_somewhere_to_ship_it() {
        let problems = Config::default().read::<Options>().unwrap_err();
        let options: Vec<_> = problems.iter().map(|p| p.option.as_str()).collect();
        assert_eq!(options, ["sources", "kafka"]);
        let alone = json!({ "sources": { "exec": "date" }, "sinks": { "log": { "type": "logger" } } });
        assert!(Config { options: alone.into(), ..Config::default() }.read::<Options>().is_ok());
        let lost = json!({ "sources": { "tasks": "*" }, "sinks": { "log": { "type": "logger" } } });
        assert!(
            Config { options: lost.into(), ..Config::default() }.read::<Options>().unwrap_err()[0]
                .message
                .contains("no stack")
        );
    }
}

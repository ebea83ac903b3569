//! What a stack may set. The comments on the fields are their documentation.

use cairn_framework::kit::{Beside, Jvm, JvmService, Many, Settings, check};
use cairn_framework::{Config, Problem};
use cairn_units::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Entries of application.properties that the framework sets itself.
const RESERVED: &str = include_str!("reserved");

/// Options of Camel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    /// Version, processor, memory and place of each instance.
    #[serde(flatten)]
    pub jvm: Jvm<Instance>,
    /// Instances, all with the same routes. Consumers of Kafka share the partitions among them.
    #[schemars(range(min = 1, max = 1000))]
    pub count: u32,
    /// Routes of one's own in Camel's YAML, in place of the ready-made one. `{{kafka.brokers}}`, `{{elasticsearch.hosts}}`,
    /// `{{instance}}` and the names in `config` stand for their values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routes: Option<String>,
    /// Ready-made route: topics that are indexed.
    #[schemars(extend("pattern" = r"^[a-zA-Z0-9._-]+$"))]
    pub topics: Many,
    /// Ready-made route: consumer group. Without it: the name of this service on the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9._-]+$"))]
    pub group: Option<String>,
    /// Ready-made route: index of a record. `{topic}` stands for its topic, `{yyyy.MM.dd}` and the like for its time, UTC.
    #[schemars(regex(pattern = r"^[^A-Z\s]*(\{[yMdH._-]+\}[^A-Z\s]*)*$"))]
    pub index: String,
    /// Ready-made route: what records are.
    pub format: Format,
    /// Ready-made route: topic for records that cannot be indexed, with the reason in a header. Without it: the first
    /// topic with `-dead` after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9._-]+$"), length(max = 249))]
    pub dead_letters: Option<String>,
    /// Ready-made route: most records that are indexed and committed together.
    #[schemars(range(min = 1, max = 10_000))]
    pub batch: u32,
    /// Ready-made route: `USER:PASSWORD` for an Elasticsearch that asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "secret"))]
    pub login: Option<String>,
    /// Further entries of Camel's application.properties, for example `camel.component.kafka.fetchWaitMaxMs: 100`.
    pub config: Settings,
}

/// An instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance;

impl JvmService for Instance {
    const VERSION: &'static str = "4.10.0";
    const CPUS: f64 = 0.3;
    const HEAP: Size = Size::from_mib(128);
    // Beside the heap there are code, threads and buffers of clients.
    const LEAST: (Size, Size) = (Size::from_mib(64), Size::from_mib(128));
    const BESIDE: Beside = Beside { percent: 25, least: 0, more: 128 };
}

/// What records are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Format {
    /// Lines of text, which become `message`.
    #[default]
    Text,
    /// JSON objects, whose fields become those of the document.
    Json,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            jvm: Jvm::default(),
            count: 1,
            routes: None,
            topics: Many::One("logs".into()),
            group: None,
            index: "{topic}-{yyyy.MM.dd}".into(),
            format: Format::Text,
            dead_letters: None,
            batch: 500,
            login: None,
            config: Settings::new(),
        }
    }
}

impl cairn_framework::Options for Options {
    fn check(&self, config: &Config, problems: &mut Vec<Problem>) {
        if self.count == 0 {
            problems.push(Problem::new("count", "must be at least 1"));
        }
        if self.routes.is_none() {
            self.check_ready_made(config, problems);
        }
        self.jvm.check(problems);
        check::entries("config", "application.properties", &self.config, check::reserved(RESERVED), problems);
    }
}

impl Options {
    /// Topic for what cannot be indexed.
    pub fn dead_letters(&self) -> String {
        let first = self.topics.list().first().cloned().unwrap_or_default();
        self.dead_letters.clone().unwrap_or_else(|| format!("{first}-dead"))
    }

    fn check_ready_made(&self, config: &Config, problems: &mut Vec<Problem>) {
        for (input, example) in [("kafka", "${kafka.bootstrap}"), ("elasticsearch", "${elasticsearch.http}")]
        {
            if config.inputs.get(input).is_none_or(|i| i.trim().is_empty()) {
                let help =
                    format!("bind it, for example `{input}: {example}`, or write `routes` of your own");
                let problem =
                    Problem::new(input, "is missing: the ready-made route goes from Kafka to Elasticsearch");
                problems.push(problem.help(help));
            }
        }
        let dead = self.dead_letters();
        let topics = self.topics.list();
        for topic in topics.iter().chain([&dead]) {
            let odd = |c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c));
            if topic.is_empty() || topic.contains(odd) {
                problems.push(Problem::new("topics", format!("`{topic}` cannot be the name of a topic")));
            }
        }
        if topics.is_empty() {
            problems.push(Problem::new("topics", "names no topic"));
        }
        if topics.contains(&dead) {
            let message = format!("{dead} is indexed itself: what cannot be indexed would go round for ever");
            problems.push(Problem::new("deadLetters", message));
        }
        let bad = |c: char| {
            c.is_ascii_uppercase() && !"MH".contains(c) || c.is_whitespace() || "\\/*?\"<>|,#:".contains(c)
        };
        if self.index.is_empty() || self.index.contains(bad) || self.index.contains("{{") {
            let problem = Problem::new("index", format!("`{}` cannot be the name of an index", self.index));
            problems.push(
                problem.help("small letters, digits, `.`, `_`, `-`, `{topic}`, and times as `{yyyy.MM.dd}`"),
            );
        }
        if self.login.as_ref().is_some_and(|login| !login.contains(':')) {
            problems.push(Problem::new("login", "is not of the form USER:PASSWORD"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(options: Value) -> Result<Options, String> {
        let inputs = [("kafka", "127.0.0.1:9092"), ("elasticsearch", "127.0.0.1:9200")];
        let inputs = inputs.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let config = Config { options: options.into(), inputs, ..Config::default() };
        config.read::<Options>().map_err(|p| p.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn the_ready_made_route_needs_both_ends() {
        let options = read(json!({})).unwrap();
        assert_eq!((options.dead_letters(), options.jvm.memory().mib()), ("logs-dead".into(), 288));
        let problems = Config::default().read::<Options>().unwrap_err();
        let missing: Vec<_> = problems.iter().map(|p| p.option.as_str()).collect();
        assert_eq!(missing, ["kafka", "elasticsearch"]);
        let own = json!({ "routes": "- from: { uri: 'timer:tick', steps: [] }" });
        assert!(Config { options: own.into(), ..Config::default() }.read::<Options>().is_ok());
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let told = read(json!({
            "count": 0, "topics": ["a b", "logs"], "deadLetters": "logs", "index": "Logs", "cpus": 0, "heap": "1MiB",
            "jvmOptions": ["x"], "login": "me",
            "config": { "camel.server.port": 1, "kafka.brokers": "x", "index.batch": 1, "camel.main.tracing": true },
        }))
        .unwrap_err();
        for part in [
            "count: ",
            "topics: `a b`",
            "deadLetters: logs is indexed itself",
            "index: `Logs`",
            "cpus: ",
            "heap: ",
            "jvmOptions.0: ",
            "login: ",
            "config.camel.server.port: cannot be overridden",
            "config.kafka.brokers: ",
            "config.index.batch: ",
        ] {
            assert!(told.contains(part), "{part} is missing in {told}");
        }
        assert!(!told.contains("tracing"), "{told}");
    }
}

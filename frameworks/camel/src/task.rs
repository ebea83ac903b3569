//! The task of one instance.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cairn_framework::kit::java::{self, SIMPLE_LOGGER};
use cairn_framework::kit::sh;
use cairn_framework::{Config, View};
use cairn_task::{ConfigFile, FileMode, HealthSpec, Probe, ProbeKind, ReadySpec, TaskSpec};

use crate::options::{Format, Options};

/// Port of Camel's own HTTP server: health, and what routes of one's own serve.
pub(crate) const HTTP: &str = "http";
/// Camel finishes the batch it is at.
const GRACE_MS: u64 = 30_000;

/// The task of `instance`.
pub(crate) fn task(config: &Config, options: &Options, instance: &str, view: &View) -> TaskSpec {
    let mut files = vec![
        private("conf/application.properties", properties(config, options, instance, view)),
        private("prepare.sh", include_str!("prepare.sh").to_owned()),
    ];
    match &options.routes {
        Some(own) => files.push(private("routes.yaml", own.clone())),
        None => files.extend([
            private("routes.yaml", include_str!("route/kafka-to-elasticsearch.yaml").to_owned()),
            private("index.groovy", include_str!("route/index.groovy").to_owned()),
            private("joined.groovy", include_str!("route/joined.groovy").to_owned()),
            private("login", options.login.clone().unwrap_or_default()),
        ]),
    }
    let url = format!("http://{{{{ address }}}}:{{{{ ports.{HTTP} }}}}/q/health/");
    let asked = |what: &str, interval_ms, timeout_ms| Probe {
        kind: ProbeKind::Http { url: format!("{url}{what}"), headers: BTreeMap::new() },
        interval_ms,
        timeout_ms,
    };
    let (link, jars) = java::jars("Camel");
    files.push(link);
    TaskSpec {
        command: command(options),
        prepare: vec![jars, sh(&["prepare.sh", "{{ address }}", "{{ ports.http }}", "{{ sandbox }}"])],
        files,
        requires: java::required("Camel 4 needs Java 17"),
        ready: Some(ReadySpec { probe: asked("ready", 100, 2_000), deadline_ms: 0 }),
        health: Some(HealthSpec { probe: asked("live", 5_000, 5_000), failures: 6, kill: false }),
        grace_ms: GRACE_MS,
        ..TaskSpec::default()
    }
}

/// As it stands, and nobody else's to read: routes and properties may hold passwords.
fn private(path: &str, content: String) -> ConfigFile {
    ConfigFile { mode: FileMode::Private, ..ConfigFile::raw(path, content) }
}

fn command(options: &Options) -> Vec<String> {
    let main = ["org.apache.camel.main.Main"];
    // Camel looks for application.properties among its classes.
    options.jvm.java(&["-XX:+UseG1GC"], &SIMPLE_LOGGER, &main).first("conf").command()
}

fn properties(config: &Config, options: &Options, instance: &str, view: &View) -> String {
    let input = |name: &str| config.inputs.get(name).cloned().unwrap_or_default();
    let mut all: BTreeMap<&str, String> = BTreeMap::from([
        ("camel.main.autoConfigurationLogSummary", "false".into()),
        ("camel.main.shutdownTimeout", "20".into()),
        ("camel.health.routesEnabled", "true".into()),
        ("camel.health.consumersEnabled", "true".into()),
    ]);
    all.extend(options.config.iter().map(|(key, value)| (key.as_str(), value.to_string())));
    all.extend([
        ("camel.main.name", view.framework.clone()),
        // Filled in by prepare.sh, since values of one's own may hold braces.
        ("camel.main.routesIncludePattern", "file:@SANDBOX@/routes.yaml".into()),
        ("camel.health.enabled", "true".into()),
        ("camel.server.enabled", "true".into()),
        ("camel.server.healthCheckEnabled", "true".into()),
        ("camel.server.host", "@ADDRESS@".into()),
        ("camel.server.port", "@PORT@".into()),
        ("kafka.brokers", input("kafka")),
        ("elasticsearch.hosts", input("elasticsearch")),
        ("instance", format!("{}-{instance}", view.framework)),
    ]);
    if options.routes.is_none() {
        all.extend([
            ("index.topics", options.topics.list().join(",")),
            ("index.group", options.group.clone().unwrap_or_else(|| view.framework.clone())),
            ("index.name", options.index.clone()),
            ("index.format", if options.format == Format::Json { "json" } else { "text" }.into()),
            ("index.dead", options.dead_letters()),
            ("index.batch", options.batch.to_string()),
        ]);
    }
    all.iter().fold(String::new(), |mut text, (key, value)| {
        let _ = writeln!(text, "{key} = {}", value.replace('\\', "\\\\"));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rendered(options: serde_json::Value) -> TaskSpec {
        let inputs = [("kafka", "127.0.0.2:31000,127.0.0.3:31000"), ("elasticsearch", "127.0.0.2:31001")];
        let inputs = inputs.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let config = Config { options: options.into(), inputs, ..Config::default() };
        let options = config.read::<Options>().unwrap();
        task(&config, &options, "indexer-1", &View { framework: "logs-indexer".into(), ..View::default() })
    }

    #[test]
    fn rendered_indexer() {
        let task = rendered(json!({
            "topics": ["logs", "audit"], "login": "me:secret", "config": { "camel.main.tracing": false, "mine": "a\\b" },
        }));
        assert!(
            task.files.iter().filter(|f| f.path != "jars.sh").all(|f| f.mode == FileMode::Private && f.raw)
        );
        let told = format!("{:?} {}", task.command, task.files[0].content);
        assert!(!told.contains("secret"), "{told}");
        insta::assert_snapshot!(format!(
            "$ {}\n--- {}\n{}",
            task.command.join(" "),
            task.files[0].path,
            task.files[0].content
        ));
    }

    #[test]
    fn routes_of_ones_own_stand_alone() {
        let task = rendered(json!({ "routes": "- from: { uri: 'timer:{{x}}' }" }));
        let names: Vec<_> = task.files.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(names, ["conf/application.properties", "prepare.sh", "routes.yaml", "jars.sh"]);
        assert!(!task.files[0].content.contains("index."));
    }
}

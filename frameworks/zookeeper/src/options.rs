//! What a stack may set for an ensemble. The comments on the fields are their documentation.

use cairn_framework::kit::{Beside, Jvm, JvmService, Settings, check};
use cairn_framework::{Config, Problem};
use cairn_units::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Options of a ZooKeeper ensemble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Options {
    /// Number of servers. An even number would tolerate no more failures than the odd one below it.
    #[schemars(extend("enum" = [1, 3, 5], "x-help" = "an ensemble of an even size survives no more failures than the next smaller odd one"))]
    pub nodes: u32,
    /// Version, processor, memory and place of each server.
    #[serde(flatten)]
    pub jvm: Jvm<Server>,
    /// Persistent volume of each server, for snapshots and transaction logs.
    pub disk: Size,
    /// Further entries of zoo.cfg, for example `snapCount: 50000`. They replace the defaults of this framework. What it
    /// sets itself (directories, ports, membership, credentials) cannot be replaced.
    pub config: Settings,
    /// Password of ZooKeeper's super user, with which membership is changed. Without it one is derived from the ids of
    /// the servers' volumes: that keeps stray clients out, but not somebody who can read the state of this scheduler or
    /// of the master.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8), extend("format" = "secret"))]
    pub super_password: Option<String>,
}

/// A server.
#[derive(Debug, Clone, PartialEq)]
pub struct Server;

impl JvmService for Server {
    const VERSION: &'static str = "3.9.4";
    const CPUS: f64 = 0.2;
    const HEAP: Size = Size::from_mib(128);
    const LEAST: (Size, Size) = (Size::from_mib(32), Size::from_mib(32));
    const BESIDE: Beside = Beside { percent: 25, least: 96, more: 0 };
    const HEAP_NOTE: &'static str = "All data of the ensemble must fit into it.";
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 3,
            jvm: Jvm::default(),
            disk: Size::from_mib(1024),
            config: Settings::new(),
            super_password: None,
        }
    }
}

/// Entries of zoo.cfg that the framework sets itself.
const RESERVED: &str = include_str!("reserved");

impl cairn_framework::Options for Options {
    fn check(&self, _: &Config, problems: &mut Vec<Problem>) {
        if !matches!(self.nodes, 1 | 3 | 5) {
            let problem =
                Problem::new("nodes", format!("an ensemble has 1, 3 or 5 servers, not {}", self.nodes));
            problems.push(problem.help("more than 5 make writes slower and an even number adds no safety"));
        }
        self.jvm.check(problems);
        // A transaction log alone takes as much.
        check::at_least("disk", self.disk, Size::from_mib(64), problems);
        check::entries("config", "zoo.cfg", &self.config, check::reserved(RESERVED), problems);
        for (key, _) in self.config.iter().filter(|(_, value)| value.to_string().contains('\\')) {
            problems.push(Problem::new(format!("config.{key}"), "the value must be without backslashes"));
        }
        if self.super_password.as_ref().is_some_and(|p| p.len() < 8) {
            problems.push(Problem::new("superPassword", "is shorter than 8 characters"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(options: Value) -> Result<Options, String> {
        let config = Config { options: options.into(), ..Config::default() };
        config.read::<Options>().map_err(|p| p.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn defaults_are_an_ensemble_of_three() {
        let options = read(json!({})).unwrap();
        assert_eq!(
            (options.nodes, options.jvm.version.as_str(), options.jvm.memory().mib()),
            (3, "3.9.4", 224)
        );
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let bad = json!({
            "nodes": 2, "heap": "1GiB", "mem": "512MiB", "disk": 10,
            "config": { "dataDir": "/tmp", "server.9": "x", "a b": 1, "snapCount": 5 },
            "jvmOptions": ["-Xmx1g", "x"],
        });
        let told = read(bad).unwrap_err();
        for part in [
            "nodes: ",
            "mem: ",
            "disk: ",
            "config.dataDir: ",
            "config.server.9: ",
            "config.a b: ",
            "jvmOptions.0",
            "jvmOptions.1",
        ] {
            assert!(told.contains(part), "{part} is missing in {told}");
        }
        assert!(!told.contains("snapCount"));
    }

    #[test]
    fn an_unknown_option_is_named() {
        assert!(read(json!({ "node": 3 })).unwrap_err().contains("unknown field `node`"));
    }

    #[test]
    fn the_schema_admits_odd_sizes_only() {
        let schema = crate::options_schema();
        assert_eq!(schema["properties"]["nodes"]["enum"], json!([1, 3, 5]));
        assert_eq!(schema["properties"]["heap"]["format"], "size");
        assert_eq!(schema["properties"]["heap"]["default"], "128MiB");
        assert_eq!(schema["properties"]["constraints"]["items"]["format"], "constraint");
        assert_eq!(schema["additionalProperties"], false);
    }
}

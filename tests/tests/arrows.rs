//! Which crate may know which: the arrows of ARCHITECTURE.md, held against the manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Crate by folder, and what it may depend on besides crates of others.
const ARROWS: &[(&str, &[&str])] = &[
    ("crates/mesos", &[]),
    ("crates/task", &[]),
    ("crates/units", &[]),
    ("crates/planted", &[]),
    ("crates/kafka-admin", &[]),
    ("crates/cassandra-admin", &[]),
    ("crates/elasticsearch-admin", &[]),
    ("crates/zookeeper-admin", &[]),
    ("crates/definition", &["cairn-task", "cairn-units"]),
    ("crates/stack", &["cairn-definition", "cairn-units"]),
    ("crates/cluster", &["cairn-mesos", "cairn-planted"]),
    ("crates/executor", &["cairn-mesos", "cairn-planted", "cairn-task"]),
    ("crates/framework", &["cairn-mesos", "cairn-planted", "cairn-task", "cairn-units"]),
    ("crates/controller", &["cairn-framework", "cairn-planted", "cairn-stack", "cairn-task", "cairn-units"]),
    (
        "crates/simulation",
        &[
            "cairn-cluster",
            "cairn-controller",
            "cairn-executor",
            "cairn-framework",
            "cairn-mesos",
            "cairn-planted",
            "cairn-service",
            "cairn-stack",
            "cairn-task",
        ],
    ),
    (
        "crates/fuzz-targets",
        &[
            "cairn-cluster",
            "cairn-controller",
            "cairn-framework",
            "cairn-kafka",
            "cairn-mesos",
            "cairn-stack",
            "cairn-task",
            "cairn-zookeeper",
        ],
    ),
    ("frameworks/zookeeper", &["cairn-framework", "cairn-task", "cairn-units", "cairn-zookeeper-admin"]),
    (
        "frameworks/elasticsearch",
        &["cairn-elasticsearch-admin", "cairn-framework", "cairn-task", "cairn-units"],
    ),
    ("frameworks/camel", &["cairn-framework", "cairn-task", "cairn-units"]),
    ("frameworks/flume", &["cairn-framework", "cairn-task", "cairn-units"]),
    ("frameworks/cassandra", &["cairn-cassandra-admin", "cairn-framework", "cairn-task", "cairn-units"]),
    ("frameworks/kafka", &["cairn-framework", "cairn-kafka-admin", "cairn-task", "cairn-units"]),
    ("frameworks/service", &["cairn-definition", "cairn-framework", "cairn-task", "cairn-units"]),
    ("examples/hello", &["cairn-framework", "cairn-task"]),
    (
        "crates/cli",
        &[
            "cairn-mesos",
            "cairn-task",
            "cairn-units",
            "cairn-stack",
            "cairn-cluster",
            "cairn-executor",
            "cairn-framework",
            "cairn-controller",
            "cairn-zookeeper",
            "cairn-service",
            "cairn-elasticsearch",
            "cairn-camel",
            "cairn-flume",
            "cairn-cassandra",
            "cairn-kafka",
        ],
    ),
    ("tests", &[]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the checkout")
}

/// Crates of ours that a manifest's `[dependencies]` names. Tests may use more: they show how rooms work together.
#[expect(clippy::panic, reason = "a test's failure is a panic")]
fn dependencies(folder: &str) -> BTreeSet<String> {
    let manifest = root().join(folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&manifest).unwrap_or_else(|e| panic!("{}: {e}", manifest.display()));
    let mut section = "";
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section == "[dependencies]" && line.starts_with("cairn-") {
            found.insert(line.split(['.', ' ', '=']).next().unwrap_or_default().to_owned());
        }
    }
    found
}

fn members() -> BTreeSet<String> {
    let mut found = BTreeSet::from(["tests".to_owned()]);
    for parent in ["crates", "frameworks", "examples"] {
        for entry in std::fs::read_dir(root().join(parent)).expect(parent).flatten() {
            if entry.path().join("Cargo.toml").exists() {
                found.insert(format!("{parent}/{}", entry.file_name().to_string_lossy()));
            }
        }
    }
    found
}

#[test]
fn every_crate_knows_only_whom_it_may() {
    let arrows: BTreeMap<&str, BTreeSet<&str>> =
        ARROWS.iter().map(|(folder, may)| (*folder, may.iter().copied().collect())).collect();
    for folder in members() {
        let may = arrows
            .get(folder.as_str())
            .unwrap_or_else(|| panic!("{folder} has no arrows yet: say whom it may know"));
        for dependency in dependencies(&folder) {
            assert!(may.contains(dependency.as_str()), "{folder} must not depend on {dependency}");
        }
    }
}

#[test]
fn versions_and_lints_stand_in_one_place() {
    for folder in members() {
        let text = std::fs::read_to_string(root().join(&folder).join("Cargo.toml")).expect("checked above");
        assert!(text.contains("[lints]\nworkspace = true"), "{folder} does not take the workspace's lints");
        let version = text.lines().find(|l| l.contains("version = \""));
        assert_eq!(version, None, "{folder} names a version of its own");
    }
}

//! A catalog of two frameworks, a stack of them, and what their schedulers say; for tests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cairn_framework::{Config, Health, InstanceStatus, Phase, Plan, PlanStatus, Status, View};
use cairn_stack::{Catalog, Params, ValidatedStack};
use serde_json::json;

use crate::child::Observed;
use crate::distribution::FACT;
use crate::secrets::{Key, Vault};
use crate::settings::Settings;
use crate::state::{Options, StoredStack};
use crate::token::Secret;

const ZOOKEEPER: &str = r#"
framework: zookeeper
description: Keeps configuration and elects leaders.
scheduler: { command: cairn scheduler zookeeper, cpus: 0.1, mem: 64 }
count: nodes
offers:
  zookeeper: { outputs: [connect] }
distributions:
  "3.9": { archive: zookeeper-3.9.tar }
options:
  type: object
  additionalProperties: false
  properties:
    nodes: { type: integer, minimum: 1, default: 1 }
rules:
  - { at: nodes, at_most: 7, help: "seven servers are plenty" }
"#;

const KAFKA: &str = r#"
framework: kafka
scheduler: { command: cairn scheduler kafka, cpus: 0.1, mem: 64 }
count: brokers
needs:
  zookeeper: { interface: zookeeper, output: connect }
offers:
  kafka: { outputs: [bootstrap] }
options:
  type: object
  additionalProperties: false
  properties:
    brokers: { type: integer, minimum: 1, default: 1 }
    note: { type: string }
"#;

pub(crate) const STACK: &str = r"stack: demo
services:
  zookeeper:
    framework: zookeeper
    nodes: 3
  kafka:
    framework: kafka
    brokers: 3
    zookeeper: ${zookeeper.connect}
outputs:
  bootstrap: ${kafka.bootstrap}
";

pub(crate) fn catalog() -> Catalog {
    Catalog::load([("zookeeper.yaml", ZOOKEEPER.as_bytes()), ("kafka.yaml", KAFKA.as_bytes())]).unwrap()
}

/// A checked stack.
pub(crate) fn checked(text: &str) -> ValidatedStack {
    cairn_stack::check_stack("stack.yaml", text.as_bytes(), &catalog(), &Params::new())
        .unwrap_or_else(|report| panic!("{report}"))
        .stack
}

pub(crate) fn stored(name: &str) -> StoredStack {
    let source = STACK.replace("stack: demo", &format!("stack: {name}"));
    StoredStack {
        spec: checked(&source),
        source,
        bundle: None,
        revisions: BTreeMap::from([("zookeeper".into(), 1), ("kafka".into(), 1)]),
        leaving: BTreeMap::new(),
        again: Default::default(),
        destroying: None,
        notes: Vec::new(),
    }
}

pub(crate) fn options() -> Options {
    Options {
        revision: 1,
        stacks: BTreeMap::from([("demo".into(), stored("demo"))]),
        secrets: BTreeMap::new(),
    }
}

/// As [`options`], with a service that uses the secret `note`.
pub(crate) fn with_secret() -> Options {
    let mut options = options();
    let stack = options.stacks.get_mut("demo").unwrap();
    stack.source = STACK.replace("brokers: 3", "brokers: 3\n    note: ${secret.note}");
    stack.spec = checked(&stack.source);
    options
}

/// Opens secrets with a key of its own.
pub(crate) fn vault() -> Vault {
    Vault { key: Key::derived("key").unwrap(), path: PathBuf::from("/state/secrets.key") }
}

pub(crate) fn config_of(options: &Options) -> Config {
    Config { options: serde_json::to_value(options).unwrap().into(), ..Config::default() }
}

pub(crate) fn config() -> Config {
    config_of(&options())
}

pub(crate) fn settings() -> Settings {
    Settings {
        master: "127.0.0.1:5050".into(),
        advertise: "127.0.0.1:7000".into(),
        states: "/state".parse().unwrap(),
        dist: PathBuf::from("/dist"),
        catalog: catalog(),
        vault: vault(),
        key: Secret::new("key"),
    }
}

/// Nothing runs yet; the checksums are known.
pub(crate) fn view() -> View {
    View {
        framework: "cairn".into(),
        target: vec!["demo-zookeeper".into(), "demo-kafka".into()],
        observed: BTreeMap::from([(FACT.to_owned(), json!({"zookeeper-3.9.tar": "aa"}).into())]),
        ..View::default()
    }
}

/// A scheduler that is at work: its second instance starts.
pub(crate) fn status(framework: &str, revision: u64) -> Status {
    let instance =
        |name: &str, phase| InstanceStatus { name: name.into(), phase, ..InstanceStatus::default() };
    Status {
        version: 1,
        framework: framework.into(),
        health: Health::Ok,
        revision,
        plan: Plan { name: "deploy".into(), status: PlanStatus::InProgress, ..Plan::default() },
        instances: vec![instance("server-0", Phase::Ready), instance("server-1", Phase::Starting)],
        ..Status::default()
    }
}

/// A scheduler whose service serves.
pub(crate) fn complete(framework: &str, revision: u64, outputs: &[(&str, &str)]) -> Status {
    let mut status = status(framework, revision);
    status.complete = true;
    status.plan.status = PlanStatus::Complete;
    status.instances.iter_mut().for_each(|i| i.phase = Phase::Ready);
    status.outputs = outputs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    status
}

pub(crate) fn observe(view: &mut View, status: Status) {
    view.observed.insert(status.framework.clone(), Observed::answered(status).fact().into());
}

/// Serves a router on a free port of loopback for as long as the test's runtime lives.
pub(crate) async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

//! Kafka 4 without ZooKeeper: the same framework, another mode.

use cairn_tests::Cairn;
use libtest_mimic::Trial;

use crate::{Story, kcat};

const SPEC: &str = "
stack: kraft
services:
  kafka:
    framework: kafka
    mode: kraft
    brokers: 3
    topics:
      events: { partitions: 3, replication: 3 }
";

pub(crate) fn story() -> Vec<Trial> {
    Story::new("kraft")
        .step("three_combined_nodes_without_zookeeper", || Cairn::new(3).up(), three_nodes)
        .end()
}

fn three_nodes(cairn: &mut Cairn) {
    let file = cairn.file("kraft.yaml", SPEC);
    cairn.apply(&file, "4m");
    let endpoints = cairn.run(&["endpoints", "kraft/kafka", "-o", "json"]).expect(0).json();
    let bootstrap = endpoints["bootstrap"].as_str().expect("an output").to_owned();
    kcat::produce(&bootstrap, "events", &["without zookeeper".to_owned()]);
    assert_eq!(kcat::consume(&bootstrap, "events"), ["without zookeeper"]);
    cairn.run(&["destroy", "kraft", "--yes", "--delete-data"]).expect(0);
    assert!(cairn.processes(&["java"]).is_empty());
}

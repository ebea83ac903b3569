//! Elasticsearch with a group of its own and copies apart from each other, upgraded from 7.17 to 8.19 while it is searched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cairn_tests::{Cairn, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::Story;
use crate::elasticsearch::{apply, fill, found, get, green, search_on};
use crate::nodes::{stop_and_replace, volume};

const SERVICE: &str = "search/elasticsearch";
const PROXY: &str = "/v1/stacks/search/services/elasticsearch/proxy";
const SOON: Duration = Duration::from_secs(180);

pub(crate) fn story() -> Vec<Trial> {
    let setup = || Cairn::new(4).attributes(&["rack:r1", "rack:r2", "rack:r1", "rack:r2"]).up();
    Story::new("zones")
        .step("copies_are_in_different_zones_and_none_on_a_node_without_roles", setup, placed)
        .step("an_upgrade_from_7_17_rolls_through_while_documents_are_found", setup, upgrade)
        .step("a_replaced_node_has_the_same_name_and_an_empty_volume", setup, replace)
        .end()
}

fn spec(cairn: &Cairn, version: &str) -> String {
    let text = format!(
        "stack: search
services:
  elasticsearch:
    framework: elasticsearch
    version: {version}
    nodes: 3
    groups: {{ reader: {{ nodes: 1, roles: [] }} }}
    zones: rack
    indices:
      logs-1: {{ settings: {{ number_of_shards: 2, number_of_replicas: 1 }} }}
"
    );
    cairn.file(&format!("zones-{version}.yaml"), &text)
}

/// The stack in this version with documents in it.
fn up(cairn: &Cairn, version: &str) -> Vec<String> {
    let nodes = apply(cairn, &spec(cairn, version), SERVICE);
    if found(&nodes[0]) != Ok(200) {
        fill(&nodes[0]);
    }
    nodes
}

/// The zone of each node, by name.
fn zones(node: &str) -> BTreeMap<String, String> {
    let told = get(node, "/_cat/nodeattrs?format=json&h=node,attr,value");
    let all = told.as_array().into_iter().flatten().filter(|a| a["attr"] == json!("zone"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.map(|a| (text(&a["node"]), text(&a["value"]))).collect()
}

/// Asserts that both copies of each shard are where they should be.
fn apart(node: &str) {
    let zones = zones(node);
    let shards = get(node, "/_cat/shards/logs-1?format=json&h=shard,node");
    let mut of_shard = BTreeMap::<String, Vec<&str>>::new();
    for copy in shards.as_array().into_iter().flatten() {
        let (shard, on) = (copy["shard"].to_string(), copy["node"].as_str().unwrap_or_default());
        assert!(!on.starts_with("reader"), "{shards:#}");
        of_shard.entry(shard).or_default().push(zones.get(on).map_or("nowhere", String::as_str));
    }
    for zones in of_shard.values_mut() {
        zones.sort_unstable();
    }
    let both = vec!["r1", "r2"];
    assert_eq!(of_shard.into_values().collect::<Vec<_>>(), [both.clone(), both], "{shards:#} {zones:#?}");
}

fn placed(cairn: &mut Cairn) {
    let nodes = up(cairn, "7.17.29");
    green(&nodes[0], 4);
    apart(&nodes[0]);
    let told = get(&nodes[0], "/_cat/nodes?format=json&h=name,node.role&s=name");
    let reader = told.as_array().and_then(|all| all.last()).cloned();
    assert_eq!(reader, Some(json!({ "name": "reader-0", "node.role": "-" })), "{told:#}");
    let listed = cairn.http().get(&format!("{PROXY}/v1/nodes"));
    assert_eq!(listed["nodes"].as_array().map(Vec::len), Some(4), "{listed:#}");
    let shown = cairn.http().get(&format!("{PROXY}/v1/nodes/reader-0"));
    assert_eq!((&shown["group"], &shown["member"]), (&json!("reader"), &json!(true)), "{shown:#}");
}

fn versions(node: &str) -> Vec<String> {
    let told = get(node, "/_cat/nodes?format=json&h=version");
    let all = told.as_array().into_iter().flatten();
    all.filter_map(|n| n["version"].as_str().map(str::to_owned)).collect()
}

fn upgrade(cairn: &mut Cairn) {
    let nodes = up(cairn, "7.17.29");
    assert_eq!(versions(&nodes[0]), ["7.17.29"; 4]);
    let stop = Arc::new(AtomicBool::new(false));
    let searching = search_on(nodes.clone(), Arc::clone(&stop));
    let after = apply(cairn, &spec(cairn, "8.19.8"), SERVICE);
    stop.store(true, Ordering::Relaxed);
    let (rounds, failures) = searching.join().expect("it ends by itself");
    assert!(rounds > 10, "{rounds}");
    assert_eq!(failures, Vec::<String>::new(), "always found, in {rounds} rounds");
    assert_eq!(after, nodes, "addresses and ports are kept");
    assert_eq!(versions(&nodes[0]), ["8.19.8"; 4]);
    green(&nodes[0], 4);
    apart(&nodes[0]);
}

/// Its volume is gone for good: the copies come from the other nodes.
fn replace(cairn: &mut Cairn) {
    let nodes = up(cairn, "8.19.8");
    let http = cairn.http();
    let before = volume(cairn, PROXY, 1);
    stop_and_replace(cairn, PROXY, 1);
    until("another node has taken its place", SOON, || {
        let stack = http.try_send("GET", "/v1/stacks/search", None).ok()?.1;
        let elsewhere = volume(cairn, PROXY, 1) != before;
        (elsewhere && stack["complete"] == json!(true)).then_some(())
    });
    green(&nodes[0], 4);
    apart(&nodes[0]);
    assert_eq!(found(&nodes[0]), Ok(200));
}

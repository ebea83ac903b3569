//! Three Cassandra nodes: brought up, written to, hurt, grown and shrunk, with a dead one replaced, and nodetool's work as operations.

use std::process::Command;
use std::time::Duration;

use cairn_tests::{Cairn, processes, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::nodes::{stop_and_replace, volume};
use crate::{Story, cql};

const SPEC: &str = "specs/cassandra.yaml";
const SOON: Duration = Duration::from_secs(180);
const PROXY: &str = "/v1/stacks/cassandra/services/cassandra/proxy";

/// Waiting times of nodes of which several share one machine.
pub(crate) const PATIENT: &str = "    numTokens: 4
    config: { request_timeout: 20s, write_request_timeout: 20s, read_request_timeout: 20s }
    jvmOptions: [-Dcassandra.ring_delay_ms=2000, -Dcassandra.skip_wait_for_gossip_to_settle=0,
                  -Dcassandra.broadcast_interval_ms=5000]
";

pub(crate) fn story() -> Vec<Trial> {
    let setup = || Cairn::new(4).up();
    Story::new("cassandra")
        .step("apply_brings_up_three_nodes_and_the_declared_keyspace", setup, apply)
        .step("a_killed_node_comes_back_with_its_id_ports_and_data", setup, killed)
        .step("a_dead_node_is_replaced_in_the_ring", setup, replace)
        .step("scaling_out_and_in_keeps_all_rows", setup, scale)
        .step("repair_flush_and_snapshots_are_operations", setup, operations)
        .step("destroy_leaves_nothing", setup, destroy)
        .end()
}

/// The shipped spec, with waiting times for a cluster on one machine.
fn spec(cairn: &Cairn) -> String {
    let shipped = std::fs::read_to_string(cairn_tests::cairn::checkout().join(SPEC)).expect("it is there");
    let patient = format!("{PATIENT}    keyspaces:\n");
    let text = shipped.replace("    keyspaces:\n", &patient).replace("replication: 3", "replication: 2");
    cairn.file("cassandra.yaml", &text)
}

/// Applies the stack if it is not up, and gives the nodes' addresses.
fn up(cairn: &mut Cairn) -> String {
    cairn.apply(&spec(cairn), "4m");
    points(cairn)
}

/// The nodes' addresses.
pub(crate) fn points(cairn: &Cairn) -> String {
    let endpoints = cairn.run(&["endpoints", "cassandra/cassandra", "-o", "json"]).expect(0).json();
    endpoints["cql"].as_str().expect("an output").to_owned()
}

pub(crate) fn converged(cairn: &Cairn) {
    until("the stack is as its file says", SOON, || {
        let answer = cairn.http().try_send("GET", "/v1/stacks/cassandra", None).ok()?;
        (answer.1["complete"] == json!(true)).then_some(())
    });
}

/// Members of the ring as the scheduler tells them, by instance.
pub(crate) fn ring(cairn: &Cairn) -> Vec<(String, Value)> {
    let ring = cairn.http().get(&format!("{PROXY}/v1/ring"));
    let members = ring["members"].as_array().cloned().unwrap_or_default();
    members.into_iter().map(|m| (m["instance"].as_str().unwrap_or("nobody").to_owned(), m)).collect()
}

fn member(cairn: &Cairn, instance: &str) -> Value {
    let found = ring(cairn).into_iter().find(|(name, _)| name == instance);
    found.map(|(_, member)| member).expect("a member")
}

/// Process id of the node of an instance: it works in the sandbox of that one's executor.
fn node(cairn: &Cairn, instance: &str) -> i32 {
    let sandbox = format!("/executors/{instance}.");
    let found = cairn.processes(&["CassandraDaemon"]);
    let is_it = |p: &&processes::Process| {
        p.command.starts_with("java") && p.folder.to_string_lossy().contains(&sandbox)
    };
    found.iter().find(is_it).expect("a process").pid
}

pub(crate) fn write(points: &str, from: u32) {
    let row = |n| format!("INSERT INTO shop.orders (id, item) VALUES ({n}, 'item {n}')");
    cql::execute(points, &(from..from + 50).map(row).collect::<Vec<_>>());
}

#[track_caller]
pub(crate) fn rows(points: &str, count: u32) {
    let read = cql::query(points, "SELECT count(*) FROM shop.orders");
    assert_eq!(read, json!([[count]]));
}

fn apply(cairn: &mut Cairn) {
    let points = up(cairn);
    assert_eq!(points.split(',').count(), 3, "{points}");
    let keyspaces = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = 'shop'";
    let shop = cql::query(&points, keyspaces).to_string();
    assert!(shop.contains("NetworkTopologyStrategy") && shop.contains("dc1"), "{shop}");
    let kept = cairn.http().get(&format!("{PROXY}/v1/keyspaces/shop"));
    assert!(kept["declared"].is_object() && kept["there"]["copies"]["dc1"].is_number(), "{kept:#}");
    assert!(cairn.http().get(&format!("{PROXY}/v1/keyspaces"))["keyspaces"]["system_auth"].is_object());
    cql::query(&points, "CREATE TABLE IF NOT EXISTS shop.orders (id int PRIMARY KEY, item text)");
    write(&points, 0);
    rows(&points, 50);
    let members = ring(cairn);
    assert_eq!(members.len(), 3, "{members:#?}");
    for (instance, member) in members {
        let seen = (&member["status"], &member["state"], &member["datacenter"]);
        assert_eq!(seen, (&json!("up"), &json!("normal"), &json!("dc1")), "{instance}");
    }
    let file = spec(cairn);
    cairn.run(&["plan", "-f", &file]).expect(0);
}

fn killed(cairn: &mut Cairn) {
    let points = up(cairn);
    let (before, pid) = (member(cairn, "node-1"), node(cairn, "node-1"));
    processes::kill_hard(pid);
    until("the node is up again", SOON, || {
        let now = member(cairn, "node-1");
        (now["status"] == json!("up") && cairn.processes(&[]).iter().all(|p| p.pid != pid)).then_some(())
    });
    converged(cairn);
    let after = member(cairn, "node-1");
    assert_eq!((&after["host_id"], &after["endpoint"]), (&before["host_id"], &before["endpoint"]));
    assert_eq!(up(cairn), points, "ports and addresses are kept");
    rows(&points, 50);
}

fn scale(cairn: &mut Cairn) {
    up(cairn);
    cairn.run(&["scale", "cassandra/cassandra", "4"]).expect(0);
    assert_eq!(ring(cairn).len(), 4);
    let cleanup = until("a cluster that has grown is cleaned up", SOON, || {
        let told = cairn.http().get(&format!("{PROXY}/v1/operations"));
        let ids = told["operations"].as_array()?.iter().filter_map(|o| o["id"].as_str().map(str::to_owned));
        ids.into_iter().find(|id| id.starts_with("cleanup-after-node-3"))
    });
    assert_eq!(over(cairn, &cleanup)["status"], json!("COMPLETE"));
    let points = cairn.run(&["endpoints", "cassandra/cassandra", "-o", "json"]).expect(0).json();
    write(points["cql"].as_str().expect("an output"), 50);
    cairn.run(&["scale", "cassandra/cassandra", "3"]).expect(0);
    let mut left: Vec<String> = ring(cairn).into_iter().map(|(instance, _)| instance).collect();
    left.sort_unstable();
    assert_eq!(left, ["node-0", "node-1", "node-2"]);
    let points = cairn.run(&["endpoints", "cassandra/cassandra", "-o", "json"]).expect(0).json();
    rows(points["cql"].as_str().expect("an output"), 100);
}

/// Waits until an operation is over, and gives it as the scheduler tells it.
fn over(cairn: &Cairn, id: &str) -> Value {
    until("the operation is over", SOON, || {
        let (status, told) = cairn.http().send("GET", &format!("{PROXY}/v1/operations/{id}"), None);
        (status != 202).then_some(told)
    })
}

/// Begins an operation on all nodes and waits until it is done; its steps' last words.
fn operate(cairn: &Cairn, body: &Value) -> Vec<String> {
    let (status, begun) = cairn.http().send("POST", &format!("{PROXY}/v1/operations"), Some(body.clone()));
    assert_eq!(status, 202, "{begun:#}");
    let done = over(cairn, begun["id"].as_str().expect("an id"));
    assert_eq!(done["status"], json!("COMPLETE"), "{done:#}");
    let steps = done["steps"].as_array().expect("steps").iter();
    steps.map(|step| step["message"].as_str().unwrap_or_default().to_owned()).collect()
}

fn operations(cairn: &mut Cairn) {
    up(cairn);
    assert_eq!(operate(cairn, &json!({"operation": "repair", "keyspace": "shop", "full": true})).len(), 3);
    operate(cairn, &json!({"operation": "flush", "nodes": "*", "keyspace": "shop"}));
    operate(cairn, &json!({"operation": "snapshot", "keyspace": "shop", "tag": "monday"}));
    let volumes = || {
        let found =
            Command::new("find").arg(cairn.folder()).args(["-path", "*/snapshots/monday/*-Data.db"]).output();
        String::from_utf8_lossy(&found.expect("find runs").stdout).lines().count()
    };
    assert!(volumes() >= 2, "the rows are on two nodes");
    operate(cairn, &json!({"operation": "clear-snapshot", "tag": "monday"}));
    assert_eq!(volumes(), 0);
    let nameless = Some(json!({"operation": "snapshot"}));
    let (status, told) = cairn.http().send("POST", &format!("{PROXY}/v1/operations"), nameless);
    assert!(status == 422 && told.to_string().contains("tag"), "{status} {told:#}");
}

/// Its volume is gone for good: another node takes over its part of the ring.
fn replace(cairn: &mut Cairn) {
    let points = up(cairn);
    let before = volume(cairn, PROXY, 2);
    stop_and_replace(cairn, PROXY, 2);
    until("another node has taken its place", SOON, || {
        let now = ring(cairn).into_iter().find(|(name, _)| name == "node-2")?.1;
        (volume(cairn, PROXY, 2) != before && now["status"] == json!("up")).then_some(())
    });
    converged(cairn);
    let members = ring(cairn);
    assert_eq!(members.len(), 3, "{members:#?}");
    assert!(members.iter().all(|(_, member)| member["state"] == json!("normal")), "{members:#?}");
    assert_ne!(up(cairn), points, "it is on the agent that was free");
    rows(&up(cairn), 50);
}

fn destroy(cairn: &mut Cairn) {
    up(cairn);
    cairn.run(&["destroy", "cassandra", "--yes", "--delete-data"]).expect(0);
    assert!(cairn.processes(&["java"]).is_empty());
}

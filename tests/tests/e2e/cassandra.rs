//! Three Cassandra nodes: brought up, written to, hurt, grown and shrunk.

use std::time::Duration;

use cairn_tests::{Cairn, processes, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{Story, cql};

const SPEC: &str = "specs/cassandra.yaml";
const SOON: Duration = Duration::from_secs(180);
const PROXY: &str = "/v1/stacks/cassandra/services/cassandra/proxy";

pub(crate) fn story() -> Vec<Trial> {
    let setup = || Cairn::new(4).up();
    Story::new("cassandra")
        .step("apply_brings_up_three_nodes_and_the_declared_keyspace", setup, apply)
        .step("a_killed_node_comes_back_with_its_id_ports_and_data", setup, killed)
        .step("scaling_out_and_in_keeps_all_rows", setup, scale)
        .step("destroy_leaves_nothing", setup, destroy)
        .end()
}

/// The shipped spec, with waiting times for a cluster on one machine.
fn spec(cairn: &Cairn) -> String {
    let shipped = std::fs::read_to_string(cairn_tests::cairn::checkout().join(SPEC)).expect("it is there");
    let fast = "    numTokens: 4
    config: { request_timeout: 20s, write_request_timeout: 20s, read_request_timeout: 20s }
    jvmOptions: [-Dcassandra.ring_delay_ms=2000, -Dcassandra.skip_wait_for_gossip_to_settle=0]
    keyspaces:
";
    let text = shipped.replace("    keyspaces:\n", fast).replace("replication: 3", "replication: 2");
    cairn.file("cassandra.yaml", &text)
}

/// Applies the stack if it is not up, and gives the nodes' addresses.
fn up(cairn: &mut Cairn) -> String {
    let file = spec(cairn);
    let out = cairn.run(&["apply", "-f", &file, "--timeout", "4m"]);
    assert_eq!(out.code, 0, "{}\n{}\n{}", out.stdout, out.stderr, cairn.logs());
    let endpoints = cairn.run(&["endpoints", "cassandra/cassandra", "-o", "json"]).expect(0).json();
    endpoints["cql"].as_str().expect("an output").to_owned()
}

fn converged(cairn: &Cairn) {
    until("the stack is as its file says", SOON, || {
        let answer = cairn.http().try_send("GET", "/v1/stacks/cassandra", None).ok()?;
        (answer.1["complete"] == json!(true)).then_some(())
    });
}

/// Members of the ring as the scheduler tells them, by instance.
fn ring(cairn: &Cairn) -> Vec<(String, Value)> {
    let ring = cairn.http().get(&format!("{PROXY}/v1/ring"));
    let members = ring["members"].as_array().cloned().unwrap_or_default();
    members.into_iter().map(|m| (m["instance"].as_str().unwrap_or("nobody").to_owned(), m)).collect()
}

fn member(cairn: &Cairn, instance: &str) -> Value {
    let found = ring(cairn).into_iter().find(|(name, _)| name == instance);
    found.map(|(_, member)| member).expect("a member")
}

/// Process id of the node of an instance: its listening address is in its command line.
fn node(cairn: &Cairn, instance: &str) -> i32 {
    let listed = cairn.http().get(&format!("{PROXY}/v1/instances/{instance}"));
    let port = &listed["placement"]["ports"]["jmx"];
    let address = listed["placement"]["address"].as_str().expect("an address").to_owned();
    let (port, host) = (format!("jmxremote.port={port}"), format!("jmxremote.host={address}"));
    let found = cairn.processes(&["CassandraDaemon", &port, &host]);
    found.iter().find(|p| p.command.starts_with("java")).expect("a process").pid
}

fn write(points: &str, from: u32) {
    let row = |n| format!("INSERT INTO shop.orders (id, item) VALUES ({n}, 'item {n}')");
    cql::execute(points, &(from..from + 50).map(row).collect::<Vec<_>>());
}

#[track_caller]
fn rows(points: &str, count: u32) {
    let read = cql::query(points, "SELECT count(*) FROM shop.orders");
    assert_eq!(read, json!([[count]]));
}

fn apply(cairn: &mut Cairn) {
    let points = up(cairn);
    assert_eq!(points.split(',').count(), 3, "{points}");
    let keyspaces = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = 'shop'";
    let shop = cql::query(&points, keyspaces).to_string();
    assert!(shop.contains("NetworkTopologyStrategy") && shop.contains("dc1"), "{shop}");
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
    let points = cairn.run(&["endpoints", "cassandra/cassandra", "-o", "json"]).expect(0).json();
    write(points["cql"].as_str().expect("an output"), 50);
    cairn.run(&["scale", "cassandra/cassandra", "3"]).expect(0);
    let left: Vec<String> = ring(cairn).into_iter().map(|(instance, _)| instance).collect();
    assert_eq!(left, ["node-0", "node-1", "node-2"]);
    let points = cairn.run(&["endpoints", "cassandra/cassandra", "-o", "json"]).expect(0).json();
    rows(points["cql"].as_str().expect("an output"), 100);
}

/// Its volume is gone for good: another node takes over its part of the ring.
fn destroy(cairn: &mut Cairn) {
    up(cairn);
    cairn.run(&["destroy", "cassandra", "--yes", "--delete-data"]).expect(0);
    assert!(cairn.processes(&["java"]).is_empty());
}

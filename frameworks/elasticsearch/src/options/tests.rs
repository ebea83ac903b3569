use serde_json::json;

use super::*;
use crate::nodes;

fn read(options: Value) -> Result<Options, String> {
    let config = Config { options: options.into(), ..Config::default() };
    config.read::<Options>().map_err(|p| p.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

#[test]
fn defaults_are_three_nodes_that_do_everything() {
    let options = read(json!({})).unwrap();
    assert_eq!((options.nodes, options.jvm.memory().mib(), options.opensearch()), (3, 640, false));
    assert_eq!(nodes::masters(&options), ["node-0", "node-1", "node-2"]);
}

#[test]
fn groups_and_overrides_take_the_rest_from_all() {
    let options = read(json!({
        "nodes": 0, "heap": "512MiB", "mem": "1GiB", "config": { "a": { "b": 1 } },
        "groups": {
            "boss": { "nodes": 3, "roles": ["master"] },
            "hot": { "nodes": 2, "roles": ["data", "ingest"], "heap": "1GiB", "config": { "c": 2 } },
        },
    }))
    .unwrap();
    let all = options.all();
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["boss-0", "boss-1", "boss-2", "hot-0", "hot-1"]);
    assert_eq!(nodes::masters(&options), ["boss-0", "boss-1", "boss-2"]);
    let (boss, hot) = (&all[0].1, &all[3].1);
    assert_eq!((boss.jvm.heap().mib(), boss.jvm.memory().mib()), (512, 1024));
    assert_eq!((hot.jvm.heap().mib(), hot.jvm.memory().mib()), (1024, 1792), "a memory that fits its heap");
    assert_eq!(hot.config, json!({ "a": { "b": 1 }, "c": 2 }).as_object().unwrap().clone());
    let one = read(json!({ "overrides": { "1": { "cpus": 2.0 } } })).unwrap();
    assert_eq!(one.all().iter().map(|(_, n)| n.jvm.cpus).collect::<Vec<_>>(), [0.5, 2.0, 0.5]);
}

#[test]
fn every_problem_is_told_at_once() {
    let told = read(json!({
        "nodes": 0, "heap": "1GiB", "mem": "1GiB", "disk": 10, "user": 0,
        "groups": { "Data": { "roles": ["data"] }, "node": {} },
        "overrides": { "x": {}, "1": { "nodes": 2 } },
        "config": { "node": { "name": "x" }, "http.port": 9200, "search.max_buckets": 5 },
        "indices": { "../x": {} }, "templates": { "logs": 1 },
        "jvmOptions": ["-Xmx1g"],
    }))
    .unwrap_err();
    for part in [
        "groups.Data: ",
        "groups.node: ",
        "overrides.x: ",
        "overrides.1.nodes: ",
        "mem: 1024MiB",
        "disk: ",
        "user: ",
        "config.node.name: ",
        "config.http.port: ",
        "indices.../x: ",
        "templates.logs: ",
        "jvmOptions.0: ",
    ] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    assert!(!told.contains("max_buckets"));
    assert_eq!(told.matches("config.http.port").count(), 1, "{told}");
}

#[test]
fn a_cluster_needs_a_master_and_data() {
    let told = read(json!({ "roles": ["ingest"] })).unwrap_err();
    assert!(
        told.contains("no node has the role master") && told.contains("no node has the role data"),
        "{told}"
    );
    assert!(read(json!({ "roles": ["master", "data_hot"] })).is_ok());
    assert!(read(json!({ "roles": ["boss"] })).unwrap_err().contains("unknown variant `boss`"));
    assert!(read(json!({ "nodes": 0 })).unwrap_err().contains("nodes: must be at least 1"));
}

//! Three Elasticsearch nodes from `specs/elasticsearch.yaml`: searched while they are hurt, restarted and taken away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cairn_tests::{Cairn, Http, processes, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::Story;

const SPEC: &str = "specs/elasticsearch.yaml";
const SERVICE: &str = "search/elasticsearch";
const PROXY: &str = "/v1/stacks/search/services/elasticsearch/proxy";
const SOON: Duration = Duration::from_secs(150);
/// The server of a node, not the JVM that started it.
const SERVER: &str = "org.elasticsearch.server/org.elasticsearch.bootstrap.Elasticsearch";

pub(crate) fn story() -> Vec<Trial> {
    let setup = || Cairn::new(3).up();
    Story::new("elasticsearch")
        .step("apply_brings_up_a_green_cluster_that_is_not_root", setup, apply_brings_up)
        .step("documents_are_found_through_the_cluster_and_the_scheduler", setup, documents)
        .step("the_rest_of_the_scheduler_lists_nodes_and_declares_indices", setup, rest)
        .step("a_killed_node_comes_back_with_its_name_ports_and_data", setup, killed_node)
        .step("a_change_rolls_through_while_documents_are_found", setup, rolling_change)
        .step("scaling_in_drains_a_node_and_loses_nothing", setup, scale_in)
        .step("destroy_with_delete_data_leaves_nothing", setup, destroy)
        .step("opensearch_boots_too", setup, opensearch)
        .end()
}

/// Applies a stack, and gives the addresses of a service's nodes.
pub(crate) fn apply(cairn: &Cairn, file: &str, service: &str) -> Vec<String> {
    cairn.apply(file, "4m");
    nodes(cairn, service)
}

pub(crate) fn nodes(cairn: &Cairn, service: &str) -> Vec<String> {
    let endpoints = cairn.run(&["endpoints", service, "-o", "json"]).expect(0).json();
    endpoints["http"].as_str().expect("an output").split(',').map(str::to_owned).collect()
}

/// The stack with documents in it, as the step before has left it.
fn up(cairn: &mut Cairn) -> Vec<String> {
    let (status, stack) = cairn.http().send("GET", "/v1/stacks/search", None);
    let there = status == 200 && stack["complete"] == json!(true);
    let nodes = if there { nodes(cairn, SERVICE) } else { apply(cairn, SPEC, SERVICE) };
    if found(&nodes[0]).is_err() {
        fill(&nodes[0]);
    }
    nodes
}

/// 200 documents.
pub(crate) fn fill(node: &str) {
    let document =
        |n| format!("{{\"index\":{{\"_id\":\"{n}\"}}}}\n{{\"message\":\"stone {n}\",\"@timestamp\":{n}}}\n");
    let (status, answer) = bulk(node, &(0..200).map(document).collect::<String>());
    assert!(status == 200 && answer["errors"] == json!(false), "{status} {answer:#}");
}

pub(crate) fn get(node: &str, path: &str) -> Value {
    Http::new(node, None).get(path)
}

pub(crate) fn bulk(node: &str, lines: &str) -> (u16, Value) {
    Http::new(node, None).send_as("POST", "/logs-1/_bulk?refresh=true", "application/x-ndjson", lines)
}

pub(crate) fn found(node: &str) -> Result<u64, String> {
    let (status, answer) = Http::new(node, None)
        .try_send("GET", "/logs-1/_search?q=message:stone&size=0&track_total_hits=true", None)
        .map_err(|e| e.to_string())?;
    answer["hits"]["total"]["value"].as_u64().ok_or_else(|| format!("{status} {answer}"))
}

fn servers(cairn: &Cairn) -> Vec<i32> {
    cairn.processes(&[SERVER]).into_iter().map(|p| p.pid).collect()
}

pub(crate) fn green(node: &str, nodes: u64) {
    until("the cluster is green", SOON, || {
        let health = Http::new(node, None).try_send("GET", "/_cluster/health", None).ok()?.1;
        (health["status"] == json!("green") && health["number_of_nodes"] == json!(nodes)).then_some(())
    });
}

fn apply_brings_up(cairn: &mut Cairn) {
    let nodes = up(cairn);
    assert_eq!(nodes.len(), 3, "{nodes:?}");
    green(&nodes[0], 3);
    let servers = servers(cairn);
    assert_eq!(servers.len(), 3);
    for pid in servers {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let caps = status.lines().find(|l| l.starts_with("CapEff")).unwrap_or_default();
        let uid = status.lines().find(|l| l.starts_with("Uid")).unwrap_or_default();
        // Another user, or, where another user could not reach its folder, nobody's rights in a namespace of its own.
        let namespace = std::fs::read_link(format!("/proc/{pid}/ns/user")).ok();
        let apart = namespace != std::fs::read_link("/proc/self/ns/user").ok();
        assert!(apart || !uid.contains("\t0\t"), "{uid} {caps}");
    }
    let template = get(&nodes[1], "/_index_template/logs");
    assert_eq!(template["index_templates"][0]["index_template"]["index_patterns"], json!(["logs", "logs-*"]));
    let shards = get(&nodes[2], "/_cat/shards/logs-1?format=json");
    assert_eq!(shards.as_array().map(Vec::len), Some(6), "as the template says: {shards:#}");
}

fn documents(cairn: &mut Cairn) {
    let nodes = up(cairn);
    for node in &nodes {
        assert_eq!(found(node), Ok(200));
    }
    let http = cairn.http();
    let answer = http.get(&format!("{PROXY}/v1/search/logs-*?q=message:17"));
    assert_eq!(answer["hits"]["hits"][0]["_source"]["message"], json!("stone 17"), "{answer:#}");
    let query = json!({ "query": { "ids": { "values": ["3", "4"] } } });
    let (status, answer) = http.send("POST", &format!("{PROXY}/v1/search/logs-1"), Some(query));
    assert_eq!((status, &answer["hits"]["total"]["value"]), (200, &json!(2)), "{answer:#}");
    let (status, problem) = http.send("GET", &format!("{PROXY}/v1/search/no-such"), None);
    assert_eq!(status, 404, "{problem:#}");
    let (status, problem) = http.send("GET", &format!("{PROXY}/v1/search/..%2F_cluster"), None);
    assert_eq!(status, 400, "{problem:#}");
}

fn rest(cairn: &mut Cairn) {
    let nodes = up(cairn);
    let http = cairn.http();
    let listed = http.get(&format!("{PROXY}/v1/nodes"));
    let all = listed["nodes"].as_array().cloned().unwrap_or_default();
    assert_eq!(all.len(), 3, "{listed:#}");
    assert_eq!(all.iter().filter(|n| n["elected"] == json!(true)).count(), 1, "{listed:#}");
    assert!(all.iter().all(|n| n["member"] == json!(true)), "{listed:#}");
    assert_eq!(http.get(&format!("{PROXY}/v1/cluster"))["health"]["status"], json!("green"));
    assert_eq!(http.get(&format!("{PROXY}/v1/tasks")).as_array().map(Vec::len), Some(3));
    assert_eq!(http.get(&format!("{PROXY}/v1/cluster/elasticsearchNodes")), json!({ "value": 3 }));
    let body = json!({ "settings": { "number_of_shards": 1 }, "mappings": { "properties": { "n": { "type": "long" } } } });
    let (status, answer) = http.send("PUT", &format!("{PROXY}/v1/indices/declared"), Some(body));
    assert_eq!(status, 202, "{answer:#}");
    until("the declared index is there", SOON, || {
        let index = Http::new(&nodes[0], None).try_send("GET", "/declared/_mapping", None).ok()?;
        (index.1["declared"]["mappings"]["properties"]["n"]["type"] == json!("long")).then_some(())
    });
    let shown = http.get(&format!("{PROXY}/v1/indices/declared"));
    assert_eq!(shown["differs"], json!([]), "{shown:#}");
    assert!(shown["there"]["declared"].is_object() && shown["declared"]["settings"].is_object(), "{shown:#}");
    let (status, problem) = http.send("GET", &format!("{PROXY}/v1/indices/no-such"), None);
    assert_eq!((status, &problem["type"]), (404, &json!("unknown-index")), "{problem:#}");
    let (status, problem) = http.send("PUT", &format!("{PROXY}/v1/indices/_all"), Some(json!({})));
    assert_eq!(status, 400, "{problem:#}");
    let listed = cairn.run(&["declare", SERVICE]).expect(0).stdout;
    assert!(listed.contains("indices") && listed.contains("declared") && listed.contains("logs"), "{listed}");
    let drifted = json!({ "index": { "number_of_replicas": 0 } });
    Http::new(&nodes[0], None).send("PUT", "/declared/_settings", Some(drifted));
    let one = "{settings: {number_of_shards: 1, number_of_replicas: 1}}";
    cairn.run(&["declare", SERVICE, "indices", "declared", one]).expect(0);
    until("what has drifted is as it was declared last", SOON, || {
        let index = Http::new(&nodes[0], None).try_send("GET", "/declared/_settings", None).ok()?;
        (index.1["declared"]["settings"]["index"]["number_of_replicas"] == json!("1")).then_some(())
    });
    let (status, _) = http.send("DELETE", &format!("{PROXY}/v1/indices/declared"), None);
    assert_eq!(status, 202);
    assert_eq!(Http::new(&nodes[0], None).send("GET", "/declared", None).0, 200, "no index is deleted");
    // It has changed what the stack says.
    Http::new(&nodes[0], None).send("DELETE", "/declared", None);
}

fn killed_node(cairn: &mut Cairn) {
    let nodes = up(cairn);
    let before = servers(cairn);
    processes::kill_hard(before[0]);
    until("three servers again, one of them new", SOON, || {
        let now = servers(cairn);
        (now.len() == 3 && !now.contains(&before[0])).then_some(())
    });
    green(&nodes[0], 3);
    until("the stack is as its file says", SOON, || {
        let stack = cairn.http().try_send("GET", "/v1/stacks/search", None).ok()?.1;
        (stack["complete"] == json!(true)).then_some(())
    });
    assert_eq!(self::nodes(cairn, SERVICE), nodes, "names, addresses and ports are kept");
    let mut names: Vec<String> = get(&nodes[0], "/_cat/nodes?format=json&h=name")
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|n| n["name"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    assert_eq!(names, ["node-0", "node-1", "node-2"]);
    assert_eq!(found(&nodes[0]), Ok(200));
}

/// Asks for all documents until it is told to stop, and gives how often no node could tell them.
pub(crate) fn search_on(
    nodes: Vec<String>,
    stop: Arc<AtomicBool>,
) -> std::thread::JoinHandle<(u32, Vec<String>)> {
    std::thread::spawn(move || {
        let (mut rounds, mut failures) = (0, Vec::new());
        while !stop.load(Ordering::Relaxed) {
            let answers: Vec<_> = nodes.iter().map(|node| found(node)).collect();
            if !answers.contains(&Ok(200)) {
                failures.push(format!("{answers:?}"));
            }
            rounds += 1;
            std::thread::sleep(Duration::from_millis(100));
        }
        (rounds, failures)
    })
}

fn rolling_change(cairn: &mut Cairn) {
    let nodes = up(cairn);
    let before = servers(cairn);
    let stop = Arc::new(AtomicBool::new(false));
    let searching = search_on(nodes.clone(), Arc::clone(&stop));
    let spec = std::fs::read_to_string(cairn_tests::cairn::checkout().join(SPEC)).expect("the spec");
    let changed = spec.replace(
        "    templates:",
        "    config: { indices.query.bool.max_clause_count: 2048 }\n    templates:",
    );
    let file = cairn.file("changed.yaml", &changed);
    let after = apply(cairn, &file, SERVICE);
    stop.store(true, Ordering::Relaxed);
    let (rounds, failures) = searching.join().expect("it ends by itself");
    assert!(rounds > 10, "{rounds}");
    assert_eq!(failures, Vec::<String>::new(), "always found, in {rounds} rounds");
    assert_eq!(after, nodes);
    let now = servers(cairn);
    assert!(now.len() == 3 && now.iter().all(|pid| !before.contains(pid)), "{before:?} {now:?}");
    let settings = get(&nodes[0], "/_cluster/settings?flat_settings=true");
    assert_eq!(settings["persistent"], json!({}), "nothing is left behind");
    let info = get(&nodes[0], "/_nodes/settings?flat_settings=true&filter_path=nodes.*.settings.indices*");
    assert_eq!(info.to_string().matches("2048").count(), 3, "{info:#}");
}

fn scale_in(cairn: &mut Cairn) {
    let nodes = up(cairn);
    let out = cairn.run(&["scale", SERVICE, "2", "--timeout", "4m"]);
    assert_eq!(out.code, 0, "{out:#?}\n{}", cairn.logs());
    assert_eq!(servers(cairn).len(), 2);
    green(&nodes[0], 2);
    for node in self::nodes(cairn, SERVICE) {
        assert_eq!(found(&node), Ok(200));
    }
    let state = get(&nodes[0], "/_cluster/state/metadata?filter_path=metadata.cluster_coordination");
    let votes = &state["metadata"]["cluster_coordination"];
    assert_eq!(votes["voting_config_exclusions"], json!([]), "{votes:#}");
    assert_eq!(get(&nodes[0], "/_cluster/settings?flat_settings=true")["persistent"], json!({}));
}

fn destroy(cairn: &mut Cairn) {
    up(cairn);
    cairn.run(&["destroy", "search", "--yes", "--delete-data"]).expect(0);
    until("only the cluster and the controller are left", SOON, || {
        (cairn.processes(&[]).len() == 2).then_some(())
    });
}

fn opensearch(cairn: &mut Cairn) {
    let spec = "stack: open\nservices:\n  search:\n    framework: elasticsearch\n    version: opensearch-2.19.4\n    \
        nodes: 1\n    indices:\n      logs-1: { settings: { number_of_replicas: 0 } }\n";
    let nodes = apply(cairn, &cairn.file("open.yaml", spec), "open/search");
    let told = get(&nodes[0], "/_cat/nodes?format=json&h=name,version");
    assert_eq!(told, json!([{ "name": "node-0", "version": "2.19.4" }]));
    let (status, answer) = bulk(&nodes[0], "{\"index\":{}}\n{\"message\":\"stone\"}\n");
    assert!(status == 200 && answer["errors"] == json!(false), "{status} {answer:#}");
    assert_eq!(found(&nodes[0]), Ok(1));
    cairn.run(&["destroy", "open", "--yes", "--delete-data"]).expect(0);
}

//! What tools of other hands do: the endpoints from before the v1 API that change something, compressed bodies, and habits of
//! their HTTP libraries.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use cairn_cluster::{Cluster, ClusterOptions};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::web::{request, wait_for};
use crate::whole::{RESOURCES, connect};

const JSON: &str = "Content-Type: application/json";

async fn start(dir: &Path) -> Cluster {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    Cluster::start(ClusterOptions::new(listen, 1, dir.to_owned(), RESOURCES)).await.unwrap()
}

async fn get(address: SocketAddr, path: &str) -> Value {
    let (status, head, body) = request(address, &format!("GET {path}"), &[], "").await;
    assert_eq!(status, 200, "{path}: {head} {body}");
    serde_json::from_str(&body).unwrap()
}

/// Asks with a method and a body that has no media type; status and text of the answer.
async fn ask(address: SocketAddr, line: &str, body: &str) -> (u16, String) {
    let (status, _, body) = request(address, line, &[], body).await;
    (status, body)
}

/// The one agent, as soon as it is there.
async fn agent(address: SocketAddr) -> Value {
    let wait = async {
        loop {
            let slaves = get(address, "/master/slaves").await["slaves"].take();
            if slaves[0].is_object() {
                break slaves[0].clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Head and body of the answer to a request with any bytes as its body.
async fn send(address: SocketAddr, line: &str, headers: &[&str], body: &[u8]) -> (String, Vec<u8>) {
    let mut bytes = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n").into_bytes();
    for header in headers {
        bytes.extend_from_slice(format!("{header}\r\n").as_bytes());
    }
    bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    let mut connection = TcpStream::connect(address).await.unwrap();
    let _ = connection.write_all(&bytes).await;
    let mut answer = Vec::new();
    let read = connection.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(20), read).await.unwrap().unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end + 4..].to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_reserve_and_make_volumes() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(dir.path()).await;
    let address = cluster.master_address();
    let id = agent(address).await["id"].as_str().unwrap().to_owned();
    // As in the documentation of Mesos, from before reservations could be refined.
    let disk = json!([{"name": "disk", "type": "SCALAR", "scalar": {"value": 64}, "role": "ops", "reservation": {}}]);
    let form = |name: &str, value: &Value| format!("slaveId={id}&{name}={}", encoded(&value.to_string()));
    assert_eq!(ask(address, "POST /master/reserve", &form("resources", &disk)).await, (202, String::new()));
    assert_eq!(agent(address).await["reserved_resources"]["ops"]["disk"], 64.0);
    let mut volume = disk.clone();
    volume[0]["disk"] =
        json!({"persistence": {"id": "v"}, "volume": {"mode": "RW", "container_path": "data"}});
    assert_eq!(ask(address, "POST /create-volumes", &form("volumes", &volume)).await, (202, String::new()));
    let full = agent(address).await["reserved_resources_full"]["ops"].take();
    assert_eq!(full[0]["disk"]["persistence"]["id"], "v", "{full}");
    let kept = ask(address, "POST /master/unreserve", &form("resources", &disk)).await;
    assert_eq!(kept.0, 409, "a volume is on it: {}", kept.1);
    assert_eq!(ask(address, "POST /master/destroy-volumes", &form("volumes", &volume)).await.0, 202);
    assert_eq!(ask(address, "POST /master/unreserve/", &form("resources", &disk)).await.0, 202);
    assert_eq!(agent(address).await["reserved_resources"], json!({}));
    let unknown = ask(address, "POST /reserve", &form("resources", &disk).replace(&id, "nobody")).await;
    assert_eq!(unknown, (400, "No agent found with specified ID".to_owned()));
    let missing = "Missing 'resources' query parameter in the request body";
    assert_eq!(ask(address, "POST /reserve", &format!("slaveId={id}")).await, (400, missing.to_owned()));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_endpoints_change_what_the_operator_api_changes() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(dir.path()).await;
    let address = cluster.master_address();
    let (client, mut events) = connect(address, None);
    wait_for(&mut events, "SUBSCRIBED").await;
    let id = client.framework_id().unwrap().value;

    assert_eq!(ask(address, "PUT /weights", "[{\"role\":\"r\",\"weight\":2.5}]").await, (200, String::new()));
    assert_eq!(get(address, "/weights").await, json!([{"weight": 2.5, "role": "r"}]));
    let guarantee = json!([{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}]);
    let quota = json!({"role": "r", "guarantee": guarantee, "force": true}).to_string();
    assert_eq!(ask(address, "POST /master/quota", &quota).await, (200, String::new()));
    assert_eq!(get(address, "/quota").await["infos"][0]["role"], "r");
    assert_eq!(ask(address, "POST /quota", &quota).await.0, 400, "it has one");
    assert_eq!(ask(address, "DELETE /quota/r", "").await, (200, String::new()));
    assert_eq!(ask(address, "DELETE /master/quota/r", "").await.0, 400, "it has none");
    assert_eq!(ask(address, "DELETE /quota", "").await.0, 400, "of which role?");
    assert_eq!(get(address, "/master/quota").await, json!({}));

    let host = agent(address).await["hostname"].clone();
    let machine = json!({"hostname": host, "ip": host});
    let window = json!({"machine_ids": [machine], "unavailability": {"start": {"nanoseconds": 1}}});
    let schedule = json!({"windows": [window]});
    assert_eq!(ask(address, "POST /machine/down", &json!([machine]).to_string()).await.0, 400, "not planned");
    assert_eq!(ask(address, "POST /maintenance/schedule", &schedule.to_string()).await, (200, String::new()));
    assert_eq!(get(address, "/maintenance/schedule").await, schedule);
    let status = get(address, "/master/maintenance/status").await;
    assert_eq!(status["draining_machines"][0]["id"], machine);
    assert_eq!(ask(address, "POST /master/machine/down", &json!([machine]).to_string()).await.0, 200);
    assert_eq!(get(address, "/maintenance/status").await, json!({"down_machines": [machine]}));
    assert_eq!(ask(address, "POST /machine/up", &json!([machine]).to_string()).await.0, 200);
    assert_eq!(get(address, "/maintenance/schedule").await, json!({}));

    let teardown = format!("frameworkId={id}");
    let (status, _, _) =
        request(address, "POST /master/teardown", &["Origin: http://elsewhere"], &teardown).await;
    assert_eq!(status, 403, "a page of somebody else");
    assert_eq!(ask(address, "POST /master/teardown", &teardown).await, (200, String::new()));
    let gone = "No framework found with specified ID";
    assert_eq!(ask(address, "POST /teardown", &teardown).await, (400, gone.to_owned()));
    assert_eq!(get(address, "/frameworks").await["completed_frameworks"][0]["id"], id);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_bodies_are_read_and_answers_compressed() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(dir.path()).await;
    let agent = cluster.agent_addresses()[0];
    let gzip = "Content-Encoding: gzip";
    let call = json!({"type": "GET_FLAGS", "padding": "x".repeat(2000)}).to_string();
    for (address, path) in [(cluster.master_address(), "POST /api/v1"), (agent, "POST /slave(1)/api/v1")] {
        let (head, body) = send(address, path, &[JSON, gzip], &packed(&call)).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(String::from_utf8(body).unwrap().contains("GET_FLAGS"));
        let (head, body) = send(address, path, &[JSON, gzip], call.as_bytes()).await;
        assert!(head.starts_with("HTTP/1.1 400"), "{head}");
        assert_eq!(String::from_utf8(body).unwrap(), "Failed to decompress body");
        let (head, _) = send(address, path, &[JSON, gzip], &packed(&" ".repeat(17 << 20))).await;
        assert!(head.starts_with("HTTP/1.1 413"), "17 MiB in a few KiB: {head}");
        let (head, body) = send(
            address,
            path.replace("POST", "GET").replace("/api/v1", "/state").as_str(),
            &["Accept-Encoding: gzip, deflate"],
            b"",
        )
        .await;
        assert!(head.to_lowercase().contains("content-encoding: gzip"), "{head}");
        let mut plain = String::new();
        GzDecoder::new(&body[..]).read_to_string(&mut plain).unwrap();
        assert!(serde_json::from_str::<Value>(&plain).unwrap()["frameworks"].is_array());
        let health = json!({"type": "GET_HEALTH"}).to_string();
        let (head, _) = send(address, path, &[JSON, "Accept-Encoding: gzip"], health.as_bytes()).await;
        assert!(!head.to_lowercase().contains("content-encoding"), "it is short: {head}");
    }
    // A stream stays one: its first event comes at once, as it is.
    let mut stream = TcpStream::connect(cluster.master_address()).await.unwrap();
    let body = "{\"type\":\"SUBSCRIBE\"}";
    let head = format!(
        "POST /api/v1 HTTP/1.1\r\nHost: x\r\n{JSON}\r\nAccept-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("\"SUBSCRIBED\"") {
        let mut buffer = [0; 4096];
        let read =
            tokio::time::timeout(Duration::from_secs(10), stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(read > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_and_paths_are_those_of_mesos() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(dir.path()).await;
    let (master, agent) = (cluster.master_address(), cluster.agent_addresses()[0]);
    let refused = |methods: &str, got: &str| {
        format!("405 Method Not Allowed. Expecting one of {{ {methods} }}, but received '{got}'.")
    };
    for (address, line, methods) in [
        (master, "GET /master/teardown", "'POST'"),
        (master, "PUT /maintenance/schedule", "'GET', 'POST'"),
        (master, "POST /weights", "'GET', 'PUT'"),
        (master, "PATCH /quota", "'GET', 'POST', 'DELETE'"),
        (master, "POST /flags", "'GET'"),
        (agent, "GET /api/v1", "'POST'"),
        (agent, "PUT /slave(1)/api/v1/executor", "'POST'"),
        (agent, "POST /slave(1)/flags", "'GET'"),
        (agent, "POST /containers", "'GET'"),
    ] {
        let (status, head, body) = request(address, line, &[], "").await;
        let method = line.split(' ').next().unwrap();
        assert_eq!((status, body), (405, refused(methods, method)), "{line}");
        let allow = format!("allow: {}", methods.replace('\'', "").to_lowercase());
        assert!(head.to_lowercase().contains(&allow), "{head}");
    }
    let health = json!({"type": "GET_HEALTH"}).to_string();
    for (address, line, body) in [
        (master, "POST /master/state", ""),
        (master, "GET /master/frameworks/", ""),
        (master, "GET /system/stats.json", ""),
        (agent, "GET /slave(1)/state/", ""),
        (agent, "GET /containers/", ""),
        (agent, "POST /metrics/snapshot", ""),
        (agent, "GET /system/stats.json", ""),
        (master, "POST /api/v1/operator", health.as_str()),
        (agent, "POST /api/v1/operator", health.as_str()),
    ] {
        let (status, head, _) = request(address, line, &[JSON], body).await;
        assert_eq!(status, 200, "{line}: {head}");
    }
    for path in ["/files/read", "/files/browse?path=", "/files/download?x=1"] {
        let answer = ask(agent, &format!("GET {path}"), "").await;
        assert_eq!(answer, (400, "Expecting 'path=value' in query.\n".to_owned()), "{path}");
    }
    let negative = ask(agent, "GET /files/read?path=/x&offset=-2", "").await;
    assert_eq!(negative, (400, "Negative offset provided: -2.\n".to_owned()));
    let without = ask(agent, "POST /slave(1)/api/v1/executor", "{}").await;
    assert_eq!(without, (400, "Expecting 'Content-Type' to be present".to_owned()));
    cluster.shutdown().await;
}

/// Libraries ask before they send much, send in pieces, and use connections again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_serves_one_request_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(dir.path()).await;
    let mut connection = TcpStream::connect(cluster.master_address()).await.unwrap();
    let mut until = async |sent: String, wanted: &str| {
        connection.write_all(sent.as_bytes()).await.unwrap();
        let mut seen = String::new();
        while !seen.contains(wanted) {
            let mut buffer = [0; 4096];
            let read = tokio::time::timeout(Duration::from_secs(10), connection.read(&mut buffer)).await;
            let read = read.unwrap_or_else(|_| panic!("{wanted:?} did not come: {seen}")).unwrap();
            assert!(read > 0, "closed before {wanted:?}: {seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    };
    let body = json!({"type": "GET_HEALTH"}).to_string();
    let head = |more: &str| format!("POST /api/v1 HTTP/1.1\r\nHost: x\r\n{JSON}\r\n{more}\r\n\r\n");
    until(head(&format!("Content-Length: {}\r\nExpect: 100-continue", body.len())), "100 Continue\r\n\r\n")
        .await;
    until(body.clone(), "\"healthy\":true").await;
    let (first, rest) = body.split_at(5);
    let chunks =
        format!("{:x}\r\n{first}\r\n{:x};name=value\r\n{rest}\r\n0\r\n\r\n", first.len(), rest.len());
    until(head("Transfer-Encoding: chunked") + &chunks, "\"healthy\":true").await;
    until("GET /api/v1 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "405 Method Not Allowed. Expecting").await;
    let lists = ["text/html, application/json;q=0.1", "application/*;q=0.5", "*/*;q=0.1, text/plain"];
    for list in lists {
        let more = format!("Accept: {list}\r\nContent-Length: {}", body.len());
        until(head(&more) + &body, "\"healthy\":true").await;
    }
    cluster.shutdown().await;
}

/// Exporters of metrics ask both, and compute rates and shares of what they find.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_times_and_places_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = start(dir.path()).await;
    let (master, own) = (cluster.master_address(), cluster.agent_addresses()[0]);
    agent(master).await;
    let (of_master, of_agent) = (get(master, "/metrics/snapshot").await, get(own, "/metrics/snapshot").await);
    for shown in [&of_master, &of_agent] {
        let (total, free) = (&shown["system/mem_total_bytes"], &shown["system/mem_free_bytes"]);
        assert!(total.as_f64() > free.as_f64() && free.as_f64() > Some(0.0), "{shown}");
        assert!(shown["system/cpus_total"].as_f64() >= Some(1.0), "{shown}");
        assert!(shown["system/load_15min"].as_f64() >= Some(0.0), "{shown}");
    }
    let positive = |shown: &Value, name: &str| assert!(shown[name].as_f64() > Some(0.0), "{name}: {shown}");
    positive(&of_master, "registrar/registry_size_bytes");
    positive(&of_master, "registrar/state_store_ms/p99");
    positive(&of_master, "allocator/mesos/allocation_run_ms/count");
    positive(&of_master, "master/uptime_secs");
    positive(&of_agent, "slave/uptime_secs");
    positive(&of_agent, "slave/recovery_time_secs");
    let kept = of_agent["slave/executor_directory_max_allowed_age_secs"].as_f64().unwrap();
    assert!((0.0..=7.0 * 86_400.0).contains(&kept), "{kept}");
    let flags = get(own, "/slave(1)/state").await["flags"].take();
    let work_dir = std::fs::canonicalize(dir.path()).unwrap().join("agent-1");
    assert_eq!(flags["work_dir"], work_dir.to_str().unwrap(), "where sandboxes are");
    assert_eq!(flags["executor_registration_timeout"], "1mins");
    let call = json!({"type": "GET_METRICS", "get_metrics": {}}).to_string();
    for (address, path) in [(master, "POST /api/v1"), (own, "POST /slave(1)/api/v1")] {
        let (_, _, body) = request(address, path, &[JSON], &call).await;
        assert!(body.contains("system/mem_total_bytes"), "both ways tell the same: {body}");
    }
    cluster.shutdown().await;
}

//! Requests to a controller, a master and an agent: whatever comes, they refuse it or do it, and go on serving.
//!
//! An input is a line `METHOD PATH MEDIA-TYPE`, and the body.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::sync::OnceLock;
use std::time::Duration;

use cairn_cluster::{Cluster, ClusterOptions};
use cairn_controller::ControllerOptions;
use cairn_mesos::codec::MediaType;
use cairn_mesos::v1::{executor, master, scheduler};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::corpus;

/// A request of the corpus.
pub(crate) struct Request {
    path: String,
    media: MediaType,
    pub(crate) body: Vec<u8>,
}

/// The servers, which live as long as the program.
struct World {
    runtime: Runtime,
    client: reqwest::Client,
    cluster: Cluster,
    controller: SocketAddr,
    token: String,
    _folder: tempfile::TempDir,
}

pub(crate) fn run(bytes: &[u8]) {
    let head = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let body = bytes.get(head.len() + 1..).unwrap_or_default().to_vec();
    let Ok(head) = std::str::from_utf8(head) else { return };
    let mut words = head.split(' ');
    let (Some(method), Some(path), Some(media)) = (words.next(), words.next(), words.next()) else { return };
    // The end of a server is no failure of it.
    if path.contains("destroy") {
        return;
    }
    let world = World::get();
    let Ok(method) = method.parse::<reqwest::Method>() else { return };
    let Ok(url) = reqwest::Url::parse(&format!("http://{}{path}", world.server(path))) else { return };
    if url.host_str() != Some("127.0.0.1") || url.port() != Some(world.server(path).port()) {
        return;
    }
    let Ok(media) = media.parse::<reqwest::header::HeaderValue>() else { return };
    let request = world.client.request(method, url).header("content-type", media).body(body);
    let request = request.header("accept", "application/json").bearer_auth(&world.token);
    let answer = world.runtime.block_on(request.send());
    let answer = answer.unwrap_or_else(|error| panic!("{head}: no answer: {error:?}"));
    let status = answer.status().as_u16();
    assert!(status < 500 || matches!(status, 501..=503), "{head}: {status}");
}

impl World {
    fn get() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(Self::start)
    }

    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let resources = "cpus:4;mem:4096;disk:10000;ports:[31000-31099]";
        let options = ClusterOptions::new(listen, 1, folder.path().join("cluster"), resources);
        let cluster = runtime.block_on(Cluster::start(options)).unwrap_or_else(|error| panic!("{error}"));
        // A master that is not there: what stacks ask for is not begun.
        let (controller, nowhere) = (free(), free());
        let token = folder.path().join("token");
        let options = ControllerOptions {
            master: nowhere.to_string().into(),
            framework: "cairn".into(),
            work_dir: folder.path().join("state"),
            state: None,
            listen: controller,
            advertise: None,
            token_file: token.clone(),
            dist: folder.path().join("dist"),
            catalog: corpus::catalog(),
            key_file: folder.path().join("secrets.key"),
            executor: None,
        };
        runtime.spawn(async move {
            let ended = cairn_controller::run(options).await;
            eprintln!("the controller has ended: {ended:?}");
        });
        let client = cairn_framework::http::client().unwrap();
        let client_in_time = Duration::from_secs(60);
        let health = format!("http://{controller}/v1/health");
        runtime.block_on(async {
            let up = async {
                while client.get(&health).send().await.is_err() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::time::timeout(client_in_time, up).await.unwrap();
        });
        let token = fs::read_to_string(token).unwrap().trim().to_owned();
        Self { runtime, client, cluster, controller, token, _folder: folder }
    }

    fn server(&self, path: &str) -> SocketAddr {
        if path.starts_with("/api/") {
            self.cluster.master_address()
        } else if path.starts_with("/slave") {
            self.cluster.agent_addresses()[0]
        } else {
            self.controller
        }
    }
}

/// A port that nobody listens on now.
fn free() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).unwrap()
}

/// Conversations with Apache Mesos, as they were recorded, in both media types.
pub(crate) fn recorded() -> Vec<Request> {
    let mut requests = Vec::new();
    for file in corpus::files("crates/cluster/tests/recordings", "json") {
        let items: Vec<Value> = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        for request in items.iter().filter_map(|item| item.get("request")) {
            let (Some(path), Some(body)) = (request["path"].as_str(), request.get("body_json")) else {
                continue;
            };
            let json = body.to_string().into_bytes();
            let protobuf = if path.ends_with("scheduler") {
                serde_json::from_value::<scheduler::Call>(body.clone()).ok().map(|call| encoded(&call))
            } else {
                serde_json::from_value::<master::Call>(body.clone()).ok().map(|call| encoded(&call))
            };
            let both = [Some((MediaType::Json, json)), protobuf.map(|bytes| (MediaType::Protobuf, bytes))];
            let path = || path.to_owned();
            requests.extend(both.into_iter().flatten().map(|(media, body)| Request {
                path: path(),
                media,
                body,
            }));
        }
    }
    requests
}

fn encoded<M: cairn_mesos::codec::Body>(message: &M) -> Vec<u8> {
    MediaType::Protobuf.encode(message).unwrap()
}

/// What an executor may say.
const SAID: &str = r#"{"type": "UPDATE", "framework_id": {"value": "F"}, "executor_id": {"value": "e"}, "update": {"status":
    {"task_id": {"value": "t"}, "state": "TASK_RUNNING", "source": "SOURCE_EXECUTOR", "uuid": "SS5RWLIbT2CLgyj+yGGFSA=="}}}"#;

/// What a controller is asked, with a stack for each request that needs one.
const ASKED: &[(&str, &str, &str)] = &[
    ("GET", "/v1/stacks/kafka", ""),
    ("GET", "/v1/stacks/kafka/logs?task=kafka/broker-0&file=stdout&offset=0&length=100", ""),
    ("GET", "/v1/status?after=1&wait_ms=1", ""),
    ("GET", "/v1/stacks/kafka/services/kafka/proxy/v1/brokers?x=%2e%2e", ""),
    ("GET", "/v1/events", ""),
    ("POST", "/v1/stacks/kafka/services/kafka/scale", r#"{"count": 4}"#),
    ("PUT", "/v1/secrets/word?stack=kafka", "a secret of some length"),
    ("DELETE", "/v1/secrets/word", ""),
    ("PUT", "/v1/config", r#"{"options": {"revision": 1, "stacks": {}}, "generation": 1}"#),
    ("POST", "/v1/plans/deploy/pause", ""),
    ("POST", "/v1/plans/deploy/force?step=a", ""),
    ("POST", "/v1/instances/kafka-kafka/restart", "{}"),
    ("POST", "/v1/operations", r#"{"operation": "repair", "nodes": "0,2", "full": true}"#),
    ("GET", "/v1/artifacts/..%2f..%2fetc%2fpasswd", ""),
    ("DELETE", "/v1/stacks/kafka?delete_data=true", ""),
];

pub(crate) fn corpus() -> Vec<Vec<u8>> {
    let line = |method: &str, path: &str, media: &str, body: &[u8]| {
        [format!("{method} {path} {media}\n").as_bytes(), body].concat()
    };
    let mut all: Vec<Vec<u8>> =
        recorded().iter().map(|r| line("POST", &r.path, r.media.as_str(), &r.body)).collect();
    let call: executor::Call = serde_json::from_str(SAID).unwrap();
    let executor = "/slave(1)/api/v1/executor";
    // As often as what the controller is asked, among many recordings.
    for _ in 0..all.len() / 32 {
        all.push(line("POST", executor, "application/json", SAID.as_bytes()));
        all.push(line("POST", executor, MediaType::Protobuf.as_str(), &encoded(&call)));
        for (method, path, body) in ASKED {
            all.push(line(method, path, "application/json", body.as_bytes()));
        }
        let stack = fs::read(corpus::root().join("specs/kafka.yaml")).unwrap();
        all.push(line("PUT", "/v1/stacks/kafka?dry_run=true", "application/yaml", &stack));
        all.push(line("PUT", "/v1/stacks/kafka?param.brokers=4", "application/yaml", &stack));
        let files = serde_json::json!([{ "name": "a.yaml", "text": String::from_utf8_lossy(&stack) }]);
        let bundle = serde_json::json!({ "files": files }).to_string();
        all.push(line("POST", "/v1/stacks", cairn_controller::BUNDLE, bundle.as_bytes()));
    }
    all
}

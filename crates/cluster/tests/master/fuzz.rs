//! Bodies that are nearly right: recorded requests, changed at random, by a fixed seed. Whatever comes, the cluster refuses it
//! or does it, and goes on serving.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use cairn_cluster::{Cluster, ClusterOptions};
use cairn_mesos::codec::MediaType;
use cairn_mesos::v1::{executor, master, scheduler};
use serde_json::Value;

use crate::whole::RESOURCES;

/// How many changed bodies are sent.
const RUNS: usize = 600;

/// Xorshift: the same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    fn change(&mut self, body: &mut Vec<u8>) {
        const WORDS: [&[u8]; 8] = [
            b"null",
            b"-1",
            b"1e400",
            b"{}",
            b"[[",
            b"\"\\ud800\"",
            b"\xff\xff\xff\xff\x0f",
            b"TASK_NO_SUCH",
        ];
        for _ in 0..=self.below(4) {
            let at = self.below(body.len());
            match self.below(5) {
                0 if !body.is_empty() => body[at] ^= 1 << self.below(8),
                1 => body.truncate(at),
                2 => drop(body.splice(at..at, WORDS[self.below(WORDS.len())].iter().copied())),
                3 => {
                    let end = (at + self.below(40)).min(body.len());
                    let copy = body[at.min(end)..end].to_vec();
                    drop(body.splice(at..at, copy));
                }
                _ => {
                    let end = (at + self.below(12)).min(body.len());
                    drop(body.drain(at.min(end)..end));
                }
            }
        }
    }
}

struct Seed {
    url: String,
    media: MediaType,
    body: Vec<u8>,
}

fn recorded() -> Vec<(String, Value)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut requests = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "json")) {
        let items: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let request = |item: &Value| {
            let path = item["request"]["path"].as_str()?.to_owned();
            item["request"].get("body_json").map(|body| (path, body.clone()))
        };
        requests.extend(items.iter().filter_map(request));
    }
    requests
}

/// Each recorded request in both encodings, and what an executor may say.
fn seeds(master: SocketAddr, agent: SocketAddr) -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (path, body) in recorded() {
        let url = format!("http://{master}{path}");
        seeds.push(Seed { url: url.clone(), media: MediaType::Json, body: body.to_string().into_bytes() });
        let protobuf = if path.ends_with("scheduler") {
            serde_json::from_value::<scheduler::Call>(body)
                .ok()
                .and_then(|c| MediaType::Protobuf.encode(&c).ok())
        } else {
            serde_json::from_value::<master::Call>(body)
                .ok()
                .and_then(|c| MediaType::Protobuf.encode(&c).ok())
        };
        seeds.extend(protobuf.map(|body| Seed { url, media: MediaType::Protobuf, body: body.to_vec() }));
    }
    let said = r#"{"type": "UPDATE", "framework_id": {"value": "F"}, "executor_id": {"value": "e"}, "update": {"status":
        {"task_id": {"value": "t"}, "state": "TASK_RUNNING", "source": "SOURCE_EXECUTOR", "uuid": "SS5RWLIbT2CLgyj+yGGFSA=="}}}"#;
    let call: executor::Call = serde_json::from_str(said).unwrap();
    let url = format!("http://{agent}/slave(1)/api/v1/executor");
    for _ in 0..seeds.len() / 8 {
        seeds.push(Seed { url: url.clone(), media: MediaType::Json, body: said.as_bytes().to_vec() });
        let body = MediaType::Protobuf.encode(&call).unwrap().to_vec();
        seeds.push(Seed { url: url.clone(), media: MediaType::Protobuf, body });
    }
    seeds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_requests_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = ClusterOptions::new(listen, 1, dir.path().to_owned(), RESOURCES);
    let cluster = Cluster::start(options).await.unwrap();
    let (master, agent) = (cluster.master_address(), cluster.agent_addresses()[0]);
    let seeds = seeds(master, agent);
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for run in 0..RUNS {
        let seed = &seeds[random.below(seeds.len())];
        let mut body = seed.body.clone();
        random.change(&mut body);
        let request = client.post(&seed.url).header("Content-Type", seed.media.as_str()).body(body.clone());
        let status = request.header("Accept", "application/json").send().await.unwrap().status().as_u16();
        let shown = String::from_utf8_lossy(&body).into_owned();
        assert!([200, 202, 400, 403, 404, 409, 501].contains(&status), "run {run}: {status} for {shown}");
    }
    for url in [format!("http://{master}/health"), format!("http://{agent}/health")] {
        assert_eq!(client.get(url).send().await.unwrap().status(), 200);
    }
    cluster.shutdown().await;
}

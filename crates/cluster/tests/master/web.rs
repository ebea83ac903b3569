//! The master over HTTP: status codes and texts as they were recorded, and nothing that bad input could break.

use std::net::SocketAddr;
use std::time::Duration;

use cairn_cluster::master::registry::MemoryRegistry;
use cairn_cluster::master::{MasterServer, MasterSettings};
use cairn_cluster::sim::SimAgent;
use cairn_mesos::client::{Masters, Options, SchedulerClient, SchedulerEvent};
use cairn_mesos::codec::MediaType;
use cairn_mesos::resources::Resources;
use cairn_mesos::v1::scheduler::Call;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::scene::{accept, capable, command_task, launch};

fn settings() -> MasterSettings {
    MasterSettings { hostname: "localhost".to_owned(), ..MasterSettings::default() }
}

async fn master() -> MasterServer {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let registry = Box::new(MemoryRegistry::default());
    MasterServer::start(address, settings(), registry).await.unwrap()
}

/// The whole answer to a request that closes its connection.
async fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    // A server that has seen enough may close before it has read all.
    let _ = connection.write_all(request).await;
    let _ = connection.shutdown().await;
    heard(connection).await
}

async fn heard(mut connection: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), connection.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Status, head and body of the answer to a request with these lines of header.
pub(crate) async fn request(
    address: SocketAddr,
    line: &str,
    headers: &[&str],
    body: &str,
) -> (u16, String, String) {
    let mut text = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    let mut connection = TcpStream::connect(address).await.unwrap();
    let _ = connection.write_all(text.as_bytes()).await;
    let answer = heard(connection).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (status, head.to_owned(), body.to_owned())
}

/// An open event stream that is read by hand.
struct Subscription {
    connection: TcpStream,
    seen: String,
}

impl Subscription {
    async fn open(address: SocketAddr, info: Value) -> Self {
        let body = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}).to_string();
        let text = format!(
            "POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAccept: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(text.as_bytes()).await.unwrap();
        Self { connection, seen: String::new() }
    }

    async fn until(&mut self, text: &str) {
        let wait = async {
            while !self.seen.contains(text) {
                let mut buffer = [0; 4096];
                let read = self.connection.read(&mut buffer).await.unwrap();
                assert!(read > 0, "{text:?} did not come: {}", self.seen);
                self.seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap();
    }

    fn between(&self, start: &str, end: &str) -> String {
        self.seen.split_once(start).unwrap().1.split_once(end).unwrap().0.to_owned()
    }
}

#[tokio::test]
async fn bad_requests_get_the_recorded_answers() {
    let master = master().await;
    let address = master.address();
    let mut stream = Subscription::open(address, capable("fw", "r")).await;
    stream.until("HEARTBEAT").await;
    assert!(stream.seen.starts_with("HTTP/1.1 200"));
    assert!(stream.seen.to_lowercase().contains("transfer-encoding: chunked"));
    let stream_id = stream.between("Mesos-Stream-Id: ", "\r\n");
    let id = stream.between("\"framework_id\":{\"value\":\"", "\"");

    let path = "POST /api/v1/scheduler";
    let json_type = "Content-Type: application/json";
    let with_stream = format!("Mesos-Stream-Id: {stream_id}");
    let good = [json_type, with_stream.as_str()];
    let revive = json!({"type": "REVIVE", "framework_id": {"value": id}}).to_string();
    let call = |kind: &str| json!({"type": kind, "framework_id": {"value": id}}).to_string();
    let validate = "Failed to validate scheduler::Call: ";
    let missing = |name: &str| format!("{validate}Expecting '{name}' to be present");
    let mismatch = |given: &str| {
        format!(
            "The stream ID '{given}' included in this request didn't match the stream ID currently associated with \
             framework ID {id}"
        )
    };
    let uuid = json!({"type": "ACKNOWLEDGE", "framework_id": {"value": id}, "acknowledge":
        {"agent_id": {"value": "a"}, "task_id": {"value": "x"}, "uuid": "AAAA"}})
    .to_string();
    let media = "Expecting 'Content-Type' of application/json or application/x-protobuf";
    let x_id = "Mesos-Stream-Id: xyz";
    let cases: Vec<(Vec<&str>, String, u16, String)> = vec![
        (
            vec![json_type],
            revive.clone(),
            400,
            "All non-subscribe calls should include the 'Mesos-Stream-Id' header".into(),
        ),
        (vec![json_type, x_id], revive.clone(), 400, mismatch("xyz")),
        (vec!["Content-Type: text/plain", &with_stream], revive.clone(), 415, media.into()),
        (
            vec!["Content-Type: application/json; charset=utf-8", &with_stream],
            revive.clone(),
            415,
            media.into(),
        ),
        (vec![&with_stream], revive.clone(), 400, "Expecting 'Content-Type' to be present".into()),
        (
            vec!["Content-Type: application/x-protobuf", &with_stream],
            revive.clone(),
            400,
            "Failed to parse body into Call protobuf".into(),
        ),
        (vec![json_type, &with_stream, "Accept: text/html"], revive.clone(), 202, String::new()),
        (
            good.to_vec(),
            "{".into(),
            400,
            "Failed to parse body into JSON: syntax error at line 1 near: ".into(),
        ),
        (
            good.to_vec(),
            String::new(),
            400,
            "Failed to parse body into JSON: syntax error at line 1 near: ".into(),
        ),
        (
            good.to_vec(),
            "[1,2]".into(),
            400,
            "Failed to convert JSON into Call protobuf: Expecting a JSON object".into(),
        ),
        (
            good.to_vec(),
            revive.replace('}', ",\"more\":1}").replacen(",\"more\":1", "", 1),
            202,
            String::new(),
        ),
        (good.to_vec(), json!({"framework_id": {"value": id}}).to_string(), 400, missing("type")),
        (good.to_vec(), call("NO_SUCH"), 400, missing("type")),
        (good.to_vec(), call("revive"), 400, missing("type")),
        (good.to_vec(), call("ACCEPT"), 400, missing("accept")),
        (good.to_vec(), call("DECLINE"), 400, missing("decline")),
        (good.to_vec(), call("KILL"), 400, missing("kill")),
        (good.to_vec(), call("RECONCILE"), 400, missing("reconcile")),
        (good.to_vec(), call("MESSAGE"), 400, missing("message")),
        (good.to_vec(), call("UNKNOWN"), 400, format!("{validate}Unknown call type")),
        (good.to_vec(), json!({"type": "REVIVE"}).to_string(), 400, missing("framework_id")),
        (
            good.to_vec(),
            json!({"type": "REVIVE", "framework_id": {"value": "no-such"}}).to_string(),
            400,
            "Framework cannot be found".into(),
        ),
        (good.to_vec(), uuid, 400, format!("{validate}Not a valid UUID")),
        (vec![json_type], json!({"type": "SUBSCRIBE"}).to_string(), 400, missing("subscribe")),
    ];
    for (headers, body, status, text) in cases {
        let (got, head, answer) = request(address, path, &headers, &body).await;
        assert_eq!((got, answer.as_str()), (status, text.as_str()), "{headers:?} {body}");
        if status >= 400 {
            assert!(head.to_lowercase().contains("content-type: text/plain; charset=utf-8"), "{head}");
        }
    }

    let subscribe = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": capable("x", "x")}});
    let refused = request(address, path, &[json_type, "Accept: text/html"], &subscribe.to_string()).await;
    assert_eq!(refused.0, 406);
    assert_eq!(request(address, path, &good, &subscribe.to_string()).await.0, 400);
    let mut differs = subscribe.clone();
    differs["framework_id"] = json!({"value": "one"});
    let refused = request(address, path, &[json_type], &differs.to_string()).await;
    assert_eq!(refused.2, format!("{validate}'framework_id' differs from 'subscribe.framework_info.id'"));

    for (line, status) in [
        ("GET /api/v1/scheduler", 405),
        ("PUT /api/v1/scheduler", 405),
        ("HEAD /api/v1/scheduler", 405),
        ("GET /nothing", 404),
        ("GET /health", 200),
        ("GET /master/health", 200),
        ("GET /version", 200),
        ("GET /master/state", 200),
        ("GET /state", 200),
        ("GET /master/redirect", 307),
        ("POST /api/v1/scheduler/", 202),
        ("POST /master/api/v1/scheduler", 202),
        ("POST /api/v1/nothing", 400),
    ] {
        let body = if line.starts_with("POST") { revive.as_str() } else { "" };
        let (got, head, _) = request(address, line, &good, body).await;
        assert_eq!(got, status, "{line}: {head}");
        assert_eq!(status == 405, head.to_lowercase().contains("allow: post"), "{head}");
    }
    master.stop().await;
}

#[tokio::test]
async fn hostile_input_does_no_harm() {
    let master = master().await;
    let address = master.address();
    let head = "POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let announced = raw(address, format!("{head}Content-Length: 99999999999\r\n\r\n{{").as_bytes()).await;
    assert!(announced.starts_with("HTTP/1.1 413"), "{announced}");
    let truncated = raw(address, format!("{head}Content-Length: 100\r\n\r\n{{\"type\":").as_bytes()).await;
    assert!(truncated.is_empty() || truncated.starts_with("HTTP/1.1 400"), "{truncated}");
    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..17 {
        chunked.extend_from_slice(b"100000\r\n");
        chunked.resize(chunked.len() + 0x10_0000, b' ');
        chunked.extend_from_slice(b"\r\n");
    }
    let streamed = raw(address, &chunked).await;
    assert!(streamed.is_empty() || streamed.starts_with("HTTP/1.1 413"), "{streamed}");
    let deep = "[".repeat(100_000);
    assert_eq!(
        request(address, "POST /api/v1/scheduler", &["Content-Type: application/json"], &deep).await.0,
        400
    );
    let garbage: String = (0u8..=127).map(char::from).collect();
    let protobuf = ["Content-Type: application/x-protobuf"];
    assert_eq!(request(address, "POST /api/v1/scheduler", &protobuf, &garbage).await.0, 400);
    assert!(!raw(address, b"\x00\x01\x02\r\n\r\n").await.starts_with("HTTP/1.1 2"));
    assert_eq!(request(address, "GET /health", &[], "").await.0, 200, "it goes on serving");
    master.stop().await;
}

#[tokio::test]
async fn the_operator_api_answers_in_both_media_types() {
    let master = master().await;
    let address = master.address();
    let json_type = "Content-Type: application/json";
    let ask = async |body: &str, headers: &[&str]| request(address, "POST /api/v1", headers, body).await;
    let (status, _, body) = ask("{\"type\":\"GET_HEALTH\"}", &[json_type]).await;
    assert_eq!((status, body.as_str()), (200, "{\"type\":\"GET_HEALTH\",\"get_health\":{\"healthy\":true}}"));
    for kind in [
        "GET_VERSION",
        "GET_MASTER",
        "GET_AGENTS",
        "GET_FRAMEWORKS",
        "GET_TASKS",
        "GET_STATE",
        "GET_FLAGS",
        "GET_ROLES",
        "GET_EXECUTORS",
    ] {
        let (status, _, body) = ask(&json!({"type": kind}).to_string(), &[json_type]).await;
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &answer["type"]), (200, &json!(kind)));
        assert!(answer[kind.to_lowercase()].is_object(), "{body}");
    }
    let (status, head, _) =
        ask("{\"type\":\"GET_HEALTH\"}", &[json_type, "Accept: application/x-protobuf"]).await;
    assert_eq!(status, 200);
    assert!(head.contains("application/x-protobuf"));
    for (body, status, text) in [
        ("{}", 400, "Failed to validate master::Call: Expecting 'type' to be present"),
        ("{\"type\":\"X\"}", 400, "Failed to validate master::Call: Expecting 'type' to be present"),
        (
            "{\"type\":\"READ_FILE\"}",
            400,
            "Failed to validate master::Call: Expecting 'read_file' to be present",
        ),
        ("{", 400, "Failed to parse body into JSON: syntax error at line 1 near: "),
        (
            "{\"type\":\"TEARDOWN\",\"teardown\":{\"framework_id\":{\"value\":\"x\"}}}",
            400,
            "No framework found with specified ID",
        ),
        ("{\"type\":\"GROW_VOLUME\"}", 501, "Call GROW_VOLUME is not supported"),
    ] {
        let (got, _, answer) = ask(body, &[json_type]).await;
        assert_eq!((got, answer.as_str()), (status, text), "{body}");
    }
    assert_eq!(ask("{\"type\":\"GET_HEALTH\"}", &[json_type, "Accept: text/html"]).await.0, 406);
    master.stop().await;
}

/// The next event that is not what the client itself tells.
pub(crate) async fn next(events: &mut mpsc::Receiver<SchedulerEvent>) -> Value {
    match tokio::time::timeout(Duration::from_secs(30), events.recv()).await.unwrap().unwrap() {
        SchedulerEvent::Subscribed(subscribed) => json!({"type": "SUBSCRIBED", "subscribed": subscribed}),
        SchedulerEvent::Event(event) => serde_json::to_value(&*event).unwrap(),
        SchedulerEvent::Disconnected { reason, .. } => {
            json!({"type": "DISCONNECTED", "why": reason.to_string()})
        }
    }
}

/// Wait for an event of this type; those in between are dropped.
pub(crate) async fn wait_for(events: &mut mpsc::Receiver<SchedulerEvent>, kind: &str) -> Value {
    loop {
        let event = next(events).await;
        if event["type"] == kind {
            return event;
        }
    }
}

pub(crate) fn call(body: Value) -> Call {
    serde_json::from_value(body).unwrap()
}

pub(crate) fn masters(address: SocketAddr) -> Masters {
    address.to_string().parse().unwrap()
}

#[tokio::test]
async fn a_client_launches_a_task_in_either_media_type() {
    let master = master().await;
    let resources: Resources = "cpus:4;mem:4096;disk:1000;ports:[31000-31100]".parse().unwrap();
    let link = master.connector().connect().await;
    let agent = tokio::spawn(SimAgent::new("localhost", resources.to_vec()).run(link));
    for media in [MediaType::Json, MediaType::Protobuf] {
        let info = serde_json::from_value(capable("fw", "r")).unwrap();
        let options = Options { media, ..Options::default() };
        let (client, mut events) =
            SchedulerClient::connect(masters(master.address()), info, options).unwrap();
        let offers = wait_for(&mut events, "OFFERS").await;
        let offer = offers["offers"]["offers"][0].clone();
        let task = command_task("t", &offer, 0.1);
        client.call(call(accept(&offer, vec![launch(vec![task])], 0.0))).await.unwrap();
        let update = wait_for(&mut events, "UPDATE").await;
        assert_eq!(update["update"]["status"]["state"], "TASK_RUNNING");
        client.call(call(json!({"type": "TEARDOWN"}))).await.unwrap();
    }
    master.stop().await;
    agent.await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_told() {
    let master = master().await;
    let registry = Box::new(MemoryRegistry::default());
    let second = MasterServer::start(master.address(), settings(), registry).await;
    let text = second.unwrap_err().to_string();
    assert!(text.contains(&master.address().to_string()) && text.contains("--listen"), "{text}");
    master.stop().await;
}

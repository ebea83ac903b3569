//! REST of a whole controller on the real SDK, with a master that is never there: everything but launching.

use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::settings::ControllerOptions;
use crate::testing::{STACK, catalog};

/// A running controller. It ends with the test's runtime.
struct Controller {
    address: String,
    token: String,
    client: reqwest::Client,
    dir: tempfile::TempDir,
}

impl Controller {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let dist = dir.path().join("dist");
        std::fs::create_dir(&dist).unwrap();
        std::fs::write(dist.join("zookeeper-3.9.tar"), "archive").unwrap();
        std::fs::write(dir.path().join("secret"), "secret").unwrap();
        let address = free_address();
        let options = ControllerOptions {
            master: free_address().into(),
            framework: "cairn".into(),
            work_dir: dir.path().join("state"),
            state: None,
            listen: address.parse().unwrap(),
            advertise: None,
            token_file: dir.path().join("token"),
            dist,
            catalog: catalog(),
            key_file: dir.path().join("secrets.key"),
            executor: Some(dir.path().join("secret")),
        };
        tokio::spawn(async move {
            if let Err(error) = crate::run(options).await {
                panic!("{error}");
            }
        });
        let controller = Self {
            address,
            token: token(&dir.path().join("token")).await,
            client: cairn_framework::http::client().unwrap(),
            dir,
        };
        while controller.ask(Method::GET, "/v1/health", "").await.is_none() {
            tokio::task::yield_now().await;
        }
        controller
    }

    async fn ask(&self, method: Method, path: &str, body: &str) -> Option<(StatusCode, Value)> {
        let request = self.client.request(method, format!("http://{}{path}", self.address));
        let answer = request.bearer_auth(&self.token).body(body.to_owned()).send().await.ok()?;
        let status = answer.status();
        let bytes = answer.bytes().await.ok()?;
        Some((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::GET, path, "").await.unwrap()
    }

    async fn put(&self, path: &str, body: &str) -> (StatusCode, Value) {
        self.ask(Method::PUT, path, body).await.unwrap()
    }
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().to_string()
}

async fn token(path: &Path) -> String {
    loop {
        match std::fs::read_to_string(path) {
            Ok(text) if !text.is_empty() => return text,
            _ => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn a_stack_is_planned_applied_scaled_and_destroyed() {
    let controller = Controller::start().await;
    let (status, plan) = controller.put("/v1/stacks/demo?dry_run=true", STACK).await;
    assert_eq!((status, &plan["changed"], &plan["dry_run"]), (StatusCode::OK, &json!(true), &json!(true)));
    assert_eq!(controller.get("/v1/stacks").await.1, json!([]), "a dry run touches nothing");

    let (status, plan) = controller.put("/v1/stacks/demo", STACK).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert!(plan["text"].as_str().unwrap().contains("Plan: 2 to add"), "{plan}");
    let (status, plan) = controller.put("/v1/stacks/demo", STACK).await;
    assert_eq!((status, &plan["changed"]), (StatusCode::OK, &json!(false)));

    let tree = controller.get("/v1/stacks/demo").await.1;
    assert_eq!(tree["state"], "deploying");
    assert_eq!(tree["services"][1]["message"], "waits for zookeeper: its scheduler starts");

    let scale = "/v1/stacks/demo/services/zookeeper/scale";
    let (status, plan) = controller.ask(Method::POST, scale, r#"{"count":5}"#).await.unwrap();
    assert_eq!(status, StatusCode::ACCEPTED, "{plan}");
    let spec = controller.get("/v1/stacks/demo/spec").await.1;
    assert_eq!(spec["stack"]["services"]["zookeeper"]["options"]["nodes"], 5);
    assert_eq!(spec["source"], STACK);
    assert_eq!(spec["notes"][0], "zookeeper.nodes was scaled to 5 after the file was applied");
    let (status, problem) = controller.ask(Method::POST, scale, r#"{"count":9}"#).await.unwrap();
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(problem["detail"].as_str().unwrap().contains("seven servers are plenty"), "{problem}");

    let (status, _) = controller.ask(Method::DELETE, "/v1/stacks/demo", "").await.unwrap();
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(controller.get("/v1/stacks/demo").await.1["state"], "removing");
    let (status, problem) = controller.put("/v1/stacks/demo", STACK).await;
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("stack-is-going")));
    assert_eq!(controller.get("/v1/stacks/dmeo").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn bad_stacks_are_refused_with_all_that_is_wrong() {
    let controller = Controller::start().await;
    let bad = STACK.replace("framework: kafka", "framework: kakfa").replace("nodes: 3", "nodes: many");
    let (status, problem) = controller.put("/v1/stacks/demo?file=my.yaml", &bad).await;
    assert_eq!((status, &problem["type"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid-stack")));
    assert!(problem["detail"].as_str().unwrap().contains("my.yaml"), "{problem}");
    assert_eq!(problem["errors"].as_array().unwrap().len(), problem["diagnostics"].as_array().unwrap().len());
    assert!(problem["errors"].as_array().unwrap().len() >= 2, "{problem}");

    let (status, problem) = controller.put("/v1/stacks/other", STACK).await;
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("other-stack")));
    let (status, problem) = controller.put("/v1/stacks/demo?dryrun=true", STACK).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(problem["hint"].as_str().unwrap().contains("dry_run"), "{problem}");
    assert_eq!(controller.get("/v1/stacks").await.1, json!([]));
}

#[tokio::test]
async fn without_the_token_there_is_nothing_to_see() {
    let mut controller = Controller::start().await;
    controller.put("/v1/stacks/demo", STACK).await;
    let own = std::mem::replace(&mut controller.token, "guess".into());
    for path in ["/v1/stacks", "/v1/stacks/demo/spec", "/v1/events", "/v1/frameworks"] {
        assert_eq!(controller.get(path).await.0, StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(controller.get("/v1/health").await.0, StatusCode::OK);
    controller.token = own;
    // What the schedulers of the stack are given is nowhere to be read.
    let key = std::fs::read_to_string(controller.dir.path().join("state/stack-key")).unwrap();
    let secret = crate::token::Secret::new(key).for_stack("demo");
    for path in ["/v1/stacks/demo", "/v1/stacks/demo/spec", "/v1/config", "/v1/status", "/v1/instances"] {
        let (status, body) = controller.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(!body.to_string().contains(secret.reveal()), "{path}");
    }
}

#[tokio::test]
async fn archives_are_served_and_nothing_else_of_the_disk() {
    let mut controller = Controller::start().await;
    controller.token.clear();
    let url = |file: &str| format!("http://{}/v1/artifacts/{file}", controller.address);
    let answer = controller.client.get(url("zookeeper-3.9.tar?sha256=x")).send().await.unwrap();
    assert_eq!(answer.headers()["content-length"], "7");
    assert_eq!(answer.text().await.unwrap(), "archive");
    for file in ["..%2Fsecret", "%2E%2E%2Fsecret", "nothing.tar", ".", "%2Fetc%2Fpasswd"] {
        assert_eq!(
            controller.client.get(url(file)).send().await.unwrap().status(),
            StatusCode::NOT_FOUND,
            "{file}"
        );
    }
}

#[tokio::test]
async fn events_tell_what_happens_and_go_on_where_a_client_was() {
    let controller = Controller::start().await;
    controller.put("/v1/stacks/demo", STACK).await;
    let listen = async |last: &str| {
        let request = controller.client.get(format!("http://{}/v1/events", controller.address));
        request.bearer_auth(&controller.token).header("last-event-id", last).send().await.unwrap()
    };
    let mut stream = listen("another-run").await;
    let mut text = String::new();
    while !text.contains(r#""status":"deploying""#) {
        text.push_str(&String::from_utf8_lossy(&stream.chunk().await.unwrap().unwrap()));
    }
    assert!(text.starts_with("event: note\n"), "it is told that events are missing: {text}");
    let id = text.lines().find_map(|l| l.strip_prefix("id: ")).unwrap().to_owned();
    let mut again = listen(&id).await;
    let next = String::from_utf8_lossy(&again.chunk().await.unwrap().unwrap()).into_owned();
    assert!(next.starts_with("event: change\n"), "{next}");
    assert!(!next.contains(&format!("id: {id}\n")), "{next}");
}

#[tokio::test]
async fn what_does_not_run_cannot_be_asked() {
    let controller = Controller::start().await;
    controller.put("/v1/stacks/demo", STACK).await;
    let (status, problem) = controller.get("/v1/stacks/demo/services/kafka/proxy/v1/topics").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        problem["detail"],
        "the scheduler of demo/kafka is not running: waits for zookeeper: its scheduler starts"
    );
    let (status, problem) = controller.get("/v1/stacks/demo/services/kakfa/proxy/v1/topics").await;
    assert_eq!((status, &problem["hint"]), (StatusCode::NOT_FOUND, &json!("there are: kafka, zookeeper")));
    let (status, _) = controller.get("/v1/stacks/demo/logs?task=kafka").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let (status, framework) = controller.get("/v1/frameworks/kafka").await;
    assert_eq!((status, &framework["count"]), (StatusCode::OK, &json!("brokers")));
}

#[tokio::test]
async fn secrets_are_set_used_and_never_shown() {
    let controller = Controller::start().await;
    let spec = STACK.replace("brokers: 3", "brokers: 3\n    note: ${secret.note}");
    let (status, problem) = controller.put("/v1/stacks/demo", &spec).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["diagnostics"][0]["code"], "unknown-secret", "{problem}");
    assert_eq!(controller.get("/v1/stacks").await.1, json!([]), "nothing has been started");

    let sent = async |value: &str| {
        use base64::Engine as _;
        let header = base64::engine::general_purpose::STANDARD.encode(json!({"note": value}).to_string());
        let url = format!("http://{}/v1/stacks/demo", controller.address);
        let request =
            controller.client.put(url).bearer_auth(&controller.token).header("cairn-secrets", header);
        let answer = request.body(spec.clone()).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    let (status, plan) = sent("hunter2 hunter2").await;
    assert_eq!(status, StatusCode::ACCEPTED, "{plan}");
    assert!(plan["text"].as_str().unwrap().starts_with("+  secret note is set, for kafka\n"), "{plan}");
    assert_eq!(sent("hunter2 hunter2").await.1["changed"], json!(false));
    let (_, plan) = sent("hunter3 hunter3").await;
    assert_eq!(plan["secrets"], json!([{"name": "note", "new": false, "services": ["kafka"]}]));

    let (status, answer) = controller.put("/v1/secrets/note", "for all of them").await;
    assert_eq!((status, &answer["services"]), (StatusCode::OK, &json!([])), "the stack's own comes first");
    let listed = controller.get("/v1/secrets").await.1;
    assert_eq!((&listed[0]["stack"], &listed[0]["used_by"]), (&json!("demo"), &json!(["demo/kafka"])));
    let remove = async |path: &str| controller.ask(Method::DELETE, path, "").await.unwrap();
    let (status, problem) = remove("/v1/secrets/note?stack=demo").await;
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("secret-in-use")));
    assert_eq!(remove("/v1/secrets/note").await.0, StatusCode::NO_CONTENT);
    assert_eq!(remove("/v1/secrets/note").await.0, StatusCode::NOT_FOUND);
    assert_eq!(controller.put("/v1/secrets/a%20b", "x").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(controller.put("/v1/secrets/empty", "").await.0, StatusCode::BAD_REQUEST);

    for path in ["/v1/secrets", "/v1/stacks/demo", "/v1/stacks/demo/spec", "/v1/config", "/v1/status"] {
        let body = controller.get(path).await.1.to_string();
        assert!(!body.contains("hunter"), "{path}: {body}");
    }
    assert_eq!(controller.get("/v1/config").await.1["options"]["secrets"], "***");
}

//! The client against nobody, and against a controller played by the test.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use serde_json::{Value, json};

use crate::cairn::{Cairn, finish};

/// A request as the controller sees it.
struct Request {
    line: String,
    token: Option<String>,
    body: String,
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let (mut length, mut token) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => token = value.strip_prefix("Bearer ").map(str::to_owned),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    Some(Request { line, token, body: String::from_utf8_lossy(&body).into_owned() })
}

/// A controller that gives the answer of `answer` to each request. Ends with the test's process.
fn controller(answer: impl Fn(&Request) -> (u16, Value) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let Some(request) = read(&stream) else { continue };
            let (status, body) = answer(&request);
            let body = body.to_string();
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    url
}

fn view(state: &str, complete: bool, message: &str) -> Value {
    json!({
        "name": "demo", "state": state, "complete": complete, "errors": [], "notes": [],
        "outputs": {"connect": "127.0.0.1:31000"},
        "services": [{
            "name": "zookeeper", "framework": "zookeeper", "state": state, "message": message, "complete": complete,
            "needs": [], "revision": 1, "drifted": false, "scheduler": {"name": "demo-zookeeper"},
            "outputs": {"connect": "127.0.0.1:31000"}, "plan": null, "instances": [],
        }],
    })
}

fn applied(changed: bool) -> Value {
    json!({"stack": "demo", "changed": changed, "drifted": [], "diff": {"stack": "demo", "services": []},
           "text": "No changes. Stack demo is as the file says.\n", "tree": "demo\n", "dry_run": false})
}

/// Answers an apply, and then that the stack is so.
fn stack_that_is(state: &'static str, complete: bool, message: &'static str) -> String {
    controller(move |request| match request.line.split('?').next().unwrap_or_default() {
        "POST /v1/stacks" => (202, applied(true)),
        "GET /v1/stacks/demo" => (200, view(state, complete, message)),
        _ => (404, json!({"status": 404, "type": "unknown", "title": "Unknown", "detail": request.line})),
    })
}

fn spec(cairn: &Cairn) -> String {
    let path = cairn.path("demo.yaml");
    fs::write(&path, "stack: demo\nservices:\n  zookeeper:\n    framework: zookeeper\n").unwrap();
    path.display().to_string()
}

#[test]
fn without_a_controller_it_says_where_it_looked_and_what_to_do() {
    let cairn = Cairn::new();
    let out = cairn.run(&["status"]).expect(1);
    assert_eq!(out.stdout, "");
    assert!(out.stderr.contains("no controller is named"), "{}", out.stderr);
    assert!(out.stderr.contains(".cairn/context.json"), "{}", out.stderr);
    assert!(out.stderr.contains("hint: start one with `cairn dev`"), "{}", out.stderr);
    let out = cairn.run(&["status", "--controller", "127.0.0.1:1"]).expect(1);
    assert!(out.stderr.contains("tried http://127.0.0.1:1, named by --controller"), "{}", out.stderr);
    assert!(out.stderr.to_lowercase().contains("connection refused"), "{}", out.stderr);
}

#[test]
fn a_context_file_names_the_controller_and_its_token() {
    let cairn = Cairn::new();
    let url = controller(|request| {
        let known = request.token.as_deref() == Some("secret") && request.line == "GET /v1/stacks/demo";
        if known {
            (200, view("ready", true, ""))
        } else {
            (401, json!({"title": "Unauthorized", "detail": "no"}))
        }
    });
    fs::write(cairn.path("token"), "secret\n").unwrap();
    let context = json!({"controller": url, "token_file": cairn.path("token")});
    fs::write(cairn.path("context.json"), context.to_string()).unwrap();
    let status = |context: &Path| finish(cairn.command(&["status", "demo"]).env("CAIRN_CONTEXT", context));
    let out = status(&cairn.path("context.json")).expect(0);
    assert_eq!(out.stdout, "demo  ready\n└─ zookeeper (zookeeper)  ready\n");
    status(&cairn.path("none.json")).expect(1);
    let named = cairn.run(&["status", "demo", "--controller", &url]).expect(1);
    assert!(named.stderr.contains("--token-file"), "{}", named.stderr);
    let data = finish(
        cairn.command(&["endpoints", "demo", "-o", "json"]).env("CAIRN_CONTEXT", cairn.path("context.json")),
    );
    assert_eq!(data.expect(0).json()["services"]["zookeeper"]["outputs"]["connect"], "127.0.0.1:31000");
}

#[test]
fn apply_sends_the_file_and_ends_with_the_endpoints() {
    let cairn = Cairn::new();
    let file = spec(&cairn);
    let url = controller(|request| {
        if request.line.starts_with("POST /v1/stacks?file=") {
            assert!(request.line.ends_with("&param.n=3"), "{}", request.line);
            assert!(request.body.starts_with("stack: demo"), "{}", request.body);
            return (202, applied(false));
        }
        (200, view("ready", true, ""))
    });
    let out = cairn.run(&["apply", "-f", &file, "--param", "n=3", "--controller", &url]).expect(0);
    assert_eq!(
        out.stdout,
        "demo.connect            127.0.0.1:31000\ndemo/zookeeper.connect  127.0.0.1:31000\n"
    );
    assert_eq!(
        out.stderr,
        "No changes. Stack demo is as the file says.\nzookeeper: ready\nstack demo is ready\n"
    );
}

#[test]
fn what_cannot_go_on_is_blocked() {
    let cairn = Cairn::new();
    let url = stack_that_is("error", false, "no agent can ever offer cpus 64");
    let out = cairn.run(&["apply", "-f", &spec(&cairn), "--controller", &url]).expect(3);
    assert!(
        out.stderr.contains("error: stack demo cannot go on without you\n  zookeeper: no agent"),
        "{}",
        out.stderr
    );
}

#[test]
fn what_takes_too_long_says_what_it_waits_for() {
    let cairn = Cairn::new();
    let url = stack_that_is("deploying", false, "server-1 starting");
    let args = ["apply", "-f", &spec(&cairn), "--timeout", "300ms", "--controller", &url];
    let out = cairn.run(&args).expect(4);
    assert!(
        out.stderr.contains(
            "error: stack demo is not done within 300 ms\n  zookeeper: deploying: server-1 starting\n"
        ),
        "{}",
        out.stderr
    );
    assert!(out.stderr.contains("hint: the work goes on"), "{}", out.stderr);
}

#[test]
fn refusals_are_told_with_their_hints() {
    let cairn = Cairn::new();
    let url = controller(|_| {
        (
            404,
            json!({"status": 404, "type": "unknown-stack", "title": "Unknown stack",
                     "detail": "there is no stack `demo`", "hint": "there are: kafka"}),
        )
    });
    let out = cairn.run(&["destroy", "demo", "--yes", "--controller", &url]).expect(1);
    assert_eq!(out.stderr, "error: there is no stack `demo`\nhint: there are: kafka\n");
}

#[test]
fn destroying_needs_a_yes() {
    let cairn = Cairn::new();
    let url = controller(|request| {
        assert!(request.line.starts_with("GET "), "nothing is destroyed: {}", request.line);
        (200, view("ready", true, ""))
    });
    let out = cairn.run(&["destroy", "demo", "--controller", &url]).expect(1);
    assert!(out.stderr.contains("hint: say --yes"), "{}", out.stderr);
}

#[test]
fn a_log_that_cannot_be_had_does_not_keep_back_those_of_other_instances() {
    let cairn = Cairn::new();
    let instance = |name: &str| json!({"name": name, "phase": "ready", "message": "", "failures": 0});
    let answer = move |request: &Request, gone: &[&str]| {
        if request.line == "GET /v1/stacks/demo" {
            let mut view = view("ready", true, "");
            view["services"][0]["instances"] = json!([instance("one"), instance("two"), instance("three")]);
            return (200, view);
        }
        match gone.iter().find(|name| request.line.contains(&format!("zookeeper%2F{name}&"))) {
            Some(name) => {
                (410, json!({"status": 410, "title": "No sandbox", "detail": format!("{name} is gone")}))
            }
            None if request.line.contains("offset=-1") => (200, json!({"offset": 6, "data": ""})),
            None => (200, json!({"offset": 0, "data": "hello\n"})),
        }
    };
    let logs = |gone: &'static [&'static str]| {
        let url = controller(move |request| answer(request, gone));
        cairn.run(&["logs", "demo/zookeeper", "--controller", &url])
    };
    let all = logs(&[]).expect(0);
    assert_eq!(all.stdout, "one   | hello\ntwo   | hello\nthree | hello\n");
    let rest = logs(&["one"]).expect(1);
    assert_eq!(rest.stdout, "two   | hello\nthree | hello\n");
    assert!(rest.stderr.contains("one is gone"), "{}", rest.stderr);
    let none = logs(&["one", "two", "three"]).expect(1);
    assert_eq!((none.stdout.as_str(), none.stderr.matches("is gone").count()), ("", 3), "{}", none.stderr);
}

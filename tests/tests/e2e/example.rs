//! Frameworks of one's own, as the readers of `examples/hello` and `examples/rxjava` would try them.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use cairn_tests::{Cairn, Http, cairn, until};
use libtest_mimic::Trial;
use serde_json::Value;
use serde_json::json;

use crate::Story;

pub(crate) fn story() -> Vec<Trial> {
    Story::new("example")
        .step("a_framework_of_ones_own_serves_and_leaves", setup, hello)
        .step("a_framework_on_a_client_that_knows_nothing_of_cairn", setup, rxjava)
        .end()
}

fn setup() -> Cairn {
    let mut cairn = Cairn::new(1);
    cairn.start_cluster();
    cairn
}

/// Builds the example beside the tests.
fn build() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "-p", "cairn-example-hello"])
        .current_dir(cairn::checkout())
        .status();
    assert!(built.is_ok_and(|s| s.success()), "the example does not build");
    let target = std::env::var_os("CARGO_TARGET_DIR");
    target.map_or_else(|| cairn::checkout().join("target"), PathBuf::from).join("debug/cairn-example-hello")
}

fn hello(cairn: &mut Cairn) {
    let port = cairn::free_port();
    let state = cairn.folder().join("state").display().to_string();
    let args =
        ["--master", &cairn.master(), "--framework", "hello", "--state", &state, "--port", &port.to_string()];
    let program = build();
    let mut scheduler = cairn.spawn_program(&program, &args);
    let http = Http::new(&format!("http://127.0.0.1:{port}"), None);
    let urls = until("the example serves", Duration::from_secs(60), || {
        let (_, status) = http.try_send("GET", "/v1/status", None).ok()?;
        (status["complete"] == json!(true))
            .then(|| status["outputs"]["urls"].as_str().unwrap_or_default().to_owned())
    });
    let first = urls.split(',').next().unwrap_or_default().trim_end_matches('/');
    assert_eq!(Http::new(first, None).get("/"), json!("Hello from web-0\n"));
    let restart = || cairn.spawn_program(&program, &args);
    warm_up(cairn, &http, &mut scheduler, restart);
    http.send("POST", "/v1/destroy", None);
    until("it has left the cluster", Duration::from_secs(30), || {
        (http.get("/v1/status")["destroyed"] == json!(true)).then_some(())
    });
    assert!(cairn.processes(&["http.server"]).is_empty());
    let _ = scheduler.kill();
    let _ = scheduler.wait();
}

/// An operation goes on while its scheduler is dead, is not begun a second time, and ends when it is told to.
fn warm_up(cairn: &Cairn, http: &Http, scheduler: &mut Child, restart: impl Fn() -> Child) {
    let begin = |times: u32| {
        let body = json!({ "operation": "warm-up", "servers": "*", "times": times });
        let (status, begun) = http.send("POST", "/v1/operations", Some(body));
        assert_eq!(status, 202, "{begun}");
        begun["operation"].as_str().unwrap_or_default().to_owned()
    };
    let first_step = |path: &str, done: &dyn Fn(&Value) -> bool| {
        until("the operation", Duration::from_secs(60), || {
            let (_, operation) = http.try_send("GET", path, None).ok()?;
            done(&operation).then_some(operation)
        })
    };
    let path = begin(30);
    first_step(&path, &|o| o["steps"][0]["message"].as_str().is_some_and(|m| m.parse::<u32>().is_ok()));
    let _ = scheduler.kill();
    let _ = scheduler.wait();
    *scheduler = restart();
    let done = first_step(&path, &|o| o["status"] == "COMPLETE");
    let steps = done["steps"].as_array().cloned().unwrap_or_default();
    assert_eq!(steps.len(), 2, "{done}");
    assert!(steps.iter().all(|s| s["message"].as_str().is_some_and(|m| m.ends_with("29\n30"))), "{done}");
    let asked = cairn.files("stderr").iter().map(|text| text.matches("?warm-up").count()).sum::<usize>();
    assert_eq!(asked, 60, "each server was asked thirty times");

    let path = begin(100_000);
    first_step(&path, &|o| o["steps"][0]["status"] == "STARTED");
    until("the command runs", Duration::from_secs(30), || {
        (!cairn.processes(&["urllib.request"]).is_empty()).then_some(())
    });
    http.send("POST", &format!("{path}/abort"), None);
    first_step(&path, &|o| o["status"] == "ABORTED");
    assert!(cairn.processes(&["urllib.request"]).is_empty());
}

/// A client in Java that was written for Apache Mesos, and has only ever met it.
fn rxjava(cairn: &mut Cairn) {
    let dist = std::env::var_os("CAIRN_DIST").map_or_else(|| cairn::checkout().join("dist"), PathBuf::from);
    let archive = dist.join("rxjava-0.1.2.tar");
    let unpacked = Command::new("tar").arg("-C").arg(cairn.folder()).arg("-xf").arg(&archive).status();
    assert!(
        unpacked.is_ok_and(|s| s.success()),
        "{} is missing; `make examples` makes it",
        archive.display()
    );
    let jars = cairn.folder().join("rxjava-0.1.2/lib/*").display().to_string();
    let program = cairn::checkout().join("examples/rxjava/Two.java").display().to_string();
    let mut scheduler = cairn.spawn_program("java".as_ref(), &["-cp", &jars, &program, &cairn.master()]);
    let ended =
        until("it has done its work", Duration::from_secs(60), || scheduler.try_wait().ok().flatten());
    let said = std::fs::read_to_string(cairn.folder().join("program.log")).unwrap_or_default();
    assert!(ended.success(), "{said}");
    let of = |name: &str| said.lines().filter_map(|line| line.strip_prefix(name)).collect::<Vec<_>>();
    assert_eq!(of("short "), ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"], "{said}");
    assert_eq!(of("long "), ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"], "{said}");
    assert!(said.contains("SUBSCRIBED") && said.ends_with("left\n"), "{said}");
    let completed = cairn.operator().get("/master/frameworks")["completed_frameworks"].take();
    let left = completed.as_array().is_some_and(|all| all.iter().any(|one| one["name"] == "two"));
    assert!(left, "{completed}");
}

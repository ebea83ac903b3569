//! The framework of one's own in `examples/hello`, as its reader would try it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use cairn_tests::{Cairn, Http, cairn, until};
use libtest_mimic::Trial;
use serde_json::json;

use crate::Story;

pub(crate) fn story() -> (Vec<Trial>, Box<dyn FnOnce()>) {
    Story::new("example").step("a_framework_of_ones_own_serves_and_leaves", || Cairn::new(1), hello).end()
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
    cairn.start_cluster();
    let port = cairn::free_port();
    let state = cairn.folder().join("state").display().to_string();
    let args =
        ["--master", &cairn.master(), "--framework", "hello", "--state", &state, "--port", &port.to_string()];
    let mut scheduler = cairn.spawn_program(&build(), &args);
    let http = Http::new(&format!("http://127.0.0.1:{port}"), None);
    let urls = until("the example serves", Duration::from_secs(60), || {
        let (_, status) = http.try_send("GET", "/v1/status", None).ok()?;
        (status["complete"] == json!(true))
            .then(|| status["outputs"]["urls"].as_str().unwrap_or_default().to_owned())
    });
    let first = urls.split(',').next().unwrap_or_default().trim_end_matches('/');
    assert_eq!(Http::new(first, None).get("/"), json!("Hello from web-0\n"));
    http.send("POST", "/v1/destroy", None);
    until("it has left the cluster", Duration::from_secs(30), || {
        (http.get("/v1/status")["destroyed"] == json!(true)).then_some(())
    });
    assert!(cairn.processes(&["http.server"]).is_empty());
    let _ = scheduler.kill();
    let _ = scheduler.wait();
}

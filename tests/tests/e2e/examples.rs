//! The services in `examples/`, as their readers would run them: real software that nobody has written a framework for.

use std::fs;
use std::time::Duration;

use cairn_tests::{Cairn, Http, Output, cairn, processes, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::Story;

pub(crate) fn story() -> (Vec<Trial>, Box<dyn FnOnce()>) {
    Story::new("examples").step("a_web_application_keeps_its_notes_in_a_database", setup, web).end()
}

const NAMES: [&str; 1] = ["web"];
const PATIENCE: Duration = Duration::from_secs(60);

fn setup() -> Cairn {
    let directory =
        |name: &str| cairn::checkout().join("examples").join(name).join("frameworks").display().to_string();
    Cairn::new(3)
        .resources("cpus:8;mem:4096;disk:10240;ports:[31000-31999]")
        .frameworks(&NAMES.map(directory).join(":"))
        .up()
}

/// Applies an example's stack and waits until it serves.
fn apply(cairn: &Cairn, name: &str, more: &[&str]) -> Output {
    let file = cairn::checkout().join("examples").join(name).join("stack.yaml").display().to_string();
    let args = [&["apply", "-f", &file, "--timeout", "2m"][..], more].concat();
    let output = cairn.run(&args);
    assert_eq!(output.code, 0, "{output:#?}\n{}", cairn.logs());
    output
}

/// Takes a stack down; nothing that belongs to it may run afterwards.
fn destroy(cairn: &Cairn, stack: &str, programs: &[&str]) {
    cairn.run(&["destroy", stack, "--yes", "--delete-data", "--timeout", "1m"]).expect(0);
    for program in programs {
        assert_eq!(cairn.processes(&[program]), [], "{program} outlives its stack");
    }
}

/// An output of a stack.
#[allow(clippy::panic, reason = "a test's failure is a panic")]
fn output(cairn: &Cairn, stack: &str, name: &str) -> String {
    let outputs = &cairn.http().get(&format!("/v1/stacks/{stack}"))["outputs"];
    outputs[name].as_str().unwrap_or_else(|| panic!("no output {name}: {outputs:#}")).to_owned()
}

fn web(cairn: &mut Cairn) {
    let password = cairn.file("password", "tr0ub4dor");
    cairn.run(&["secret", "set", "database", "--from-file", &password]).expect(0);
    apply(cairn, "web", &[]);
    let urls = output(cairn, "guestbook", "urls");
    let servers: Vec<Http> = urls.split(',').map(|url| Http::new(url, None)).collect();
    assert_eq!(servers.len(), 2, "{urls}");
    assert_eq!(servers[0].send("POST", "/notes", Some(json!("first"))).0, 201);
    let read = |wanted: Value| {
        until("the other server reads the notes", PATIENCE, || {
            servers[1].try_send("GET", "/notes", None).ok().filter(|answer| *answer == (200, wanted.clone()))
        });
    };
    read(json!(["first"]));

    // PostgreSQL refuses to be root; killed the hard way it comes back where its data is.
    let server = cairn.processes(&["postgresql", "-D data/db"]).remove(0);
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid)).expect("it runs");
    assert!(status.contains("Uid:\t65534\t65534"), "{status}");
    processes::kill_hard(server.pid);
    until("the database is another process", PATIENCE, || {
        let now = cairn.processes(&["postgresql", "-D data/db"]);
        now.first().filter(|now| now.pid != server.pid).map(|_| ())
    });
    read(json!(["first"]));
    assert_eq!(servers[1].send("POST", "/notes", Some(json!("second"))).0, 201);

    // An orderly restart, which the scheduler of the database is asked for.
    let before = cairn.processes(&["postgresql", "-D data/db"]).remove(0);
    let service = "/v1/stacks/guestbook/services/database/proxy";
    assert_eq!(cairn.http().send("POST", &format!("{service}/v1/groups/server/restart"), None).0 / 100, 2);
    until("the database has been restarted", PATIENCE, || {
        let now = cairn.processes(&["postgresql", "-D data/db"]);
        now.first().filter(|now| now.pid != before.pid).map(|_| ())
    });
    read(json!(["first", "second"]));
    destroy(cairn, "guestbook", &["postgresql", "app.py"]);
}

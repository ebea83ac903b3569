//! What goes wrong is said at once, with what to do; nothing hangs and nothing is lost.

use std::time::Duration;

use cairn_tests::{Cairn, until};
use libtest_mimic::Trial;

use crate::Story;

pub(crate) fn story() -> Vec<Trial> {
    let setup = || Cairn::new(1).resources("cpus:4;mem:4096;disk:10000;ports:[31000-31099]").up();
    Story::new("trouble")
        .step("resources_that_no_agent_can_ever_offer_are_named", setup, too_large)
        .step("what_a_framework_refuses_is_told_and_can_be_taken_down", setup, refused_by_its_framework)
        .step("a_checksum_that_differs_is_refused", setup, checksum)
        .step("a_bad_file_is_refused_before_anything_runs", setup, bad_file)
        .step("an_unknown_stack_is_not_a_success", setup, unknown_stack)
        .step("an_unreachable_controller_is_named", setup, no_controller)
        .step("a_taken_port_is_named", setup, taken_port)
        .step("a_master_that_cannot_be_reached_is_waited_for_and_named", setup, no_master)
        .step("no_java_is_named_with_a_hint", setup, no_java)
        .step("a_full_disk_is_named", setup, full_disk)
        .end()
}

/// Applies a spec that cannot come up; gives what was printed, when it contains `expected`, and takes the stack away.
fn refused(cairn: &mut Cairn, name: &str, spec: &str, code: i32, expected: &[&str]) {
    let file = cairn.file(&format!("{name}.yaml"), spec);
    let out = cairn.run(&["apply", "-f", &file, "--timeout", "10s"]);
    let text = format!("{}{}", out.stdout, out.stderr);
    assert_eq!(out.code, code, "{text}");
    for part in expected {
        assert!(text.contains(part), "{part} is missing in\n{text}\n{}", cairn.logs());
    }
    cairn.run(&["destroy", name, "--yes", "--delete-data"]).expect(0);
}

fn too_large(cairn: &mut Cairn) {
    let spec =
        "stack: large\nservices:\n  zookeeper:\n    framework: zookeeper\n    nodes: 1\n    cpus: 64\n";
    refused(cairn, "large", spec, 3, &["no agent can ever offer cpus 64", "4"]);
}

/// What only the framework itself knows to be wrong is told with its place, and nothing is launched. Where it knows only when a
/// secret is filled in, its plan tells, and the stack can be taken down all the same.
fn refused_by_its_framework(cairn: &mut Cairn) {
    let spec = "stack: headless\nservices:\n  elasticsearch:\n    framework: elasticsearch\n    nodes: 1\n    roles: [data]\n";
    let file = cairn.file("headless.yaml", spec);
    let out = cairn.run(&["apply", "-f", &file]).expect(1);
    assert!(out.stderr.contains("`roles`: no node has the role master"), "{out:#?}");
    assert!(out.stderr.contains("headless.yaml:6:"), "{out:#?}");
    assert_eq!(cairn.http().send("GET", "/v1/stacks/headless", None).0, 404);
    let secret = cairn.file("pin", "1234567");
    let spec = format!(
        "stack: weak\nsecrets: {{ pin: {{ file: {secret} }} }}\nservices:\n  zookeeper:\n    framework: zookeeper\n    \
         nodes: 1\n    superPassword: ${{secret.pin}}\n"
    );
    refused(cairn, "weak", &spec, 3, &["superPassword: is shorter than 8 characters"]);
}

fn checksum(cairn: &mut Cairn) {
    let archive = cairn.file("own.tar", "not what was promised");
    let spec = format!(
        "stack: forged\nservices:\n  zookeeper:\n    framework: zookeeper\n    nodes: 1\n    distribution:\n      \
         uri: file://{archive}\n      sha256: \"{}\"\n",
        "0".repeat(64)
    );
    refused(cairn, "forged", &spec, 4, &["sha256", "0000000000"]);
}

fn bad_file(cairn: &mut Cairn) {
    let file = cairn
        .file("bad.yaml", "stack: bad\nservices:\n  zookeeper:\n    framework: zookeper\n    nodes: 4\n");
    let out = cairn.run(&["apply", "-f", &file]).expect(1);
    assert!(out.stderr.contains("zookeper") && out.stderr.contains("did you mean"), "{out:#?}");
    assert_eq!(cairn.http().get("/v1/stacks").as_array().map(Vec::len), Some(0));
}

fn unknown_stack(cairn: &mut Cairn) {
    let out = cairn.run(&["status", "nothing"]).expect(1);
    assert!(out.stderr.contains("nothing"), "{out:#?}");
}

fn no_controller(cairn: &mut Cairn) {
    let out = cairn.run(&["status", "--controller", "http://127.0.0.1:1"]).expect(1);
    assert!(out.stderr.contains("127.0.0.1:1") && out.stderr.contains("hint"), "{out:#?}");
}

fn taken_port(cairn: &mut Cairn) {
    let port = cairn.controller_url().rsplit(':').next().map(str::to_owned).unwrap_or_default();
    let listen = format!("127.0.0.1:{port}");
    let dir = cairn.folder().join("second").display().to_string();
    let out = until("a second controller gives up", Duration::from_secs(30), || {
        Some(cairn.run(&["controller", "--master", "127.0.0.1:1", "--listen", &listen, "--work-dir", &dir]))
    });
    assert_eq!(out.code, 1, "{out:#?}");
    assert!(out.stderr.contains(&listen), "{out:#?}");
}

const SMALL: &str = "services:\n  zookeeper:\n    framework: zookeeper\n    nodes: 1\n";

fn no_master(_: &mut Cairn) {
    let mut alone = Cairn::new(1);
    alone.start_controller();
    let file = alone.file("lonely.yaml", &format!("stack: lonely\n{SMALL}"));
    let out = alone.run(&["apply", "-f", &file, "--timeout", "3s"]).expect(4);
    assert!(out.stderr.contains("waits for the master"), "{out:#?}");
    // When the master appears, what was asked for happens.
    alone.start_cluster();
    until("the stack comes up", Duration::from_secs(120), || {
        let stack = alone.http().get("/v1/stacks/lonely");
        (stack["complete"] == serde_json::json!(true)).then_some(())
    });
}

fn no_java(_: &mut Cairn) {
    let mut cairn = Cairn::new(1).path("/nonexistent").up();
    let spec = format!("stack: bare\n{SMALL}");
    refused(&mut cairn, "bare", &spec, 4, &["java", "install"]);
}

/// The agents' folder on a file system that is too small; the machine mounts one only for root.
fn full_disk(_: &mut Cairn) {
    let mut cairn = Cairn::new(1);
    let dir = cairn.folder().join("cluster");
    std::fs::create_dir_all(&dir).expect("the folder is ours");
    let mount = |program: &str, args: &[&str]| {
        let done = std::process::Command::new(program).args(args).arg(&dir).status();
        done.is_ok_and(|s| s.success())
    };
    assert!(
        mount("mount", &["-t", "tmpfs", "-o", "size=8m", "tmpfs"]),
        "this test needs a user who may mount"
    );
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        cairn.start_cluster();
        cairn.start_controller();
        let spec = format!("stack: full\n{SMALL}");
        let file = cairn.file("full.yaml", &spec);
        let out = cairn.run(&["apply", "-f", &file, "--timeout", "8s"]);
        let text = format!("{}{}", out.stdout, out.stderr);
        assert_ne!(out.code, 0, "{text}");
        assert!(text.contains("No space left on device"), "{text}\n{}", cairn.logs());
        assert_eq!(cairn.http().get("/v1/health")["state"], serde_json::json!("ok"), "the cluster goes on");
    }));
    cairn.stop_all();
    assert!(mount("umount", &["-l"]));
    if let Err(failure) = caught {
        std::panic::resume_unwind(failure);
    }
}

//! What goes wrong is said at once, with what to do; nothing hangs and nothing is lost.

use std::time::Duration;

use cairn_tests::{Cairn, until};
use libtest_mimic::Trial;

use crate::Story;

pub(crate) fn story() -> (Vec<Trial>, Box<dyn FnOnce()>) {
    let setup = || Cairn::new(1).resources("cpus:4;mem:4096;disk:10000;ports:[31000-31099]").up();
    Story::new("trouble")
        .step("resources_that_no_agent_can_ever_offer_are_named", setup, too_large)
        .step("a_checksum_that_differs_is_refused", setup, checksum)
        .step("a_bad_file_is_refused_before_anything_runs", setup, bad_file)
        .step("an_unknown_stack_is_not_a_success", setup, unknown_stack)
        .step("an_unreachable_controller_is_named", setup, no_controller)
        .step("a_taken_port_is_named", setup, taken_port)
        .end()
}

/// Applies a spec that cannot come up; gives what was printed, when it contains `expected`, and takes the stack away.
fn refused(cairn: &mut Cairn, name: &str, spec: &str, expected: &[&str]) {
    let file = cairn.file(&format!("{name}.yaml"), spec);
    let out = cairn.run(&["apply", "-f", &file, "--timeout", "60s"]);
    let text = format!("{}{}", out.stdout, out.stderr);
    assert_ne!(out.code, 0, "{text}");
    for part in expected {
        assert!(text.contains(part), "{part} is missing in\n{text}\n{}", cairn.logs());
    }
    cairn.run(&["destroy", name, "--yes", "--delete-data"]).expect(0);
}

fn too_large(cairn: &mut Cairn) {
    let spec =
        "stack: large\nservices:\n  zookeeper:\n    framework: zookeeper\n    nodes: 1\n    cpus: 64\n";
    refused(cairn, "large", spec, &["no agent can ever offer cpus 64", "4"]);
}

fn checksum(cairn: &mut Cairn) {
    let archive = cairn.file("own.tar", "not what was promised");
    let spec = format!(
        "stack: forged\nservices:\n  zookeeper:\n    framework: zookeeper\n    nodes: 1\n    distribution:\n      \
         uri: file://{archive}\n      sha256: {}\n",
        "0".repeat(64)
    );
    refused(cairn, "forged", &spec, &["sha256", "0000000000"]);
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

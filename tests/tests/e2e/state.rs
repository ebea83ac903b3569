//! What is stored: backed up and brought back while everything runs; what is wrong with it is said, with what mends it.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use cairn_tests::{Cairn, Http, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::Story;
use crate::service::block;

const LONG: Duration = Duration::from_secs(90);

pub(crate) fn story() -> Vec<Trial> {
    Story::new("state")
        .step("a_framework_that_the_master_removed_comes_back_by_command", world, removed)
        .step("a_backup_is_made_and_brought_back_while_all_runs", world, backup)
        .step("a_lost_state_brings_up_no_second_cluster", world, lost)
        .step("a_scheduler_that_is_down_is_missing_in_a_backup", world, missing)
        .end()
}

fn world() -> Cairn {
    let cairn = Cairn::new(2).frameworks("frameworks");
    cairn.file("frameworks/web.yaml", &block("web.yaml"));
    let cairn = cairn.up();
    let stack = cairn.file("site.yaml", &block("site.yaml"));
    let applied = cairn.run(&["apply", "-f", &stack, "--timeout", "2m"]);
    assert_eq!(applied.code, 0, "{applied:#?}\n{}", cairn.logs());
    cairn
}

fn service(cairn: &Cairn) -> Value {
    cairn.http().get("/v1/stacks/site/services/web")
}

fn complete(cairn: &Cairn, servers: usize) {
    until("the service is complete", LONG, || {
        let service = service(cairn);
        let instances = service["instances"].as_array().map_or(0, Vec::len);
        (service["complete"] == json!(true) && instances == servers).then_some(())
    });
}

fn servers(cairn: &Cairn) -> BTreeSet<i32> {
    cairn.processes(&["http.server"]).iter().map(|p| p.pid).collect()
}

/// How many frameworks of the service's name there are.
fn frameworks(cairn: &Cairn) -> usize {
    let call = json!({ "type": "GET_FRAMEWORKS" });
    let (_, answer) =
        Http::new(&format!("http://{}", cairn.master()), None).send("POST", "/api/v1", Some(call));
    let all = answer["get_frameworks"]["frameworks"].as_array().cloned().unwrap_or_default();
    all.iter().filter(|f| f["framework_info"]["name"] == json!("site-web")).count()
}

fn removed(cairn: &mut Cairn) {
    complete(cairn, 2);
    let healthy = cairn.run(&["doctor"]).expect(0);
    assert!(healthy.stdout.is_empty() && healthy.stderr.contains("nothing is wrong"), "{healthy:#?}");
    let endpoints = |cairn: &Cairn| {
        let places = service(cairn)["instances"].as_array().cloned().unwrap_or_default();
        places.iter().map(|i| i["endpoints"].to_string()).collect::<Vec<_>>()
    };
    let before = endpoints(cairn);
    let id = service(cairn)["scheduler"]["framework_id"].clone();
    let teardown = json!({ "type": "TEARDOWN", "teardown": { "framework_id": { "value": id } } });
    let (status, answer) =
        Http::new(&format!("http://{}", cairn.master()), None).send("POST", "/api/v1", Some(teardown));
    assert!((200..300).contains(&status), "{answer}");

    let command = "cairn reregister site/web";
    until("the service says what the master has done", LONG, || {
        let service = service(cairn);
        let message = service["message"].as_str().unwrap_or_default();
        (service["state"] == json!("error") && message.contains("removed") && message.contains(command))
            .then_some(())
    });
    let instances = service(cairn)["instances"].clone();
    let ended = |instance: &Value| instance["message"].as_str().is_some_and(|m| m.contains("has ended it"));
    assert!(instances.as_array().is_some_and(|all| all.iter().all(ended)), "{instances}");
    until("the master has ended what ran", LONG, || servers(cairn).is_empty().then_some(()));
    let found = cairn.run(&["doctor"]).expect(3);
    assert!(found.stdout.contains("error: site/web: ") && found.stdout.contains(command), "{found:#?}");
    assert_eq!(frameworks(cairn), 0, "no second one is started by itself");

    cairn.run(&["reregister", "site/web"]).expect(0);
    complete(cairn, 2);
    assert_eq!(endpoints(cairn), before, "every instance is where it was");
    assert_eq!((servers(cairn).len(), frameworks(cairn)), (2, 1));
    let again = cairn.run(&["reregister", "site/web"]).expect(1);
    assert!(again.stderr.contains("has not removed"), "{again:#?}");
    until("nothing is wrong any more", LONG, || (cairn.run(&["doctor"]).code == 0).then_some(()));
}

fn backup(cairn: &mut Cairn) {
    complete(cairn, 2);
    let before = servers(cairn);
    let file = cairn.folder().join("backup.json");
    let path = file.display().to_string();
    cairn.run(&["state", "export", "-f", &path]).expect(0);
    let mode = file.metadata().expect("it has been written").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let text = std::fs::read_to_string(&file).expect("it is ours");
    let document: Value = serde_json::from_str(&text).expect("it is JSON");
    let states: Vec<&String> = document["states"].as_object().expect("states by path").keys().collect();
    assert_eq!(states, ["controller", "schedulers/site/web/web"]);
    let (status, _) = cairn.http().anonymous().send("GET", "/v1/state", None);
    assert_eq!(status, 401, "a state is for who has the token");

    cairn.run(&["scale", "site/web", "3"]).expect(0);
    assert_eq!(servers(cairn).len(), 3);
    cairn.run(&["state", "import", "-f", &path, "--yes"]).expect(0);
    cairn.wait_for_controller();
    cairn.start_controller();
    complete(cairn, 2);
    until("only what the backup knows runs", LONG, || (servers(cairn) == before).then_some(()));

    // Once nobody uses it, the same is read from the directory.
    let work_dir = cairn.folder().join("controller").display().to_string();
    let held = cairn.run(&["state", "export", "--state", &work_dir]).expect(1);
    assert!(held.stderr.contains("in use by another process"), "{held:#?}");
    let newer = text.replacen("\"schema\": ", "\"schema\": 9", 1);
    let newer = cairn.file("newer.json", &newer);
    let refused = cairn.run(&["state", "import", "-f", &newer, "--yes"]).expect(1);
    assert!(refused.stderr.contains("newer program"), "{refused:#?}");
}

/// Stops or starts the scheduler, as the controller's own REST does with any instance.
fn tell_scheduler(cairn: &Cairn, verb: &str) {
    let (status, answer) = cairn.http().send("POST", &format!("/v1/instances/site-web/{verb}"), None);
    assert!((200..300).contains(&status), "{answer}");
}

/// Until the scheduler has no process any more; what it runs goes on.
fn stopped(cairn: &Cairn) {
    tell_scheduler(cairn, "stop");
    until("its scheduler is stopped", LONG, || {
        let service = service(cairn);
        (service["state"] == json!("stopped") && service["scheduler"]["task_id"].is_null()).then_some(())
    });
}

/// The scheduler's state is gone before another process of it starts.
fn lose(cairn: &Cairn) {
    stopped(cairn);
    let state = cairn.folder().join("controller/schedulers/site/web/web");
    std::fs::remove_dir_all(state).expect("it has been there");
    tell_scheduler(cairn, "start");
    until("the service says that its state is lost", LONG, || {
        let service = service(cairn);
        let message = service["message"].as_str().unwrap_or_default();
        (service["state"] == json!("error") && message.contains("its state is lost")).then_some(())
    });
}

fn lost(cairn: &mut Cairn) {
    complete(cairn, 2);
    let before = servers(cairn);
    let file = cairn.folder().join("before.json").display().to_string();
    cairn.run(&["state", "export", "-f", &file]).expect(0);
    lose(cairn);
    assert_eq!((servers(cairn), frameworks(cairn)), (before.clone(), 1), "nothing is launched beside it");
    let found = cairn.run(&["doctor"]).expect(3);
    let command = "cairn reregister site/web --teardown";
    assert!(found.stdout.contains(command) && found.stdout.contains("cairn state import"), "{found:#?}");
    cairn.run(&["state", "import", "-f", &file, "--yes"]).expect(0);
    cairn.wait_for_controller();
    cairn.start_controller();
    complete(cairn, 2);
    until("nothing is wrong any more", LONG, || (cairn.run(&["doctor"]).code == 0).then_some(()));
    assert_eq!((servers(cairn), frameworks(cairn)), (before.clone(), 1), "what ran goes on");

    lose(cairn);
    let refused = cairn.run(&["reregister", "site/web"]).expect(1);
    assert!(refused.stderr.contains("on no record") && refused.stderr.contains(command), "{refused:#?}");
    cairn.run(&["reregister", "site/web", "--teardown", "--yes"]).expect(0);
    complete(cairn, 2);
    until("others run in the place of those that were given up", LONG, || {
        let now = servers(cairn);
        (now.len() == 2 && now.is_disjoint(&before)).then_some(())
    });
    assert_eq!(frameworks(cairn), 1);
    until("nothing is wrong any more", LONG, || (cairn.run(&["doctor"]).code == 0).then_some(()));
}

fn missing(cairn: &mut Cairn) {
    complete(cairn, 2);
    stopped(cairn);
    let file = cairn.file("nightly.json", "that of yesterday");
    let part = cairn.run(&["state", "export", "-f", &file]).expect(1);
    for told in ["schedulers/site/web/web is missing", "1 of 2 states", "nightly.json.partial", "--partial"] {
        assert!(part.stderr.contains(told), "{told}: {part:#?}");
    }
    assert_eq!(std::fs::read_to_string(&file).expect("it is ours"), "that of yesterday");
    let part = cairn.run(&["state", "export", "--partial", "-f", &file]).expect(0);
    assert!(part.stderr.contains("schedulers/site/web/web is missing"), "{part:#?}");
    let text = std::fs::read_to_string(&file).expect("it is ours");
    let document: Value = serde_json::from_str(&text).expect("it is JSON");
    let states: Vec<&String> = document["states"].as_object().expect("states by path").keys().collect();
    assert_eq!(states, ["controller"]);
    assert!(document["missing"]["schedulers/site/web/web"].is_string(), "{document}");

    let said = cairn.run(&["logs", "site/web", "--scheduler"]).expect(0);
    assert!(said.stdout.contains("serving"), "that of its last run: {said:#?}");
    tell_scheduler(cairn, "start");
    complete(cairn, 2);
}

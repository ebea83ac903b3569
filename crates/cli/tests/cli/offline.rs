//! Verbs that need nobody: validate, plan without a controller, frameworks; and colour.

use std::fs;

use crate::cairn::{Cairn, finish};

const SPEC: &str = "specs/kafka.yaml";

#[test]
fn a_good_spec_is_valid() {
    let cairn = Cairn::new();
    let out = cairn.run(&["validate", "-f", SPEC]).expect(0);
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("", "stack kafka is valid\n"));
    let data = cairn.run(&["validate", "-f", SPEC, "-o", "json"]).expect(0);
    assert_eq!(data.json()["diagnostics"], serde_json::json!([]));
    assert_eq!(data.stderr, "");
    let input = fs::read(crate::cairn::checkout().join(SPEC)).unwrap();
    cairn.run_with_input(&["validate", "-f", "-"], &input).expect(0);
}

#[test]
fn the_specs_that_ship_are_valid() {
    let cairn = Cairn::new();
    let mut seen = 0;
    for entry in fs::read_dir(crate::cairn::checkout().join("specs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let out = cairn.run(&["validate", "-f", path.to_str().unwrap()]).expect(0);
            assert!(out.stderr.ends_with(" is valid\n") && out.stderr.lines().count() == 1, "{}", out.stderr);
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen}");
}

#[test]
fn parameters_are_checked_too() {
    let cairn = Cairn::new();
    cairn.run(&["validate", "-f", SPEC, "--param", "brokers=5"]).expect(0);
    let out = cairn.run(&["validate", "-f", SPEC, "--param", "broker=5"]).expect(1);
    assert!(out.stderr.contains("broker"), "{}", out.stderr);
    cairn.run(&["validate", "-f", SPEC, "--param", "brokers"]).expect(1);
}

#[test]
fn a_missing_file_is_named() {
    let out = Cairn::new().run(&["validate", "-f", "no-such.yaml"]).expect(1);
    assert!(out.stderr.starts_with("error: cannot read no-such.yaml: No such file"), "{}", out.stderr);
    assert!(out.stderr.contains("\nhint: "), "{}", out.stderr);
}

#[test]
fn a_plan_without_a_controller_is_that_of_a_new_stack() {
    let cairn = Cairn::new();
    let out = cairn.run(&["plan", "-f", SPEC]).expect(2);
    assert!(out.stdout.contains("+   service zookeeper (framework zookeeper)"), "{}", out.stdout);
    assert!(out.stdout.contains("Plan: 2 to add, 0 to change, 0 to remove."), "{}", out.stdout);
    assert!(out.stdout.ends_with("kafka\n└─ zookeeper (zookeeper)\n   └─ kafka (kafka)\n"), "{}", out.stdout);
    assert!(out.stderr.contains("no controller is named"), "{}", out.stderr);
    let data = cairn.run(&["plan", "-f", SPEC, "-o", "json"]).expect(2).json();
    assert_eq!((&data["changed"], &data["dry_run"]), (&true.into(), &true.into()));
    assert!(!cairn.path(".cairn").exists(), "a plan touches nothing");
}

#[test]
fn frameworks_and_their_options_are_listed() {
    let cairn = Cairn::new();
    let list = cairn.run(&["frameworks"]).expect(0).stdout;
    assert!(
        list.starts_with("FRAMEWORK ") && list.contains("\nkafka ") && list.contains("\nzookeeper "),
        "{list}"
    );
    let kafka = cairn.run(&["frameworks", "kafka"]).expect(0).stdout;
    for part in ["OPTION", "DEFAULT", "brokers", "topics.*.partitions", "offers    kafka: bootstrap"] {
        assert!(kafka.contains(part), "{part} is missing in\n{kafka}");
    }
    let data = cairn.run(&["frameworks", "-o", "json"]).expect(0).json();
    let named = |name: &str| data.as_array().unwrap().iter().any(|line| line["framework"] == name);
    assert!(named("kafka") && named("zookeeper"), "{data}");
    let out = cairn.run(&["frameworks", "solr"]).expect(1);
    assert!(
        out.stderr.starts_with("error: there is no framework `solr`\nhint: there are: "),
        "{}",
        out.stderr
    );
    assert!(out.stderr.contains("kafka, ") && out.stderr.ends_with("zookeeper\n"), "{}", out.stderr);
}

#[test]
fn a_backup_is_checked_before_any_of_it_is_brought_back() {
    let cairn = Cairn::new();
    let (place, file) = (cairn.path("place"), cairn.path("backup.json"));
    let (place_text, file_text) = (place.display().to_string(), file.display().to_string());
    let import = |states: serde_json::Value| {
        let backup = serde_json::json!({ "cairn_state": 1, "schema": 1, "states": states });
        fs::write(&file, backup.to_string()).unwrap();
        cairn.run(&["state", "import", "--state", &place_text, "-f", &file_text])
    };
    let good = serde_json::json!({ "framework": { "id": "F1" } });
    let outside = import(serde_json::json!({ "controller": good, "schedulers/../../x": good })).expect(1);
    assert!(outside.stderr.contains("`schedulers/../../x` is not the path of a state"), "{outside:#?}");
    let damaged = import(serde_json::json!({ "controller": good, "schedulers/a/b/c": { "framework": 7 } }));
    let damaged = damaged.expect(1);
    assert!(damaged.stderr.contains("schedulers/a/b/c: "), "{damaged:#?}");
    assert!(!place.exists() && !cairn.path("x").exists(), "nothing has been written");
    import(serde_json::json!({ "controller": good, "schedulers/a/b/c": good })).expect(0);
    assert!(place.join("schedulers/a/b/c").exists());
}

#[test]
fn colour_is_for_terminals_or_for_who_insists() {
    let cairn = Cairn::new();
    let bad = "tests/bad-specs/01-unknown-framework.yaml";
    let plain = finish(cairn.command(&["validate", "-f", bad]).env_remove("NO_COLOR"));
    assert!(!plain.stderr.contains('\x1b'));
    let forced =
        finish(cairn.command(&["validate", "-f", bad]).env_remove("NO_COLOR").env("FORCE_COLOR", "1"));
    assert!(forced.stderr.contains('\x1b'));
    let both = finish(cairn.command(&["validate", "-f", bad]).env("FORCE_COLOR", "1"));
    assert!(!both.stderr.contains('\x1b'), "NO_COLOR wins");
}

#[test]
fn the_generated_pages_of_the_docs_are_fresh() {
    Cairn::new().run(&["docs", "--check"]).expect(0);
}

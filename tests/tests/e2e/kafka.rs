//! Three ZooKeeper servers and three Kafka brokers from `specs/kafka.yaml`: brought up, changed, hurt, taken down.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_tests::{Cairn, Http, processes, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{Story, kcat};

const SPEC: &str = "specs/kafka.yaml";
const SOON: Duration = Duration::from_secs(120);

pub(crate) fn story() -> Vec<Trial> {
    let setup = || Cairn::new(3).up();
    Story::new("kafka")
        .step("plan_says_what_apply_would_do_and_touches_nothing", setup, plan_touches_nothing)
        .step("apply_brings_up_zookeeper_and_then_kafka", setup, apply_brings_up)
        .step("apply_again_changes_nothing", setup, apply_again)
        .step("a_record_written_is_read_back", setup, record)
        .step("the_rest_of_the_scheduler_lists_and_changes_brokers_and_topics", setup, rest)
        .step("scripts_written_for_kafka_mesos_go_on_working", setup, legacy)
        .step("writes_need_the_token", setup, token)
        .step("logs_of_an_instance", setup, logs)
        .step("a_killed_broker_comes_back_with_its_id_ports_and_data", setup, killed_broker)
        .step("kill_9_of_a_child_scheduler_leaves_the_brokers_running", setup, killed_scheduler)
        .step("kill_9_of_the_controller_leaves_the_brokers_running", setup, killed_controller)
        .step("kill_9_of_the_cluster_leaves_the_brokers_running", setup, killed_cluster)
        .step("scaling_out_and_in_moves_partitions_and_loses_nothing", setup, scale)
        .step("destroy_keeps_the_data_and_apply_finds_it_again", setup, destroy_and_apply)
        .step("destroy_with_delete_data_leaves_nothing", setup, destroy_all)
        .end()
}

/// Applies the stack if it is not up, and gives the brokers' addresses.
fn up(cairn: &mut Cairn) -> String {
    cairn.apply(SPEC, "4m");
    bootstrap(cairn)
}

#[expect(clippy::panic, reason = "a test's failure is a panic")]
fn bootstrap(cairn: &Cairn) -> String {
    let endpoints = cairn.run(&["endpoints", "kafka/kafka", "-o", "json"]).expect(0).json();
    endpoints["bootstrap"].as_str().unwrap_or_else(|| panic!("{endpoints:#}")).to_owned()
}

fn stack(cairn: &Cairn) -> Value {
    cairn.http().get("/v1/stacks/kafka")
}

fn converged(cairn: &Cairn) {
    until("the stack is as its file says", SOON, || {
        let answer = cairn.http().try_send("GET", "/v1/stacks/kafka", None).ok()?;
        (answer.1["complete"] == json!(true)).then_some(())
    });
}

/// Process ids of brokers by instance name.
fn brokers(cairn: &Cairn) -> BTreeMap<i32, String> {
    let all = cairn.processes(&["kafka.Kafka"]);
    all.into_iter().filter(|p| p.command.contains("java")).map(|p| (p.pid, p.command)).collect()
}

fn plan_touches_nothing(cairn: &mut Cairn) {
    let before = cairn.processes(&[]);
    let plan = cairn.run(&["plan", "-f", SPEC]).expect(2);
    assert!(plan.stdout.contains("Plan: 2 to add, 0 to change, 0 to remove."), "{}", plan.stdout);
    assert_eq!(cairn.processes(&[]), before);
    assert_eq!(cairn.http().get("/v1/stacks").as_array().map(Vec::len), Some(0));
}

fn apply_brings_up(cairn: &mut Cairn) {
    let addresses = up(cairn);
    assert_eq!(addresses.split(',').count(), 3, "{addresses}");
    assert_eq!(kcat::broker_ids(&addresses), [0, 1, 2]);
    assert_eq!(brokers(cairn).len(), 3);
    let status = cairn.run(&["status", "kafka"]).expect(0).stdout;
    for part in ["zookeeper", "server-1", "server-3", "broker-0", "broker-2", "ready"] {
        assert!(status.contains(part), "{part} is missing in\n{status}");
    }
    let partitions = kcat::metadata(&addresses)["topics"].as_array().cloned().unwrap_or_default();
    let logs = partitions.iter().find(|t| t["topic"] == json!("logs")).expect("the declared topic is there");
    assert_eq!(logs["partitions"].as_array().map(Vec::len), Some(6));
}

fn apply_again(cairn: &mut Cairn) {
    up(cairn);
    let before = cairn.processes(&["java"]);
    let schedulers = cairn.processes(&["scheduler"]);
    let again = cairn.run(&["apply", "-f", SPEC]).expect(0);
    assert!(again.stderr.contains("No changes") || again.stdout.contains("No changes"), "{again:#?}");
    cairn.run(&["plan", "-f", SPEC]).expect(0);
    assert_eq!(cairn.processes(&["java"]), before);
    assert_eq!(cairn.processes(&["scheduler"]), schedulers);
}

fn record(cairn: &mut Cairn) {
    let addresses = up(cairn);
    let written = format!("a stone {:?}", std::process::id());
    kcat::produce(&addresses, "logs", std::slice::from_ref(&written));
    kcat::find(&addresses, "logs", &[written]);
}

const PROXY: &str = "/v1/stacks/kafka/services/kafka/proxy";

fn rest(cairn: &mut Cairn) {
    let addresses = up(cairn);
    let http = cairn.http();
    let listed = http.get(&format!("{PROXY}/v1/brokers"));
    assert_eq!(listed["brokers"].as_array().map(Vec::len), Some(3), "{listed:#}");
    let (status, made) = http.send(
        "POST",
        &format!("{PROXY}/v1/topics"),
        Some(json!({ "name": "extra", "partitions": 2, "replication": 2 })),
    );
    assert!(matches!(status, 200..=202), "{status} {made:#}");
    until("the topic exists", SOON, || {
        let (status, topic) = http.send("GET", &format!("{PROXY}/v1/topics/extra"), None);
        (status == 200 && topic.to_string().contains("extra")).then_some(())
    });
    kcat::produce(&addresses, "extra", &["x".to_owned()]);
    let (status, gone) = http.send("DELETE", &format!("{PROXY}/v1/topics/extra"), None);
    assert!(matches!(status, 200..=204), "{status} {gone:#}");
    declared_over_rest(&http);
    let (status, problem) = http.send("PUT", &format!("{PROXY}/v1/brokers"), Some(json!({ "cuont": 5 })));
    assert_eq!(status, 400, "{problem:#}");
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains("cuont")), "{problem:#}");
    let (status, problem) = http.send("GET", &format!("{PROXY}/v1/brokers/77"), None);
    assert_eq!(status, 404, "{problem:#}");
    let topics = cairn.run(&["kafka", "kafka/kafka", "topics", "list"]).expect(0);
    assert!(topics.stdout.contains("logs"), "{topics:#?}");
}

/// A topic that is declared is made and changed by its declaration, and can be deleted when it is declared no more.
fn declared_over_rest(http: &Http) {
    let topic = format!("{PROXY}/v1/topics/kept");
    let (status, answer) = http.send("PUT", &topic, Some(json!({ "partitions": 1, "replication": 2 })));
    assert_eq!(status, 202, "{answer:#}");
    // Partitions and configuration are changed one after the other, and a change of the declaration stops at what is done by then.
    let has = |partitions: u32, config: Value| {
        until("the declared topic is as it is declared", SOON, || {
            let (status, shown) = http.send("GET", &topic, None);
            let is_so = shown["partitions"] == json!(partitions) && shown["config"] == config;
            (status == 200 && is_so).then_some(shown)
        })
    };
    assert_eq!(has(1, json!({}))["declared"], json!(true));
    let config = json!({ "retention.ms": "60000" });
    let (status, answer) = http.send("PATCH", &topic, Some(json!({ "partitions": 2, "config": config })));
    assert_eq!(status, 202, "{answer:#}");
    assert_eq!(has(2, config)["assignment"].as_array().map(Vec::len), Some(2));
    let (status, problem) = http.send("PATCH", &topic, Some(json!({ "partitions": 1 })));
    assert_eq!((status, &problem["type"]), (409, &json!("partitions-cannot-shrink")), "{problem:#}");
    let (status, problem) = http.send("DELETE", &topic, None);
    assert_eq!((status, &problem["type"]), (409, &json!("topic-declared")), "{problem:#}");
    let (status, answer) = http.send("DELETE", &format!("{topic}?keep=true"), None);
    assert_eq!(status, 202, "{answer:#}");
    let undeclared = until("it is declared no more", SOON, || {
        let shown = http.send("GET", &topic, None).1;
        (shown["declared"] == json!(false)).then_some(shown)
    });
    assert_eq!(undeclared["config"]["retention.ms"], json!("60000"), "and stays as it is: {undeclared:#}");
    let (status, gone) = http.send("DELETE", &topic, None);
    assert_eq!((status, gone), (200, json!({ "deleted": "kept" })));
    assert_eq!(http.send("DELETE", &topic, None).0, 404);
}

fn legacy(cairn: &mut Cairn) {
    up(cairn);
    let http = cairn.http();
    let listed = http.get(&format!("{PROXY}/api/broker/list"));
    let first = &listed["brokers"][0];
    assert_eq!(first["id"], json!("0"), "{listed:#}");
    assert_eq!(first["active"], json!(true));
    assert_eq!(first["task"]["state"], json!("running"), "{first:#}");
    let topics = http.get(&format!("{PROXY}/api/topic/list"));
    assert!(topics["topics"].to_string().contains("logs"), "{topics:#}");
    let (status, added) =
        http.send("POST", &format!("{PROXY}/api/topic/add?topic=old-style&partitions=1&replicas=2"), None);
    assert_eq!(status, 200, "{added:#}");
    assert_eq!(added["topics"][0]["name"], json!("old-style"));
    // Their scripts send everything by GET.
    let (status, updated) = http.send("GET", &format!("{PROXY}/api/topic/delete?topic=old-style"), None);
    assert_eq!(status, 200, "{updated:#}");
}

fn token(cairn: &mut Cairn) {
    up(cairn);
    let (status, problem) =
        cairn.http().anonymous().send("DELETE", "/v1/stacks/kafka?delete_data=true", None);
    assert_eq!(status, 401, "{problem:#}");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(cairn.token_file()).expect("the controller wrote it").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    converged(cairn);
}

fn logs(cairn: &mut Cairn) {
    up(cairn);
    let out = cairn.run(&["logs", "kafka/kafka/broker-0", "--lines", "2000"]).expect(0);
    assert!(
        out.stdout.contains("started (kafka.server.KafkaServer)") || out.stdout.contains("KafkaServer"),
        "{out:#?}"
    );
}

fn killed_broker(cairn: &mut Cairn) {
    let addresses = up(cairn);
    let written = ["before the kill".to_owned()];
    kcat::produce(&addresses, "logs", &written);
    let before = brokers(cairn);
    let victim = *before.keys().next().expect("three brokers");
    processes::kill_hard(victim);
    until("three broker processes again, one of them new", SOON, || {
        let now = brokers(cairn);
        (now.len() == 3 && !now.contains_key(&victim)).then_some(())
    });
    converged(cairn);
    assert_eq!(bootstrap(cairn), addresses, "ports and addresses are kept");
    // The stack was complete before the kill too, and says so until the controller has heard of it.
    until("all three are brokers again", SOON, || (kcat::broker_ids(&addresses) == [0, 1, 2]).then_some(()));
    kcat::find(&addresses, "logs", &written);
}

fn unhurt(cairn: &mut Cairn, hurt: impl FnOnce(&mut Cairn)) {
    up(cairn);
    let before = brokers(cairn);
    assert_eq!(before.len(), 3);
    hurt(cairn);
    converged(cairn);
    assert_eq!(brokers(cairn), before, "the same processes");
    let addresses = bootstrap(cairn);
    kcat::produce(&addresses, "logs", &["still here".to_owned()]);
}

fn killed_scheduler(cairn: &mut Cairn) {
    unhurt(cairn, |cairn| {
        let find = |c: &Cairn| {
            c.processes(&["cairn scheduler kafka"]).into_iter().map(|p| p.pid).collect::<Vec<_>>()
        };
        let before = find(cairn);
        assert!(!before.is_empty());
        before.iter().for_each(|pid| processes::kill_hard(*pid));
        until("another scheduler", SOON, || {
            let now = find(cairn);
            (!now.is_empty() && now.iter().all(|pid| !before.contains(pid))).then_some(())
        });
    });
}

fn killed_controller(cairn: &mut Cairn) {
    unhurt(cairn, |cairn| {
        cairn.kill_controller();
        cairn.start_controller();
    });
    assert_eq!(stack(cairn)["complete"], json!(true));
}

fn killed_cluster(cairn: &mut Cairn) {
    unhurt(cairn, |cairn| {
        cairn.kill_cluster();
        cairn.start_cluster();
        until("the controller is registered again", SOON, || {
            let health = cairn.http().get("/v1/health");
            (health["state"] == json!("ok")).then_some(())
        });
    });
    // What the restarted cluster knows is enough to go on: a broker that dies now is mended.
    killed_broker(cairn);
}

fn scale(cairn: &mut Cairn) {
    let addresses = up(cairn);
    let records: Vec<String> = (0..200).map(|i| format!("record {i}")).collect();
    kcat::produce(&addresses, "logs", &records);
    let out = cairn.run(&["scale", "kafka/kafka", "4"]).expect(0);
    assert_eq!(kcat::broker_ids(&bootstrap(cairn)), [0, 1, 2, 3], "{out:#?}");
    let (status, moved) =
        cairn.http().send("POST", &format!("{PROXY}/v1/topics/logs/rebalance"), Some(json!({})));
    assert!(matches!(status, 200..=202), "{status} {moved:#}");
    until("broker 3 holds partitions", SOON, || {
        let partitions = cairn.http().get(&format!("{PROXY}/v1/partitions"));
        holds(&partitions, 3).then_some(())
    });
    let out = cairn.run(&["scale", "kafka/kafka", "3"]).expect(0);
    let addresses = bootstrap(cairn);
    assert_eq!(kcat::broker_ids(&addresses), [0, 1, 2], "{out:#?}");
    let partitions = cairn.http().get(&format!("{PROXY}/v1/partitions"));
    assert!(!holds(&partitions, 3), "{partitions:#}");
    kcat::find(&addresses, "logs", &records);
}

/// Some partition has a replica on the broker.
fn holds(partitions: &Value, broker: i64) -> bool {
    let all = partitions["partitions"].as_array().cloned().unwrap_or_default();
    assert!(!all.is_empty(), "{partitions:#}");
    all.iter().any(|p| p["replicas"].as_array().is_some_and(|r| r.contains(&json!(broker))))
}

fn destroy_and_apply(cairn: &mut Cairn) {
    let addresses = up(cairn);
    let kept = ["kept".to_owned()];
    kcat::produce(&addresses, "logs", &kept);
    cairn.run(&["destroy", "kafka", "--yes"]).expect(0);
    assert!(cairn.processes(&["java"]).is_empty());
    assert!(cairn.processes(&["scheduler"]).is_empty());
    let addresses = up(cairn);
    kcat::find(&addresses, "logs", &kept);
}

fn destroy_all(cairn: &mut Cairn) {
    up(cairn);
    cairn.run(&["destroy", "kafka", "--yes", "--delete-data"]).expect(0);
    until("only the cluster and the controller are left", SOON, || {
        (cairn.processes(&[]).len() == 2).then_some(())
    });
    let volumes = std::process::Command::new("find")
        .arg(cairn.folder())
        .args(["-path", "*/volumes/*", "-type", "f"])
        .output()
        .expect("find");
    assert_eq!(String::from_utf8_lossy(&volumes.stdout), "", "volumes are gone");
}

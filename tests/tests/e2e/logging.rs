//! Lines on their way from files through Flume, Kafka and the indexer into Elasticsearch, whatever is killed meanwhile.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use cairn_tests::{Cairn, Http, processes, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{Story, kcat};

const SOON: Duration = Duration::from_secs(120);

pub(crate) fn story() -> Vec<Trial> {
    let setup = || Cairn::new(2).up();
    Story::new("logging")
        .step("a_line_appended_to_a_file_is_found_by_its_text", setup, line_is_found)
        .step("logs_of_the_stacks_own_tasks_say_whose_they_are", setup, tasks_are_followed)
        .step("two_indexers_share_the_partitions", setup, shared)
        .step("what_cannot_be_indexed_is_set_aside_with_its_reason", setup, poison)
        .step("kill_9_of_shippers_indexer_and_elasticsearch_loses_no_line", setup, killed)
        .end()
}

/// The stack, with the folder of the files that are followed.
fn spec(folder: &Path) -> String {
    format!(
        "
stack: lines
services:
  zookeeper: {{ framework: zookeeper, nodes: 1 }}
  kafka:
    framework: kafka
    brokers: 1
    zookeeper: ${{zookeeper.connect}}
    topics:
      logs: {{ partitions: 2, replication: 1 }}
      audit: {{ partitions: 1, replication: 1 }}
      audit-dead: {{ partitions: 1, replication: 1 }}
  elasticsearch: {{ framework: elasticsearch, nodes: 1 }}
  shipper:
    framework: flume
    sources: {{ tasks: 'kafka/*', files: ['{}/*.log'] }}
    kafka: ${{kafka.bootstrap}}
    topic: logs
  indexer:
    framework: camel
    count: 2
    kafka: ${{kafka.bootstrap}}
    elasticsearch: ${{elasticsearch.http}}
    topics: ${{shipper.topic}}
  audit:
    framework: camel
    kafka: ${{kafka.bootstrap}}
    elasticsearch: ${{elasticsearch.http}}
    topics: audit
    format: json
",
        folder.display()
    )
}

/// Brings the stack up, if it is not.
fn up(cairn: &Cairn) {
    let lines = cairn.folder().join("in");
    std::fs::create_dir_all(&lines).expect("a folder");
    let file = cairn.file("lines.yaml", &spec(&lines));
    cairn.apply(&file, "5m");
}

fn output(cairn: &Cairn, service: &str, name: &str) -> String {
    let outputs = cairn.run(&["endpoints", &format!("lines/{service}"), "-o", "json"]).expect(0).json();
    outputs[name].as_str().map(str::to_owned).unwrap_or_default()
}

fn elasticsearch(cairn: &Cairn) -> Http {
    let all = output(cairn, "elasticsearch", "http");
    Http::new(all.split(',').next().unwrap_or_default(), None)
}

fn append(cairn: &Cairn, lines: impl Iterator<Item = String>) {
    let path = cairn.folder().join("in/app.log");
    let mut file = File::options().create(true).append(true).open(path).expect("a file");
    let text: String = lines.map(|line| line + "\n").collect();
    file.write_all(text.as_bytes()).expect("lines");
}

/// What Elasticsearch answers to a search, once it answers at all.
fn search(http: &Http, index: &str, body: Value) -> Option<Value> {
    http.try_send("POST", &format!("/{index}/_refresh"), None).ok()?;
    let (status, found) = http.try_send("POST", &format!("/{index}/_search"), Some(body)).ok()?;
    (status == 200).then_some(found)
}

/// The first document that fits.
fn found(http: &Http, index: &str, query: &Value) -> Value {
    until("a document is found", SOON, || {
        let answer = search(http, index, json!({ "query": query }))?;
        answer.pointer("/hits/hits/0/_source").cloned()
    })
}

fn line_is_found(cairn: &mut Cairn) {
    up(cairn);
    append(cairn, std::iter::once("the heron waits by the weir".to_owned()));
    let http = elasticsearch(cairn);
    let document = found(&http, "logs-*", &json!({ "match_phrase": { "message": "heron waits" } }));
    assert_eq!(document["message"], "the heron waits by the weir");
    assert!(
        document
            .pointer("/log/file/path")
            .is_some_and(|p| p.as_str().is_some_and(|p| p.ends_with("in/app.log")))
    );
    assert!(document["@timestamp"].is_string() && document["host"]["name"].is_string(), "{document:#}");
}

fn tasks_are_followed(cairn: &mut Cairn) {
    up(cairn);
    let of_kafka = json!({ "match_phrase": { "service.name": "lines-kafka" } });
    let document = found(&elasticsearch(cairn), "logs-*", &of_kafka);
    assert_eq!(document.pointer("/service/node/name"), Some(&json!("broker-0")), "{document:#}");
    let others = json!({ "query": { "match_phrase": { "service.name": "lines-shipper" } } });
    let answer = search(&elasticsearch(cairn), "logs-*", others).expect("an answer");
    assert_eq!(answer.pointer("/hits/total/value"), Some(&json!(0)), "a shipper does not ship its own");
}

fn shared(cairn: &mut Cairn) {
    up(cairn);
    // As Kafka's consumer says it, for example `partitions: logs-1`. The first of them had both, until the other came.
    let last = |instance: &str| {
        let log = cairn.run(&["logs", instance]).expect(0).stdout;
        let (_, after) = log.rsplit_once("newly assigned partitions: logs-")?;
        after.lines().next().map(str::to_owned)
    };
    let mut assigned = until("each has a partition", SOON, || {
        let each = [last("lines/indexer/camel-0")?, last("lines/indexer/camel-1")?];
        each.iter().all(|partitions| !partitions.contains(',')).then_some(each)
    });
    assigned.sort();
    assert_eq!(assigned, ["0", "1"]);
}

fn poison(cairn: &mut Cairn) {
    up(cairn);
    let brokers = output(cairn, "kafka", "bootstrap");
    let records = [
        r#"{"message":"first","n":1}"#,
        "no JSON",
        r#"{"message":"n is no number","n":{}}"#,
        r#"{"message":"last","n":2}"#,
    ];
    kcat::produce(&brokers, "audit", &records.map(str::to_owned));
    found(&elasticsearch(cairn), "audit-*", &json!({ "match": { "message": "last" } }));
    let dead = until("both are set aside", SOON, || {
        let dead = kcat::consume_with_headers(&brokers, "audit-dead");
        (dead.len() >= 2).then_some(dead)
    });
    let [not_json, refused] = dead.as_slice() else { unreachable!("two records: {dead:?}") };
    assert!(not_json.contains("reason=not JSON") && not_json.ends_with("no JSON"), "{not_json}");
    assert!(
        refused.contains("reason=") && refused.contains("[n]") && refused.ends_with(records[2]),
        "{refused}"
    );
}

/// kill -9 of the JVMs with this main class.
fn kill(cairn: &Cairn, main: &str) {
    let all = cairn.processes(&["java", main]);
    assert!(!all.is_empty(), "{main} runs");
    all.iter().for_each(|p| processes::kill_hard(p.pid));
}

fn killed(cairn: &mut Cairn) {
    up(cairn);
    let http = elasticsearch(cairn);
    append(cairn, (0..2_000).map(|n| format!("cormorant {n}")));
    kill(cairn, "org.apache.flume.node.Application");
    kill(cairn, "org.apache.camel.main.Main");
    append(cairn, (2_000..3_000).map(|n| format!("cormorant {n}")));
    until("lines arrive again", SOON, || {
        let answer = search(&http, "logs-*", json!({ "query": { "match": { "message": "cormorant" } } }))?;
        (answer.pointer("/hits/total/value")?.as_u64()? > 0).then_some(())
    });
    kill(cairn, "org.elasticsearch.bootstrap.Elasticsearch");
    append(cairn, (3_000..4_000).map(|n| format!("cormorant {n}")));
    until("no line is missing", SOON, || missing(&http).is_empty().then_some(()));
}

/// The lines that are not found.
fn missing(http: &Http) -> Vec<u64> {
    let page = |from: u64| {
        let keys: Vec<String> = (from..from + 1_000).map(|n| format!("cormorant {n}")).collect();
        let body = json!({
            "size": 0, "query": { "terms": { "message.keyword": keys } },
            "aggs": { "lines": { "terms": { "field": "message.keyword", "size": 1_000 } } },
        });
        let answer = search(http, "logs-*", body).unwrap_or_default();
        let buckets = answer.pointer("/aggregations/lines/buckets").and_then(Value::as_array).cloned();
        let there: Vec<String> =
            buckets.unwrap_or_default().iter().filter_map(|b| b["key"].as_str().map(str::to_owned)).collect();
        (from..from + 1_000).filter(move |n| !there.contains(&format!("cormorant {n}"))).collect::<Vec<_>>()
    };
    [0, 1_000, 2_000, 3_000].into_iter().flat_map(page).collect()
}

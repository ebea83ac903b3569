use std::fmt::Write as _;

use serde_json::{Value, json};

use super::*;
use cairn_framework::kit::Differing;
use cairn_framework::{Config, InstanceStatus};

fn view(nodes: usize) -> View {
    let mut view = View { framework: "demo-search".into(), ..View::default() };
    for at in 0..nodes {
        let name = format!("node-{at}");
        let place = Placement {
            address: format!("10.0.0.{at}"),
            ports: [(HTTP.to_owned(), 31_000), (TRANSPORT.to_owned(), 31_001)].into(),
            attributes: [("rack".to_owned(), format!("r{at}"))].into(),
            ..Placement::default()
        };
        view.target.push(name.clone());
        let status = InstanceStatus { name: name.clone(), placement: Some(place), ..Default::default() };
        view.instances.insert(name, status);
    }
    view.facts.insert(founding::FOUNDERS.into(), json!(view.target));
    view
}

fn rendered(options: Value, view: &View) -> TaskSpec {
    let options = Config { options: options.into(), ..Config::default() }.read::<Options>().unwrap();
    let (name, own) = options.all().remove(1);
    task(&InstanceSpec { name, ..InstanceSpec::default() }, &options, &own, view).unwrap()
}

fn text(task: &TaskSpec) -> String {
    let mut text = format!("$ {} as user {}\n", task.command.join(" "), task.run_as.unwrap_or_default());
    for file in task.files.iter().filter(|f| f.path != "run.sh" && f.path != "log4j2.properties") {
        let _ = write!(text, "--- {}{}\n{}", file.path, if file.keep { " (keep)" } else { "" }, file.content);
    }
    text
}

#[test]
fn a_founder_of_three() {
    insta::assert_snapshot!(text(&rendered(json!({}), &view(3))));
}

#[test]
fn opensearch_with_options_of_its_own() {
    let options = json!({
        "version": "opensearch-2.19.4", "heap": "2GiB", "cluster": "search", "zones": "rack",
        "roles": ["master", "data"], "jvmOptions": ["-XX:+UseZGC"],
        "config": { "indices.query.bool.max_clause_count": 2048, "thread_pool": { "write": { "queue_size": 500 } },
            "cluster.routing.allocation.disk.watermark.low": "80%" },
    });
    insta::assert_snapshot!(text(&rendered(options, &view(3))));
}

#[test]
fn nodes_that_come_and_go_and_the_foundation_restart_nobody() {
    let without_kept = |mut task: TaskSpec| {
        task.files.retain(|f| !f.keep);
        task
    };
    let founding = rendered(json!({}), &view(3));
    let mut grown = view(4);
    grown.facts.insert(founding::CLUSTER.into(), json!("u-1"));
    let later = rendered(json!({ "nodes": 4 }), &grown);
    assert_ne!(founding, later);
    assert_eq!(without_kept(founding), without_kept(later));
}

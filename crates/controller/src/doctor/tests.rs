//! A stack that is well, what goes wrong with it, and what is said then.

use std::collections::BTreeMap;

use cairn_framework::Placement;

use super::*;
use crate::testing::{complete, observe, options, view};

const ID: &str = "F-7";

fn healthy() -> (Options, Status, View, Cluster) {
    let mut view = view();
    for service in ["demo-zookeeper", "demo-kafka"] {
        let mut status = complete(service, 1, &[("connect", "a:1")]);
        status.framework_id = Some(format!("{ID}-{service}"));
        status.instances = vec![instance(service)];
        observe(&mut view, status);
        let scheduler = view.instances.entry(service.to_owned()).or_default();
        scheduler.phase = Phase::Ready;
        scheduler.task_id = Some(format!("{service}.1"));
    }
    let framework = |service: &str| Registered {
        id: format!("{ID}-demo-{service}"),
        name: format!("demo-{service}"),
        stack: Some("demo".into()),
        service: Some(service.into()),
        connected: true,
        tasks: [format!("demo-{service}-task")].into(),
        ..Registered::default()
    };
    let cluster = Cluster {
        agents: BTreeMap::from([("S1".into(), "host-1".into())]),
        frameworks: vec![framework("zookeeper"), framework("kafka")],
        ..Cluster::default()
    };
    let status = Status { health: Health::Ok, framework_id: Some(ID.into()), ..Status::default() };
    (options(), status, view, cluster)
}

fn instance(service: &str) -> InstanceStatus {
    InstanceStatus {
        name: "node-0".into(),
        phase: Phase::Ready,
        task_id: Some(format!("{service}-task")),
        placement: Some(Placement {
            agent_id: "S1".into(),
            hostname: "host-1".into(),
            ..Placement::default()
        }),
        ..InstanceStatus::default()
    }
}

fn told(change: impl FnOnce(&mut Options, &mut Status, &mut View, &mut Cluster)) -> String {
    let (mut options, mut status, mut view, mut cluster) = healthy();
    change(&mut options, &mut status, &mut view, &mut cluster);
    text(&options, &status, &view, Ok(&cluster))
}

fn text(options: &Options, status: &Status, view: &View, cluster: Result<&Cluster, &str>) -> String {
    let line = |f: Finding| format!("{:?} {}: {} -> {}", f.severity, f.about, f.problem, f.remedy);
    let found = examine(&Evidence { options, status, view, cluster });
    found.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

fn kafka(view: &mut View, change: impl FnOnce(&mut Status)) {
    let mut status = Observed::of(view, "demo-kafka").status.unwrap();
    change(&mut status);
    observe(view, status);
}

#[test]
fn nothing_is_said_of_what_is_well() {
    assert_eq!(told(|_, _, _, _| {}), "");
}

#[test]
fn a_controller_without_its_master_says_so() {
    let found = told(|_, status, _, _| status.health = Health::Failed("Framework has been removed".into()));
    assert_eq!(found, "Error controller: Framework has been removed -> cairn reregister");
    let (options, status, view, _) = healthy();
    let found = text(&options, &status, &view, Err("connection refused"));
    assert_eq!(found, "Error cluster: the master cannot be asked: connection refused -> start the master");
}

#[test]
fn a_framework_that_the_master_removed_is_reset_by_a_command() {
    let found = told(|_, _, view, cluster| {
        cluster.frameworks[1].removed = true;
        kafka(view, |status| status.health = Health::Failed("Framework has been removed".into()));
    });
    assert!(
        found.contains("Error demo/kafka: Framework has been removed -> cairn reregister demo/kafka"),
        "{found}"
    );
    assert!(found.contains("the master has removed its framework F-7-demo-kafka"), "{found}");
}

#[test]
fn a_lost_state_is_brought_back_or_what_it_had_is_given_up() {
    let lost = |status: &mut Status| {
        (status.health, status.framework_id) = (Health::Failed("its state is lost".into()), None);
    };
    let found = told(|_, status, view, _| {
        lost(status);
        kafka(view, lost);
    });
    let remedy = |command: &str| {
        format!(
            "its state is lost -> bring its state back: cairn state import; or give up what runs: {command} --teardown"
        )
    };
    assert_eq!(
        found,
        format!(
            "Error controller: {}\nError demo/kafka: {}",
            remedy("cairn reregister"),
            remedy("cairn reregister demo/kafka")
        )
    );
}

#[test]
fn state_and_cluster_are_compared_task_by_task() {
    let found = told(|_, _, _, cluster| cluster.frameworks[1].tasks = ["stray".to_owned()].into());
    assert_eq!(
        found,
        "Error demo/kafka: task stray runs and is on no record -> its scheduler should have ended it; look why not: \
         cairn logs demo/kafka --scheduler --stderr\nError demo/kafka/node-0: is on record as task demo-kafka-task, which the master does \
         not know -> cairn instance restart demo/kafka/node-0"
    );
}

#[test]
fn a_second_cluster_and_orphans_are_named() {
    let found = told(|_, _, _, cluster| {
        let second = Registered { id: "F-8".into(), ..cluster.frameworks[1].clone() };
        let orphan = Registered {
            id: "F-9".into(),
            name: "old-kafka".into(),
            stack: Some("old".into()),
            connected: false,
            ..second.clone()
        };
        cluster.frameworks.extend([second, orphan]);
    });
    assert!(found.contains("Error demo/kafka: a second framework F-8 has the name demo-kafka"), "{found}");
    assert!(
        found.contains("Warning cluster: the framework old-kafka (F-9) of old/kafka has 1 tasks"),
        "{found}"
    );
    let command = |id: &str| {
        format!(
            r#"/api/v1 -H 'content-type: application/json' -d '{{"type":"TEARDOWN","teardown":{{"framework_id":{{"value":"{id}"}}}}}}'"#
        )
    };
    assert!(found.contains(&command("F-8")) && found.contains(&command("F-9")), "{found}");
    assert!(found.contains("if its scheduler has lost its state, bring back a backup"), "{found}");
}

#[test]
fn a_scheduler_whose_agent_is_lost_is_replaced_first() {
    let on = |agent: &str, phase: Phase| {
        told(|_, _, view, _| {
            let scheduler = view.instances.get_mut("demo-kafka").unwrap();
            scheduler.placement =
                Some(Placement { agent_id: agent.into(), hostname: "host-9".into(), ..Placement::default() });
            (scheduler.phase, scheduler.message) = (phase, "health check timed out".into());
        })
    };
    let lost = "Error demo/kafka: its scheduler has its place on host-9, and that agent is out of reach -> bring the agent \
                back; if it is gone for good: POST /v1/instances/demo-kafka/replace at the controller";
    assert_eq!(on("S1", Phase::Unreachable), lost, "the master has not heard of it for a while");
    assert_eq!(on("S9", Phase::BackOff), lost, "the master does not know it any more");
    let failed = "Error demo/kafka: its scheduler: health check timed out -> cairn logs demo/kafka --scheduler --stderr";
    assert_eq!(on("S1", Phase::BackOff), failed);
}

#[test]
fn instances_say_what_they_need() {
    let of = |change: fn(&mut InstanceStatus)| {
        told(|_, _, view, _| kafka(view, |status| change(&mut status.instances[0])))
    };
    let stopped = of(|i| (i.phase, i.task_id) = (Phase::Stopped, None));
    assert!(
        stopped.contains("Warning demo/kafka/node-0: was stopped by an operator -> cairn instance start"),
        "{stopped}"
    );
    let failing = of(|i| (i.phase, i.failures, i.message) = (Phase::BackOff, 4, "exit 1".into()));
    assert!(
        failing.contains("has failed 4 times in a row: exit 1 -> cairn logs demo/kafka/node-0"),
        "{failing}"
    );
    let away = of(|i| i.phase = Phase::Unreachable);
    assert!(away.contains("cairn instance replace demo/kafka/node-0"), "{away}");
    let gone = told(|_, _, _, cluster| {
        cluster.agents = BTreeMap::from([("S2".into(), "host-2".into())]);
    });
    assert!(gone.contains("demo/kafka/node-0: its agent on host-1 is not in the cluster"), "{gone}");
}

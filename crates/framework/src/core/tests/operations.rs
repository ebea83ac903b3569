//! Operations on running instances, as stories.

use serde_json::{Map, json};

use super::deployed;
use super::world::World;
use crate::driver::Command;
use crate::operation::{Operation, OperationStatus, Progress};
use crate::{Action, Moment, Verdict};

fn begin(
    world: &mut World,
    id: &str,
    operation: &str,
    instances: &[&str],
) -> Result<(), crate::rest::Problem> {
    let instances = instances.iter().map(|i| (*i).to_owned()).collect();
    let arguments = Map::new();
    world
        .command(Command::Operate { id: id.into(), operation: operation.into(), instances, arguments })
        .map(drop)
}

fn operation(world: &World, id: &str) -> Operation {
    world.core.operations().into_iter().find(|o| o.id == id).expect("it is kept")
}

fn statuses(world: &World, id: &str) -> Vec<OperationStatus> {
    operation(world, id).steps.iter().map(|s| s.status).collect()
}

const ALL: [&str; 3] = ["node-0", "node-1", "node-2"];
use OperationStatus::{Aborted, Complete, Error, Pending, Started};

#[test]
fn one_instance_follows_the_other() {
    let mut world = deployed(json!({ "count": 3 }));
    world.progress("node-0", Progress::Running("40 %".into()));
    begin(&mut world, "tidy-1", "tidy", &ALL).unwrap();
    world.pass(5_000);
    assert_eq!(statuses(&world, "tidy-1"), [Started, Pending, Pending]);
    assert_eq!(operation(&world, "tidy-1").steps[0].message, "40 %");
    assert_eq!(world.operated.last().unwrap(), "tidy-1.node-0");
    world.progress("node-0", Progress::Done("freed 3 GiB\n".into()));
    world.pass(5_000);
    let done = operation(&world, "tidy-1");
    assert_eq!((done.status, done.steps[0].message.as_str()), (Complete, "freed 3 GiB"));
    assert!(done.ended_ms.is_some_and(|at| at > done.asked_ms));
}

#[test]
fn or_all_at_once() {
    let mut world = deployed(json!({ "count": 3 }));
    world.progress("node-1", Progress::Running(String::new()));
    world.progress("node-2", Progress::Failed("disk full".into()));
    begin(&mut world, "flush-1", "flush", &ALL).unwrap();
    world.pass(5_000);
    assert_eq!(statuses(&world, "flush-1"), [Complete, Started, Error]);
    world.progress("node-1", Progress::Done(String::new()));
    world.pass(5_000);
    let ended = operation(&world, "flush-1");
    assert_eq!((ended.status, ended.steps[2].message.as_str()), (Error, "disk full"));
}

#[test]
fn a_scheduler_that_dies_in_between_goes_on_where_it_was() {
    let mut world = deployed(json!({ "count": 3 }));
    world.progress("node-1", Progress::Running(String::new()));
    begin(&mut world, "tidy-1", "tidy", &ALL).unwrap();
    world.pass(2_000);
    assert_eq!(statuses(&world, "tidy-1"), [Complete, Started, Pending]);
    world.restart();
    world.operated.clear();
    world.pass(2_000);
    assert!(!world.operated.is_empty());
    assert!(world.operated.iter().all(|id| id == "tidy-1.node-1"), "the same step: {:?}", world.operated);
    world.progress("node-1", Progress::Done(String::new()));
    world.pass(5_000);
    assert_eq!(statuses(&world, "tidy-1"), [Complete; 3]);
}

#[test]
fn the_first_failure_ends_what_is_done_in_turn() {
    let mut world = deployed(json!({ "count": 3 }));
    world.progress("node-1", Progress::Failed("exit status 2".into()));
    begin(&mut world, "tidy-1", "tidy", &ALL).unwrap();
    world.pass(2_000);
    assert_eq!(statuses(&world, "tidy-1"), [Complete, Error, Aborted]);
    assert_eq!(operation(&world, "tidy-1").status, Error);
    world.operated.clear();
    world.pass(5_000);
    assert!(world.operated.is_empty(), "nothing is asked any more");
}

#[test]
fn an_operator_ends_an_operation() {
    let mut world = deployed(json!({ "count": 3 }));
    world.progress("node-0", Progress::Running(String::new()));
    begin(&mut world, "tidy-1", "tidy", &ALL).unwrap();
    world.pass(1_000);
    world.command(Command::AbortOperation("tidy-1".into())).unwrap();
    world.pass(4_000);
    assert_eq!(statuses(&world, "tidy-1"), [Started, Aborted, Aborted], "until it has really ended");
    assert_eq!(world.operated.last().unwrap(), "abort tidy-1.node-0");
    world.progress("node-0", Progress::Failed("aborted".into()));
    world.pass(4_000);
    assert_eq!(operation(&world, "tidy-1").status, Aborted);
    assert_eq!(world.command(Command::AbortOperation("tidy-9".into())).unwrap_err().status, 404);
}

#[test]
fn changes_wait_for_an_operation_and_operations_for_changes() {
    let mut world = deployed(json!({ "count": 3, "mark": 1 }));
    world.progress("node-1", Progress::Running(String::new()));
    begin(&mut world, "tidy-1", "tidy", &["node-1"]).unwrap();
    world.pass(1_000);
    world.rule("node-2", Action::Restart, Moment::Before, Verdict::Wait("not yet".into()));
    world.killed.clear();
    world.give(2, json!({ "count": 3, "mark": 2 }));
    world.pass(5_000);
    assert_eq!(world.killed.len(), 1, "only node-0: {:?}", world.killed);
    let step = world.status().plan.phases[0].steps[1].clone();
    assert_eq!(step.message, "waits for operation tidy-1");
    begin(&mut world, "flush-1", "flush", &["node-2"]).unwrap();
    world.pass(2_000);
    assert_eq!(operation(&world, "flush-1").steps[0].message, "waits for a change of node-2 first");
    world.rule("node-2", Action::Restart, Moment::Before, Verdict::Go);
    world.progress("node-1", Progress::Done(String::new()));
    world.pass(20_000);
    assert!(world.status().complete);
    assert_eq!(statuses(&world, "flush-1"), [Complete]);
}

#[test]
fn a_step_ends_with_its_task() {
    let mut world = deployed(json!({ "count": 3 }));
    world.progress("node-0", Progress::Running(String::new()));
    begin(&mut world, "tidy-1", "tidy", &ALL).unwrap();
    world.pass(1_000);
    world.tell("node-0", cairn_mesos::v1::TaskState::TaskFailed, None);
    world.pass(5_000);
    assert_eq!(statuses(&world, "tidy-1"), [Error, Aborted, Aborted]);
    assert_eq!(operation(&world, "tidy-1").steps[0].message, "node-0 stopped or restarted meanwhile");
    begin(&mut world, "tidy-2", "tidy", &ALL).unwrap();
    world.pass(1_000);
    world.command(Command::Destroy { delete_data: false }).unwrap();
    world.pass(2_000);
    assert!(world.status().destroyed);
    assert_eq!(operation(&world, "tidy-2").status, Aborted);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut world = deployed(json!({ "count": 3 }));
    world.progress("node-0", Progress::Running(String::new()));
    begin(&mut world, "tidy-1", "tidy", &ALL).unwrap();
    let again = begin(&mut world, "tidy-2", "tidy", &["node-2"]).unwrap_err();
    assert_eq!(again.kind, "operation-running");
    assert!(again.hint.unwrap().contains("/v1/operations/tidy-1"));
    assert_eq!(
        begin(&mut world, "x-1", "polish", &ALL).unwrap_err().hint.unwrap(),
        "operations: tidy, flush"
    );
    assert_eq!(begin(&mut world, "flush-1", "flush", &["node-7"]).unwrap_err().status, 404);
    assert_eq!(begin(&mut world, "flush-1", "flush", &[]).unwrap_err().status, 400);
    let arguments = json!({ "depth": 3, "dept": 1 }).as_object().cloned().unwrap();
    let instances = vec!["node-0".to_owned()];
    let wrong = Command::Operate { id: "flush-2".into(), operation: "flush".into(), instances, arguments };
    let wrong = world.command(wrong).unwrap_err();
    assert_eq!(
        (wrong.detail.as_str(), wrong.hint.as_deref()),
        ("flush has no argument `dept`", Some("arguments: depth"))
    );
}

#[test]
fn old_ones_are_forgotten() {
    let mut world = deployed(json!({ "count": 1 }));
    for n in 0..60 {
        begin(&mut world, &format!("flush-{n}"), "flush", &["node-0"]).unwrap();
        world.pass(250);
    }
    let kept = world.core.operations();
    assert_eq!(kept.len(), 50);
    assert_eq!(kept[0].id, "flush-59", "newest first");
    world.restart();
    assert_eq!(world.core.operations(), kept);
}

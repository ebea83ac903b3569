//! Stories of gangs: all or none.

use serde_json::json;

use super::world::World;
use crate::{Phase, PlanStatus};

#[test]
fn a_gang_that_does_not_fit_as_a_whole_holds_nothing() {
    // Two agents of 4 CPUs take one node of 2 and a bit each: five do not fit.
    let mut world = World::new(2);
    world.start(1, json!({ "count": 5, "gang": 1, "cpus": 2 }));
    world.pass(10_000);
    assert!(world.tasks.is_empty());
    assert!(world.nothing_reserved(), "what is held would keep another gang from starting");
    let waiting: Vec<String> = world.status().instances.into_iter().map(|i| i.message).collect();
    let why = "needs cpus 2.01, the offer has 1.99";
    let told =
        |name: &str| if name == "node-2" { why.to_owned() } else { format!("waits for node-2: {why}") };
    assert_eq!(waiting, ["node-0", "node-1", "node-2", "node-3", "node-4"].map(told));
    world.give(2, json!({ "count": 2, "gang": 1, "cpus": 2 }));
    world.pass(10_000);
    assert_eq!(world.tasks.len(), 2);
    assert!(world.status().complete);
}

#[test]
fn when_one_fails_all_are_started_anew() {
    let mut world = World::new(3);
    world.start(1, json!({ "count": 3, "gang": 1 }));
    world.pass(2_000);
    assert!(world.status().complete);
    let before: Vec<_> = world.tasks.keys().cloned().collect();
    world.exit("node-1", 1);
    world.pass(5_000);
    assert_eq!(world.tasks.len(), 3);
    assert!(before.iter().all(|task| !world.tasks.contains_key(task)), "all of them are new");
    assert!(world.status().complete);
    assert_eq!(world.volumes().len(), 3, "where they were");
}

#[test]
fn the_helpers_of_a_job_go_when_it_is_done() {
    let mut world = World::new(3);
    world.start(1, json!({ "count": 3, "gang": 1, "jobs": 1 }));
    world.pass(2_000);
    assert_eq!(world.tasks.len(), 3);
    assert!(!world.status().complete);
    world.exit("node-0", 0);
    world.pass(5_000);
    assert!(world.tasks.is_empty());
    let status = world.status();
    assert!(status.complete, "{status:#?}");
    assert!(status.instances.iter().all(|i| i.phase == Phase::Finished));
    world.restart();
    world.pass(5_000);
    assert!(world.tasks.is_empty() && world.status().complete, "done is done");
}

#[test]
fn what_some_have_finished_is_done_again_when_another_fails() {
    let mut world = World::new(3);
    world.start(1, json!({ "count": 3, "gang": 1, "jobs": 3, "retries": 1 }));
    world.pass(2_000);
    world.exit("node-0", 0);
    world.pass(2_000);
    assert_eq!(world.tasks.len(), 2, "one that has finished is no failure");
    world.exit("node-1", 1);
    world.pass(5_000);
    assert_eq!(world.tasks.len(), 3);
    world.exit("node-2", 1);
    world.pass(60_000);
    assert!(world.tasks.is_empty(), "the second failure of the gang is one too many");
    assert_eq!(world.status().plan.status, PlanStatus::Error);
}

#[test]
fn who_would_go_on_says_that_another_is_given_up() {
    let mut world = World::new(3);
    world.start(1, json!({ "count": 2, "gang": 1, "jobs": 1, "retries": 0, "patience": 5 }));
    world.pass(2_000);
    world.exit("node-0", 1);
    world.pass(60_000);
    assert!(world.tasks.is_empty(), "all or none");
    let status = world.status();
    let told: Vec<(Phase, &str)> = status.instances.iter().map(|i| (i.phase, i.message.as_str())).collect();
    let [(Phase::Failed, why), (Phase::Waiting, waits)] = told.as_slice() else { panic!("{told:#?}") };
    assert!(why.starts_with("given up after 1 failure"), "{why}");
    assert_eq!(*waits, format!("waits for node-0: {why}"));
}

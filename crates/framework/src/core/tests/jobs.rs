//! Stories of jobs: done is done, failures are tried again, times are kept.

use serde_json::json;

use super::world::World;
use crate::driver::Command;
use crate::{Phase, PlanStatus, RunState};

const HOUR: u64 = 3_600_000;

fn started(options: serde_json::Value) -> World {
    let mut world = World::new(2);
    world.start(1, options);
    world.pass(1_000);
    world
}

fn runs(world: &World) -> Vec<(RunState, Option<i32>)> {
    world.status().instances[0].runs.iter().map(|run| (run.state, run.exit_code)).collect()
}

#[test]
fn a_job_is_done_once_and_its_place_is_given_back() {
    let mut world = started(json!({ "count": 1, "jobs": 1 }));
    assert_eq!(world.tasks.len(), 1);
    assert!(!world.status().complete, "it still runs");
    world.exit("node-0", 0);
    world.pass(5_000);
    assert!(world.status().complete, "{:#?}", world.status());
    assert_eq!(world.status().instances[0].phase, Phase::Finished);
    assert!(world.nothing_reserved());
    assert_eq!(runs(&world), [(RunState::Finished, Some(0))]);
    world.restart();
    world.give(2, json!({ "count": 1, "jobs": 1, "mark": 7 }));
    world.pass(5_000);
    assert!(world.tasks.is_empty(), "done is done, for another process and for another configuration");
    assert!(world.status().complete);
}

#[test]
fn an_end_that_came_while_the_scheduler_was_away_counts() {
    let mut world = started(json!({ "count": 1, "jobs": 1 }));
    let task = world.task_of("node-0").unwrap();
    world.restart();
    world.pass(5_000);
    assert_eq!(world.task_of("node-0"), Some(task), "a running job is left alone");
    world.exit("node-0", 0);
    world.pass(5_000);
    assert!(world.status().complete);
}

#[test]
fn a_job_of_goal_finish_runs_again_when_it_has_changed() {
    let mut world = started(json!({ "count": 1, "jobs": 1, "goal": "FINISH" }));
    world.exit("node-0", 0);
    world.pass(5_000);
    world.give(2, json!({ "count": 1, "jobs": 1, "goal": "FINISH" }));
    world.pass(5_000);
    assert!(world.tasks.is_empty(), "nothing has changed");
    world.give(3, json!({ "count": 1, "jobs": 1, "goal": "FINISH", "mark": 1 }));
    world.pass(5_000);
    assert_eq!(world.tasks.len(), 1);
}

#[test]
fn a_failing_job_is_given_up_after_its_retries_and_started_on_request() {
    let mut world = started(json!({ "count": 1, "jobs": 1, "retries": 2 }));
    for _ in 0..3 {
        world.exit("node-0", 7);
        world.pass(10_000);
    }
    assert!(world.tasks.is_empty());
    let status = world.status();
    assert_eq!((status.instances[0].phase, status.plan.status), (Phase::Failed, PlanStatus::Error));
    assert!(status.plan.errors[0].contains("given up after 3 failures"), "{:?}", status.plan.errors);
    assert_eq!(runs(&world), [(RunState::Failed, Some(7)); 3]);
    world.restart();
    world.pass(60_000);
    assert!(world.tasks.is_empty(), "another process does not forget");
    world.command(Command::Start(vec!["node-0".into()])).unwrap();
    world.pass(5_000);
    world.exit("node-0", 0);
    world.pass(5_000);
    assert!(world.status().complete);
}

#[test]
fn a_finished_job_runs_again_on_request_only() {
    let mut world = started(json!({ "count": 2, "jobs": 1 }));
    world.exit("node-0", 0);
    world.pass(5_000);
    world.command(Command::Restart(vec!["node-0".into()])).unwrap();
    world.pass(5_000);
    assert!(world.task_of("node-0").is_some());
    assert!(world.killed.is_empty(), "its neighbour is not bothered");
}

#[test]
fn a_service_that_ends_has_failed() {
    let mut world = started(json!({ "count": 1 }));
    world.exit("node-0", 0);
    assert_eq!(world.status().instances[0].failures, 1);
    world.pass(5_000);
    assert_eq!(world.tasks.len(), 1);
}

#[test]
fn a_timed_job_runs_at_its_times() {
    let mut world = started(json!({ "count": 1, "jobs": 1, "cron": "0 * * * *", "retries": 0 }));
    assert!(world.status().complete && world.tasks.is_empty(), "its time has not come");
    assert!(world.status().instances[0].next_run_ms.unwrap() > world.now);
    world.skip(HOUR);
    assert_eq!(world.tasks.len(), 1);
    assert!(world.status().complete, "a run now and then keeps nobody waiting");
    world.exit("node-0", 3);
    world.pass(5_000);
    assert!(world.tasks.is_empty());
    assert_eq!(world.status().instances[0].message, "its last run failed: Command exited with status 3");
    world.skip(HOUR);
    world.exit("node-0", 0);
    world.pass(5_000);
    assert_eq!(runs(&world), [(RunState::Failed, Some(3)), (RunState::Finished, Some(0))]);
}

#[test]
fn a_time_that_comes_while_the_last_run_goes_on_is_skipped_or_queued_or_replaces_it() {
    let with = |overlap: &str| {
        let mut world = started(json!({ "count": 1, "jobs": 1, "cron": "0 * * * *", "overlap": overlap }));
        world.skip(HOUR);
        let first = world.task_of("node-0").unwrap();
        world.skip(HOUR);
        (world, first)
    };
    let (mut skipping, first) = with("skip");
    assert_eq!(skipping.task_of("node-0"), Some(first));
    skipping.exit("node-0", 0);
    skipping.pass(5_000);
    assert!(skipping.tasks.is_empty());
    assert_eq!(runs(&skipping), [(RunState::Finished, Some(0)), (RunState::Skipped, None)]);
    let (mut queueing, first) = with("queue");
    assert_eq!(queueing.task_of("node-0"), Some(first));
    queueing.exit("node-0", 0);
    queueing.pass(5_000);
    assert_eq!(queueing.tasks.len(), 1, "the run that was owed");
    let (replacing, first) = with("replace");
    assert_eq!(replacing.killed, [first]);
    assert_eq!(replacing.tasks.len(), 1);
}

#[test]
fn times_that_were_missed_are_made_up_for_once_or_left_out() {
    for (missed, expected) in [("run", 1), ("skip", 0)] {
        let mut world = started(json!({ "count": 1, "jobs": 1, "cron": "0 * * * *", "missed": missed }));
        // Nobody is there for five hours and a half.
        world.now += 5 * HOUR + HOUR / 2;
        world.restart();
        world.pass(1_000);
        assert_eq!(world.tasks.len(), expected, "{missed}");
    }
}

#[test]
fn a_job_that_follows_another_runs_after_each_of_its_successes() {
    let mut world = started(json!({ "count": 2, "jobs": 2, "chain": 1, "cron": "0 * * * *", "retries": 0 }));
    assert!(world.tasks.is_empty() && world.status().complete);
    for round in 0..2 {
        world.skip(HOUR);
        assert!(world.task_of("node-1").is_none(), "round {round}: the first is not over");
        world.exit("node-0", 0);
        world.pass(5_000);
        assert!(world.task_of("node-1").is_some(), "round {round}");
        world.exit("node-1", 0);
        world.pass(5_000);
    }
    world.skip(HOUR);
    world.exit("node-0", 1);
    world.pass(5_000);
    assert!(world.tasks.is_empty(), "a failure is followed by nothing");
    assert_eq!(world.status().instances[1].runs.len(), 2);
}

//! Whole stories: deploy, crash, change, scale, restart, destroy.

mod gangs;
mod identity;
mod jobs;
mod leave;
mod operations;
mod outputs;
mod world;

use cairn_mesos::v1::TaskState;
use serde_json::json;

use crate::core::{Effect, Event, Question};
use crate::driver::Command;
use crate::{Action, Config, Moment, Phase, PlanStatus, Status, Verdict};
use world::World;

fn deployed(options: serde_json::Value) -> World {
    deployed_on(3, options)
}

fn deployed_on(agents: usize, options: serde_json::Value) -> World {
    let mut world = World::new(agents);
    world.start(1, options);
    world.pass(1_000);
    assert!(world.status().complete, "{:#?}", world.status());
    world
}

/// Where the instances have their places.
fn agents(status: &Status) -> Vec<String> {
    let places = status.instances.iter().filter_map(|i| i.placement.as_ref());
    let mut agents: Vec<_> = places.map(|place| place.agent_id.clone()).collect();
    agents.sort();
    agents
}

#[test]
fn a_first_deployment_spreads_and_serves() {
    let world = deployed(json!({ "count": 3 }));
    let status = world.status();
    assert_eq!(agents(&status), ["S0", "S1", "S2"]);
    assert_eq!(status.outputs["connect"].split(',').count(), 3);
    assert!(world.suppressed, "nothing is wanted any more");
    assert_eq!(world.volumes().len(), 3);
}

#[test]
fn peers_that_need_each_other_are_placed_first_and_launched_together() {
    let world = deployed(json!({ "count": 3, "peers": 1 }));
    assert_eq!(world.tasks.len(), 3);
    let mut crowded = World::new(1);
    crowded.start(1, json!({ "count": 3, "peers": 1 }));
    crowded.look_at_agents(&[]);
    crowded.pass(1_000);
    assert!(crowded.status().complete);
}

#[test]
fn peers_wait_a_moment_for_agents_of_their_own() {
    let mut world = World::new(1);
    world.start(1, json!({ "count": 3 }));
    world.pass(1_000);
    assert_eq!(world.tasks.len(), 1, "there may be other agents");
    let waiting = &world.status().instances[1].message;
    assert!(waiting.contains("fewer than 1 of its peers"), "{waiting}");
    world.add_agent("S1");
    world.add_agent("S2");
    world.pass(1_000);
    assert!(world.status().complete);
    assert_eq!(agents(&world.status()), ["S0", "S1", "S2"]);
}

#[test]
fn but_not_for_long() {
    let mut world = World::new(1);
    world.start(1, json!({ "count": 3 }));
    world.pass(2_500);
    assert_eq!(world.tasks.len(), 1);
    world.pass(2_500);
    assert_eq!(world.tasks.len(), 3, "nobody has said which agents there are");
}

#[test]
fn only_those_whom_a_change_concerns_are_looked_at_again() {
    let ids = |world: &World| world.tasks.keys().cloned().collect::<Vec<_>>();
    let mut world = deployed(json!({ "count": 3, "apart": 1 }));
    let first = ids(&world);
    world.send(Event::Observe("all".into(), json!(1)));
    world.pass(5_000);
    assert_eq!(ids(&world), first, "the service has said that it is nobody's");
    world.send(Event::Observe("node-1".into(), json!(7)));
    world.pass(5_000);
    let second = ids(&world);
    assert_eq!(second.iter().filter(|id| !first.contains(id)).count(), 1);
    let mut world = deployed(json!({ "count": 3 }));
    let first = ids(&world);
    world.send(Event::Observe("all".into(), json!(1)));
    world.pass(20_000);
    assert!(ids(&world).iter().all(|id| !first.contains(id)), "anybody may rest on anything");
}

#[test]
fn a_serial_deployment_waits_for_each_gate() {
    let mut world = World::new(3);
    world.rule("node-0", Action::Launch, Moment::After, Verdict::Wait("still joining".into()));
    world.start(1, json!({ "count": 3, "serial": 1 }));
    world.pass(5_000);
    assert_eq!(world.tasks.len(), 1);
    let step = world.status().plan.phases[0].steps[0].clone();
    assert_eq!((step.status, step.message.as_str()), (PlanStatus::Started, "still joining"));
    world.rule("node-0", Action::Launch, Moment::After, Verdict::Go);
    world.pass(10_000);
    assert!(world.status().complete);
}

#[test]
fn who_founds_comes_first_then_its_fellows_at_once_then_one_after_the_other() {
    let mut world = World::new(5);
    let hold = Verdict::Wait("still joining".into());
    for name in ["node-0", "node-2", "node-3"] {
        world.rule(name, Action::Launch, Moment::After, hold.clone());
    }
    world.start(1, json!({ "count": 5, "founders": 3 }));
    for (joined, running) in [("node-0", 1), ("node-2", 3), ("node-3", 4)] {
        world.pass(5_000);
        assert_eq!(world.tasks.len(), running, "before {joined} has joined");
        world.rule(joined, Action::Launch, Moment::After, Verdict::Go);
    }
    world.pass(10_000);
    assert!(world.status().complete);
}

#[test]
fn a_crash_is_mended_in_place() {
    let mut world = deployed(json!({ "count": 3 }));
    let before = world.status().instances[1].placement.clone();
    let task = world.task_of("node-1");
    world.tell("node-1", TaskState::TaskFailed, None);
    world.pass(2_000);
    assert!(world.status().complete);
    assert_eq!(world.status().instances[1].placement, before, "agent, ports and volume are kept");
    assert_ne!(world.task_of("node-1"), task);
    assert_eq!(world.volumes().len(), 3);
}

#[test]
fn a_task_that_fails_again_and_again_is_retried_more_and_more_slowly() {
    let mut world = World::new(1);
    world.obedient = false;
    world.start(1, json!({ "count": 1 }));
    let mut launches = 0;
    for _ in 0..240 {
        if world.task_of("node-0").is_some() {
            launches += 1;
            world.tell("node-0", TaskState::TaskFailed, None);
        }
        world.pass(250);
    }
    assert!((5..=9).contains(&launches), "{launches} launches in a minute");
    let instance = &world.status().instances[0];
    assert_eq!(instance.phase, Phase::BackOff);
    assert!(instance.retry_at_ms.is_some_and(|at| at > world.now), "{instance:?}");
    assert!(instance.last_task_id.is_some() && instance.task_id.is_none(), "{instance:?}");
    assert_eq!(world.status().plan.phases[0].status, PlanStatus::Delayed);
}

#[test]
fn what_was_killed_before_it_had_a_sandbox_is_not_where_logs_are() {
    let mut world = World::new(1);
    world.obedient = false;
    world.start(1, json!({ "count": 1 }));
    world.pass(1_000);
    let ran = world.task_of("node-0");
    world.tell("node-0", TaskState::TaskFailed, None);
    world.pass(10_000);
    assert_ne!(world.task_of("node-0"), ran, "it is launched again");
    world.tell("node-0", TaskState::TaskKilled, None);
    let instance = &world.status().instances[0];
    assert_eq!(
        (&instance.task_id, &instance.last_task_id),
        (&None, &ran),
        "the master, or the agent, has ended it"
    );
}

#[test]
fn a_change_rolls_one_at_a_time_and_only_through_open_gates() {
    let mut world = deployed(json!({ "count": 3, "mark": 1 }));
    world.rule("node-0", Action::Restart, Moment::Before, Verdict::Wait("it is the leader: last".into()));
    world.rule("node-1", Action::Restart, Moment::After, Verdict::Wait("catching up".into()));
    world.killed.clear();
    world.give(2, json!({ "count": 3, "mark": 2 }));
    world.pass(5_000);
    assert_eq!(world.killed.len(), 1, "{:?}", world.killed);
    assert!(world.killed[0].starts_with("node-1."));
    world.rule("node-1", Action::Restart, Moment::After, Verdict::Go);
    world.pass(5_000);
    assert_eq!(world.killed.len(), 2, "node-2 followed, node-0 waits");
    assert!(!world.status().complete);
    world.rule("node-0", Action::Restart, Moment::Before, Verdict::Go);
    world.pass(5_000);
    assert_eq!(world.killed.len(), 3);
    assert!(world.status().complete);
}

#[test]
fn a_stuck_change_accepts_a_correction() {
    let mut world = deployed(json!({ "count": 3, "mark": 1 }));
    world.obedient = false;
    world.give(2, json!({ "count": 3, "mark": 666 }));
    world.pass(5_000);
    assert_eq!(
        world.status().instances.iter().filter(|i| !i.is_ready()).count(),
        1,
        "the roll stops at the first"
    );
    world.obedient = true;
    world.give(3, json!({ "count": 3, "mark": 1 }));
    world.pass(10_000);
    assert!(world.status().complete, "{:#?}", world.status().plan);
}

#[test]
fn the_same_configuration_changes_nothing() {
    let mut world = deployed(json!({ "count": 3 }));
    let generation = world.status().plan.generation;
    world.killed.clear();
    world.give(1, json!({ "count": 3 }));
    world.pass(2_000);
    assert_eq!(world.status().plan.generation, generation);
    assert!(world.killed.is_empty());
}

#[test]
fn an_option_that_a_provider_gives_follows_it_without_a_new_revision() {
    let mut world = deployed(json!({ "count": 1, "mark": 1 }));
    world.killed.clear();
    world.give(1, json!({ "count": 1, "mark": 2 }));
    world.pass(5_000);
    assert_eq!(world.killed.len(), 1, "it runs with the new value");
    let mut config = world.core.config();
    config.options = json!({ "count": 1, "mark": 3 }).into();
    world.command(Command::Configure { config: Box::new(config), expected: None }).unwrap();
    world.give(1, json!({ "count": 1, "mark": 4 }));
    assert_eq!(world.core.config().options["mark"], 3, "what REST has changed stays");
}

#[test]
fn removal_asks_first_and_keeps_the_data() {
    let mut world = deployed(json!({ "count": 3 }));
    world.rule("node-2", Action::Remove, Moment::Before, Verdict::Wait("holds 4 partitions".into()));
    world.give(2, json!({ "count": 2 }));
    world.pass(5_000);
    assert_eq!(world.tasks.len(), 3);
    let remove = world.status().plan.phases[1].clone();
    assert_eq!(remove.steps[0].message, "holds 4 partitions");
    world.rule("node-2", Action::Remove, Moment::Before, Verdict::Go);
    world.pass(5_000);
    assert!(world.status().complete);
    assert_eq!(world.tasks.len(), 2);
    let volumes = world.volumes();
    assert_eq!(volumes.len(), 3, "the volume outlives its task");
    world.give(3, json!({ "count": 3 }));
    world.pass(2_000);
    assert!(world.status().complete);
    assert_eq!(world.volumes(), volumes, "the same volume again");
}

#[test]
fn data_goes_when_its_verb_says_so() {
    let mut world = deployed(json!({ "count": 2 }));
    let refused = world.command(Command::DeleteData("node-1".into())).unwrap_err();
    assert_eq!(refused.kind, "instance-in-use");
    world.give(2, json!({ "count": 1 }));
    world.pass(2_000);
    world.command(Command::DeleteData("node-1".into())).unwrap();
    world.pass(2_000);
    assert_eq!(world.volumes().len(), 1);
    assert!(world.status().complete);
}

#[test]
fn what_was_observed_of_an_instance_goes_with_it() {
    let mut world = deployed(json!({ "count": 2 }));
    for name in ["node-0", "node-1", "else"] {
        world.send(crate::core::Event::Observe(name.into(), json!("up")));
    }
    world.give(2, json!({ "count": 1 }));
    world.pass(2_000);
    assert!(world.core.view().observed.contains_key("node-1"), "it still holds its data");
    world.command(Command::DeleteData("node-1".into())).unwrap();
    world.pass(2_000);
    let known: Vec<String> = world.core.view().observed.into_keys().collect();
    assert_eq!(known, ["else", "node-0"]);
}

#[test]
fn a_restarted_scheduler_finds_everything_and_touches_nothing() {
    let mut world = deployed(json!({ "count": 3 }));
    let tasks: Vec<_> = world.tasks.keys().cloned().collect();
    world.killed.clear();
    world.restart();
    world.pass(2_000);
    assert!(world.status().complete);
    assert_eq!(world.tasks.keys().cloned().collect::<Vec<_>>(), tasks);
    assert!(world.killed.is_empty());
}

#[test]
fn facts_are_known_for_as_long_as_there_is_data() {
    let mut world = deployed(json!({ "count": 1 }));
    let fact = |world: &World| world.core.view().facts.get("cluster").cloned();
    world.send(crate::core::Event::Remember("cluster".into(), json!("u-1")));
    world.send(crate::core::Event::Observe("seen".into(), json!(1)));
    world.restart();
    assert_eq!(fact(&world), Some(json!("u-1")));
    assert!(world.core.view().observed.is_empty());
    world.register();
    world.command(Command::Destroy { delete_data: false }).unwrap();
    world.pass(2_000);
    assert!(world.status().destroyed);
    assert_eq!(fact(&world), Some(json!("u-1")));
    world.torn_down = false;
    world.give(2, json!({ "count": 1 }));
    world.register();
    world.pass(2_000);
    world.command(Command::Destroy { delete_data: true }).unwrap();
    world.pass(2_000);
    assert!(world.status().destroyed);
    world.restart();
    assert_eq!(fact(&world), None);
}

#[test]
fn a_task_that_vanished_while_nobody_looked_is_launched_again() {
    let mut world = deployed(json!({ "count": 3 }));
    let id = world.task_of("node-0").unwrap();
    world.tasks.remove(&id);
    world.restart();
    world.pass(2_000);
    assert!(world.status().complete);
    assert_eq!(world.tasks.len(), 3);
}

#[test]
fn an_unreachable_instance_is_not_replaced_until_an_operator_says_so() {
    let mut world = deployed(json!({ "count": 3 }));
    world.tell("node-0", TaskState::TaskUnreachable, None);
    world.pass(120_000);
    assert_eq!(world.status().instances[0].phase, Phase::Unreachable);
    assert_eq!(world.tasks.len(), 3, "no second task beside one that may live");
    let id = world.task_of("node-0").unwrap();
    world.tasks.remove(&id); // its agent is gone for good
    world.look_at_agents(&["S0"]);
    world.command(Command::Replace("node-0".into())).unwrap();
    world.pass(2_000);
    assert!(world.status().complete);
    let refused = world.command(Command::Replace("node-1".into())).unwrap_err();
    assert_eq!(refused.kind, "instance-alive");
}

#[test]
fn an_instance_on_its_way_out_is_let_go_of_when_its_agent_is_gone_for_good() {
    let mut world = deployed(json!({ "count": 3 }));
    world.rule("node-2", Action::Remove, Moment::Before, Verdict::Wait("holds 4 partitions".into()));
    world.give(2, json!({ "count": 2 }));
    let refused = world.command(Command::Replace("node-2".into())).unwrap_err();
    assert_eq!(refused.kind, "instance-alive");
    world.tell("node-2", TaskState::TaskUnreachable, None);
    let id = world.task_of("node-2").unwrap();
    world.tasks.remove(&id);
    world.pass(120_000);
    assert!(!world.status().complete, "nobody can tell whether it has stopped");
    world.command(Command::Replace("node-2".into())).unwrap();
    world.pass(2_000);
    assert!(world.status().complete, "{:#?}", world.status().plan);
    assert_eq!(world.tasks.len(), 2, "it is not launched anew");
    assert_eq!(world.command(Command::Replace("node-2".into())).unwrap_err().status, 404);
}

#[test]
fn what_an_agent_that_is_gone_for_good_holds_is_let_go_of() {
    let mut world = deployed(json!({ "count": 3 }));
    let lose = |world: &mut World, name: &str| {
        let task = world.task_of(name).unwrap();
        let agent = world.tasks[&task].info.agent_id.value.clone();
        world.lose_agent(&agent);
        world.tell(name, TaskState::TaskGoneByOperator, None);
        world.pass(2_000);
    };
    world.give(2, json!({ "count": 2 }));
    world.pass(2_000);
    let kept = world.command(Command::Replace("node-2".into())).unwrap_err();
    assert_eq!(kept.kind, "instance-leaving", "it holds data, for which nobody waits");
    lose(&mut world, "node-0");
    world.command(Command::Destroy { delete_data: true }).unwrap();
    world.pass(120_000);
    assert!(!world.status().destroyed, "the data on the agent of node-0 is to be deleted");
    world.command(Command::Replace("node-0".into())).unwrap();
    world.pass(2_000);
    assert!(world.status().destroyed, "{:#?}", world.status());
}

#[test]
fn a_stopped_instance_is_replaced_elsewhere_and_leaves_nothing() {
    let mut world = deployed(json!({ "count": 2 }));
    let (before, volumes) = (world.status().instances[0].placement.clone().unwrap(), world.volumes());
    world.command(Command::Stop { instances: vec!["node-0".into()], force: false }).unwrap();
    world.pass(2_000);
    world.command(Command::Replace("node-0".into())).unwrap();
    world.pass(5_000);
    assert!(world.status().complete, "{:#?}", world.status().plan);
    let instance = world.status().instances[0].clone();
    assert_ne!(instance.placement.unwrap().agent_id, before.agent_id);
    assert_eq!(instance.replaces, Some(before), "its task is told whom it replaces");
    assert_eq!(world.volumes().len(), 2, "the old volume is gone");
    assert_ne!(world.volumes(), volumes);
    let task = world.task_of("node-0");
    world.restart();
    world.pass(5_000);
    assert_eq!(world.task_of("node-0"), task, "and that stays so");
}

#[test]
fn the_only_agent_takes_a_replacement_too() {
    let mut world = deployed_on(1, json!({ "count": 1 }));
    let volumes = world.volumes();
    world.command(Command::Stop { instances: vec!["node-0".into()], force: false }).unwrap();
    world.pass(2_000);
    world.command(Command::Replace("node-0".into())).unwrap();
    world.pass(5_000);
    assert!(world.status().complete);
    assert_eq!(world.volumes().len(), 1);
    assert_ne!(world.volumes(), volumes);
}

#[test]
fn who_holds_nothing_moves_when_its_place_is_not_offered_any_more() {
    let place = |world: &World| world.status().instances[0].placement.clone().unwrap().agent_id;
    for (roams, moves) in [(1, true), (0, false)] {
        let mut world = deployed_on(2, json!({ "count": 1, "roams": roams }));
        let before = place(&world);
        let reserved = world.agents[&before].clone();
        world.lose_agent(&before);
        world.tell("node-0", TaskState::TaskKilled, None);
        world.pass(25_000);
        assert!(world.tasks.is_empty() && place(&world) == before, "it waits for its place");
        world.pass(30_000);
        assert_eq!((world.tasks.len() == 1, place(&world) != before), (moves, moves));
        assert_eq!(world.status().complete, moves);

        // What it held on its former agent is given back when that is there again.
        world.agents.insert(before.clone(), reserved);
        world.restart();
        world.pass(5_000);
        assert!(world.status().complete);
        assert_eq!((world.tasks.len(), place(&world) != before), (1, moves));
    }
}

#[test]
fn who_is_away_for_a_moment_comes_back_to_its_place() {
    let mut world = deployed_on(2, json!({ "count": 1, "roams": 1 }));
    let before = world.status().instances[0].placement.clone().unwrap();
    let there = world.agents[&before.agent_id].clone();
    for _ in 0..3 {
        world.lose_agent(&before.agent_id);
        world.tell("node-0", TaskState::TaskFailed, None);
        world.pass(20_000);
        world.agents.insert(before.agent_id.clone(), there.clone());
        world.pass(60_000);
        assert!(world.status().complete);
        assert_eq!(world.status().instances[0].placement, Some(before.clone()));
    }
}

#[test]
fn stop_restart_and_start() {
    let mut world = deployed(json!({ "count": 3 }));
    world.command(Command::Stop { instances: vec!["node-1".into()], force: false }).unwrap();
    world.pass(2_000);
    assert_eq!(world.status().instances[1].phase, Phase::Stopped);
    assert_eq!(world.tasks.len(), 2);
    world.command(Command::Start(vec!["node-1".into()])).unwrap();
    world.pass(2_000);
    assert_eq!(world.tasks.len(), 3);
    world.killed.clear();
    world.command(Command::Restart(vec!["node-0".into(), "node-2".into()])).unwrap();
    world.pass(5_000);
    assert_eq!(world.killed.len(), 2);
    assert!(world.status().complete);
    assert_eq!(world.command(Command::Restart(vec!["node-7".into()])).unwrap_err().status, 404);
}

#[test]
fn what_rest_changes_survives_restarts_until_the_controller_says_otherwise() {
    let mut world = deployed(json!({ "count": 3 }));
    let mut config = world.core.config();
    config.options = json!({ "count": 1 }).into();
    world.command(Command::Configure { config: Box::new(config.clone()), expected: None }).unwrap();
    world.pass(5_000);
    assert_eq!(world.tasks.len(), 1);
    assert!(world.status().drifted);
    world.restart();
    world.give(1, json!({ "count": 3 }));
    world.pass(2_000);
    assert_eq!(world.tasks.len(), 1);
    world.give(2, json!({ "count": 3 }));
    world.pass(5_000);
    assert_eq!(world.tasks.len(), 3);
    assert!(!world.status().drifted);
    config.options = json!({ "count": 10 }).into();
    let refused = world.command(Command::Configure { config: Box::new(config), expected: None }).unwrap_err();
    assert_eq!((refused.status, refused.detail.as_str()), (422, "count: too many"));
}

#[test]
fn destroy_keeps_the_data_unless_told() {
    let mut world = deployed(json!({ "count": 3 }));
    world.command(Command::Destroy { delete_data: false }).unwrap();
    world.pass(2_000);
    assert!(world.status().destroyed && world.torn_down);
    assert!(world.tasks.is_empty());
    assert_eq!(world.volumes().len(), 3);
    // The same stack applied again finds its data.
    world.torn_down = false;
    world.give(2, json!({ "count": 3 }));
    world.register();
    world.pass(2_000);
    assert!(world.status().complete);
    assert_eq!(world.volumes().len(), 3);
    world.command(Command::Destroy { delete_data: true }).unwrap();
    world.pass(2_000);
    assert!(world.status().destroyed && world.torn_down, "{:#?}", world.status());
    assert!(world.nothing_reserved());
}

#[test]
fn who_is_to_keep_what_it_has_stored_takes_nothing_of_the_file() {
    let blank =
        || Config { revision: 2, keeps: true, options: json!({ "count": 1 }).into(), ..Config::default() };
    let mut world = deployed(json!({ "count": 2 }));
    world.give_file(blank());
    world.pass(2_000);
    assert!(world.status().complete && world.tasks.len() == 2);
    let mut empty = World::new(1);
    empty.give_file(blank());
    empty.register();
    empty.pass(2_000);
    assert!(empty.tasks.is_empty() && !empty.core.configured(), "it waits for the rest");
    empty.give(2, json!({ "count": 1 }));
    empty.pass(2_000);
    assert!(empty.status().complete);
}

#[test]
fn an_answer_to_an_earlier_configuration_does_not_settle_a_later_one() {
    let mut world = deployed(json!({ "count": 1 }));
    // Nobody is restarted for a note: only what is inside the service has to follow.
    let note = |world: &mut World, note: u32| {
        let options = json!({ "count": 1, "note": note });
        let config = Config { options: options.into(), ..world.core.config() };
        let command = Command::Configure { config: Box::new(config), expected: None };
        let (accepted, effects) = world.core.command(command, world.now);
        accepted.unwrap();
        asked(&effects)
    };
    let first = note(&mut world, 1).expect("is asked about");
    assert_eq!(note(&mut world, 2), None, "one question at a time");
    let effects = world.core.step(Event::Verdict(first, Verdict::Go), world.now);
    assert!(!world.status().complete, "that was about the first note");
    let second = asked(&effects).expect("is asked about the second note");
    world.core.step(Event::Verdict(second, Verdict::Go), world.now);
    assert!(world.status().complete);
}

/// The question about inner things that is put.
fn asked(effects: &[Effect]) -> Option<u64> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ask(number, question) if matches!(**question, Question::Settle(..)) => Some(*number),
        _ => None,
    })
}

#[test]
fn what_is_given_and_refused_is_an_error_of_the_plan_and_what_was_before_goes_on() {
    let too_many =
        |revision| Config { revision, options: json!({ "count": 10 }).into(), ..Config::default() };
    let refused = |world: &mut World, revision| {
        assert!(world.core.given(too_many(revision), world.now).is_err());
        let plan = world.status().plan;
        assert_eq!((plan.status, plan.errors), (PlanStatus::Error, vec!["count: too many".to_owned()]));
        assert!(!world.status().complete);
    };
    // Nothing was there before: it can be taken down.
    let mut empty = World::new(1);
    refused(&mut empty, 1);
    empty.register();
    empty.command(Command::Destroy { delete_data: true }).unwrap();
    empty.pass(2_000);
    assert!(empty.status().destroyed && empty.torn_down, "{:#?}", empty.status());

    let mut world = World::new(2);
    world.start(1, json!({ "count": 2 }));
    world.pass(2_000);
    refused(&mut world, 2);
    let task = world.tasks.keys().next().cloned().expect("two run");
    world.exit("node-0", 1);
    world.exit("node-1", 1);
    world.pass(5_000);
    assert!(world.tasks.len() == 2 && !world.tasks.contains_key(&task), "what ends is started again");
    world.give(3, json!({ "count": 1 }));
    world.pass(10_000);
    assert!(world.status().complete && world.tasks.len() == 1, "{:#?}", world.status());
}

#[test]
fn what_no_agent_can_ever_offer_is_said_at_once() {
    let mut world = World::new(1);
    world.start(1, json!({ "count": 1, "cpus": 64 }));
    let capacity = crate::core::Capacity { cpus: 4.0, mem: 4096.0, disk: 10_000.0, ..Default::default() };
    assert!(world.core.hungry());
    world.send(crate::core::Event::Capacities(vec![capacity]));
    let plan = world.status().plan;
    assert_eq!(plan.status, PlanStatus::Error);
    assert_eq!(plan.errors, ["node-0: no agent can ever offer cpus 64: the largest has 4"]);
}

#[test]
fn whoever_waits_for_something_else_does_not_take_a_place() {
    let mut world = World::new(1);
    world.send(crate::core::Event::Observe("hold".into(), json!("waits for zookeeper")));
    world.start(1, json!({ "count": 1 }));
    assert!(world.nothing_reserved());
    assert_eq!(world.status().instances[0].message, "waits for zookeeper");
    world.send(crate::core::Event::Observe("hold".into(), serde_json::Value::Null));
    world.pass(1_000);
    assert!(world.status().complete);
}

#[test]
fn paused_changes_wait_while_recovery_goes_on() {
    let mut world = deployed(json!({ "count": 3 }));
    world.command(Command::Pause).unwrap();
    world.give(2, json!({ "count": 3, "mark": 5 }));
    world.killed.clear();
    world.pass(3_000);
    assert!(world.killed.is_empty());
    assert_eq!(world.status().plan.status, PlanStatus::Waiting);
    world.tell("node-1", TaskState::TaskFailed, None);
    world.pass(3_000);
    assert_eq!(world.tasks.len(), 3);
    world.command(Command::Continue).unwrap();
    world.pass(5_000);
    assert!(world.status().complete);
}

#[test]
fn a_port_that_somebody_else_holds_is_left_to_him_until_the_instance_has_served() {
    let mut world = World::new(1);
    world.obedient = false;
    world.start(1, json!({ "count": 1 }));
    let port = |world: &World| world.status().instances[0].placement.as_ref().unwrap().ports["main"];
    let first = port(&world);
    world.tell_port_taken("node-0", first);
    world.obedient = true;
    world.pass(2_000);
    assert!(world.status().complete);
    let second = port(&world);
    assert_ne!(second, first);
    world.tell_port_taken("node-0", second);
    world.pass(5_000);
    assert_eq!(port(&world), second, "clients know it");
    assert!(world.status().complete);
}

#[test]
fn peers_are_told_of_the_other_port() {
    let mut world = World::new(3);
    world.obedient = false;
    world.start(1, json!({ "count": 3, "peers": 1 }));
    let port = world.status().instances[1].placement.as_ref().unwrap().ports["main"];
    world.tell_port_taken("node-1", port);
    world.obedient = true;
    world.pass(30_000);
    assert_eq!(world.tasks.len(), 3);
    let placement = world.status().instances[1].placement.clone().unwrap();
    assert_ne!(placement.ports["main"], port);
}

#[test]
fn one_instance_an_agent_follows_the_agents() {
    let mut world = World::new(2);
    world.start(1, json!({ "each": 1 }));
    world.pass(2_000);
    assert!(!world.status().complete, "nothing is complete before the agents are known");
    world.look_at_agents(&[]);
    world.pass(2_000);
    assert!(world.status().complete, "{:#?}", world.status());
    let agent = |world: &World, at: usize| world.status().instances[at].placement.clone().unwrap().agent_id;
    let mut agents = vec![agent(&world, 0), agent(&world, 1)];
    agents.sort();
    assert_eq!((agents, world.tasks.len()), (vec!["S0".to_owned(), "S1".to_owned()], 2));

    world.add_agent("S2");
    world.look_at_agents(&[]);
    world.pass(3_000);
    assert!(world.status().complete);
    assert_eq!((world.tasks.len(), agent(&world, 2)), (3, "S2".to_owned()));

    // One agent goes away: its instance keeps its place, nobody waits for it, and changes go on elsewhere.
    world.tell("node-2", TaskState::TaskUnreachable, None);
    world.look_at_agents(&["S2"]);
    world.killed.clear();
    world.give(2, json!({ "each": 1, "mark": 1 }));
    world.pass(10_000);
    assert!(world.status().complete, "{:#?}", world.status().plan);
    assert_eq!((world.killed.len(), world.tasks.len(), agent(&world, 2)), (2, 3, "S2".to_owned()));

    // It comes back with what it had, and catches up.
    world.look_at_agents(&[]);
    world.tell("node-2", TaskState::TaskRunning, Some(true));
    world.pass(5_000);
    assert!(world.status().complete);
    assert_eq!((world.killed.len(), agent(&world, 2)), (3, "S2".to_owned()));

    // It is gone for good: the operator says so, and its instance is no more.
    let id = world.task_of("node-2").unwrap();
    world.tell("node-2", TaskState::TaskUnreachable, None);
    world.tasks.remove(&id);
    world.look_at_agents(&["S2"]);
    world.command(Command::Replace("node-2".into())).unwrap();
    world.pass(2_000);
    assert!(world.status().complete);
    assert_eq!(world.status().instances.len(), 2);
}

#[test]
fn a_destroyed_service_leaves_once_nothing_of_it_is_left_elsewhere() {
    let mut world = deployed(json!({ "count": 2 }));
    world.rule(
        "farewell",
        Action::Remove,
        Moment::After,
        Verdict::Wait("a framework of its own is there".into()),
    );
    world.command(Command::Destroy { delete_data: true }).unwrap();
    world.pass(10_000);
    let status = world.status();
    assert!(world.tasks.is_empty() && !status.destroyed);
    let leave = status.plan.phases.last().unwrap().steps[0].clone();
    assert_eq!(leave.message, "a framework of its own is there");
    world.rule("farewell", Action::Remove, Moment::After, Verdict::Go);
    world.pass(10_000);
    assert!(world.status().destroyed);
}

#[test]
fn offers_that_were_asked_for_in_vain_are_asked_for_again() {
    let mut world = deployed(json!({ "count": 1 }));
    world.calls_get_lost = true;
    world.tell("node-0", TaskState::TaskFailed, None);
    assert!(world.suppressed, "the REVIVE got lost");
    world.calls_get_lost = false;
    world.send(Event::CallFailed);
    world.pass(5_000);
    assert!(world.status().complete);
}

#[test]
fn after_a_lost_call_what_an_offer_lacks_may_be_in_another() {
    let mut world = deployed(json!({ "count": 2 }));
    world.give(2, json!({ "count": 1 }));
    world.pass(2_000);
    world.send(Event::CallFailed);
    world.hidden = true;
    world.command(Command::DeleteData("node-1".into())).unwrap();
    world.pass(10_000);
    assert_eq!(world.volumes().len(), 2);
    world.hidden = false;
    world.pass(10_000);
    assert_eq!(world.volumes().len(), 1, "its record was kept, and so its data is deleted");
}

/// Two instances, of which the second has been removed and has kept its data on its agent, which is given too.
fn with_kept_data() -> (World, String) {
    let mut world = deployed(json!({ "count": 2 }));
    let agent = world.status().instances[1].placement.clone().unwrap().agent_id;
    world.give(2, json!({ "count": 1 }));
    world.pass(2_000);
    assert!(world.suppressed && world.volumes().len() == 2);
    (world, agent)
}

#[test]
fn what_an_offer_lacks_may_be_in_one_whose_answer_is_on_its_way() {
    let (mut world, agent) = with_kept_data();
    world.hold_calls();
    world.command(Command::DeleteData("node-1".into())).unwrap();
    world.offer_nothing(&agent, &[]);
    world.release_calls();
    world.pass(3_000);
    assert_eq!(world.volumes().len(), 1, "its record was kept, and so its data is deleted");
    assert!(!world.core.view().instances.contains_key("node-1"), "nothing of it is left");
}

#[test]
fn what_an_offer_lacks_may_be_with_an_executor_that_is_about_to_end() {
    let (mut world, agent) = with_kept_data();
    // The master knows all answers.
    world.register();
    world.hidden = true;
    world.command(Command::DeleteData("node-1".into())).unwrap();
    assert!(!world.core.view().instances.contains_key("node-1"), "no offer has it, and nobody else");

    let (mut world, _) = with_kept_data();
    world.register();
    world.hold_calls();
    world.command(Command::DeleteData("node-1".into())).unwrap();
    world.offer_nothing(&agent, &["node-1.a9"]);
    assert!(world.core.view().instances.contains_key("node-1"), "its executor has something of it");
    world.release_calls();
    world.pass(3_000);
    assert_eq!(world.volumes().len(), 1);
}

#[test]
fn a_lost_kill_is_repeated_without_anything_else_happening() {
    let mut world = deployed(json!({ "count": 1 }));
    kill_gets_lost(&mut world);
    let began = world.now;
    while world.status().plan.status != crate::PlanStatus::Complete {
        world.sleep();
        assert!(world.now < began + 60_000, "it takes no longer than half a minute");
    }
}

#[test]
fn a_clock_that_is_set_back_keeps_nothing_waiting() {
    let mut world = deployed(json!({ "count": 1 }));
    world.skip(3_600_000);
    world.now -= 3_000_000;
    kill_gets_lost(&mut world);
    let began = world.now;
    while world.status().plan.status != crate::PlanStatus::Complete {
        world.sleep();
        assert!(world.now < began + 60_000, "it takes no longer than half a minute");
    }
}

/// The only instance is to be restarted with another configuration, and the master does not hear of that.
fn kill_gets_lost(world: &mut World) {
    world.calls_get_lost = true;
    world.give(2, json!({ "count": 1, "mark": 1 }));
    world.calls_get_lost = false;
    assert!(world.killed.is_empty() && !world.status().complete);
}

#[test]
fn what_a_failed_master_has_forgotten_goes_with_the_service() {
    let mut world = deployed(json!({ "count": 2 }));
    world.give(2, json!({ "count": 1 }));
    world.pass(2_000);
    let held = world.agents.clone();
    world.command(Command::DeleteData("node-1".into())).unwrap();
    world.pass(10_000);
    assert_eq!(world.volumes().len(), 1);
    world.agents = held;
    world.command(Command::Destroy { delete_data: true }).unwrap();
    world.pass(10_000);
    assert_eq!(world.volumes().len(), 0);
}

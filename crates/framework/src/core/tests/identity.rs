//! A framework that the master has removed.

use serde_json::json;

use super::deployed;
use super::world::World;
use crate::core::Event;
use crate::driver::{Cluster, Command, Registered};
use crate::{Health, Phase, PlanStatus};

fn reason(world: &World) -> String {
    match world.status().health {
        Health::Failed(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_removed_framework_waits_for_an_operator_and_comes_back_to_its_data() {
    let mut world = deployed(json!({ "count": 3 }));
    let places = |world: &World| {
        world.status().instances.iter().map(|i| (i.name.clone(), i.placement.clone())).collect::<Vec<_>>()
    };
    let (before, volumes) = (places(&world), world.volumes());
    assert_eq!(world.command(Command::Reregister { teardown: false }).unwrap_err().kind, "not-removed");
    // The master ends the tasks with their framework.
    world.tasks.clear();
    world.send(Event::Refused("Framework has been removed".into()));
    world.send(Event::Disconnected);
    let why = reason(&world);
    assert!(why.contains("Framework has been removed") && why.ends_with("cairn reregister"), "{why}");
    let shown = world.status().instances;
    assert!(
        shown.iter().all(|i| i.phase == Phase::Waiting && i.message.contains("has ended it")),
        "{shown:#?}"
    );
    world.pass(60_000);
    assert!(world.tasks.is_empty(), "nothing is launched before an operator has said so");
    assert!(world.core.refused() && world.core.framework_id().is_some());

    world.command(Command::Reregister { teardown: false }).unwrap();
    assert!(!world.core.refused());
    assert_eq!(world.core.framework_id(), None, "it registers as a new framework");
    assert!(world.status().instances.iter().all(|i| i.phase == Phase::Waiting && i.task_id.is_none()));
    world.restart();
    world.register();
    world.pass(5_000);
    assert!(world.status().complete, "{:#?}", world.status());
    assert_eq!((places(&world), world.volumes()), (before, volumes), "places, ports and data are kept");
    assert_eq!(world.tasks.len(), 3);
}

#[test]
fn who_was_replaced_by_another_scheduler_may_not_begin_anew() {
    let mut world = deployed(json!({ "count": 1 }));
    world.send(Event::Refused("Framework failed over".into()));
    assert!(reason(&world).contains("only one runs"));
    assert_eq!(world.command(Command::Reregister { teardown: false }).unwrap_err().kind, "not-removed");
    assert_eq!(world.tasks.len(), 1);
}

fn former(id: &str, tasks: &[&str]) -> Registered {
    Registered {
        id: id.into(),
        name: "demo-fake".into(),
        roles: vec!["demo-fake".into()],
        tasks: tasks.iter().map(|&task| task.to_owned()).collect(),
        ..Registered::default()
    }
}

fn look(world: &mut World, frameworks: Vec<Registered>) {
    world.send(Event::Cluster(Box::new(Cluster { frameworks, ..Cluster::default() })));
}

#[test]
fn who_has_lost_its_state_launches_nothing_beside_what_runs() {
    let mut world = World::new(2);
    world.give(1, json!({ "count": 1 }));
    assert!(!world.core.may_register(), "the master is asked first");
    assert_eq!(world.status().health, Health::Connecting);
    look(&mut world, vec![former("F-7", &["node-0.1"])]);
    let why = reason(&world);
    assert!(!world.core.may_register() && !world.core.refused());
    assert!(why.contains("F-7 with 1 task (node-0.1)") && why.contains("cairn state import"), "{why}");
    assert!(why.contains("cairn reregister --teardown"), "{why}");
    let plan = world.status().plan;
    assert_eq!((plan.status, plan.errors), (PlanStatus::Error, vec![why]));

    assert_eq!(world.command(Command::Reregister { teardown: false }).unwrap_err().kind, "framework-runs");
    assert!(world.core.given_up().is_empty());
    assert!(world.command(Command::Reregister { teardown: true }).unwrap().changed);
    assert_eq!(world.core.given_up(), ["F-7".to_owned()].into());
    assert!(reason(&world).contains("has been asked to end F-7"));
    look(&mut world, vec![former("F-7", &["node-0.1"])]);
    assert_eq!(world.core.given_up().len(), 1, "it is asked again until it has");
    let ended = Registered { removed: true, ..former("F-7", &[]) };
    look(&mut world, vec![ended]);
    assert!(world.core.may_register() && world.core.given_up().is_empty());
    world.register();
    world.pass(5_000);
    assert!(world.status().complete, "{:#?}", world.status());
}

#[test]
fn who_is_known_to_the_master_goes_on_whatever_else_has_its_name() {
    let mut world = deployed(json!({ "count": 1 }));
    assert!(world.core.may_register());
    look(&mut world, vec![former("F-7", &["node-0.1"])]);
    assert_eq!(world.status().health, Health::Ok);
    world.restart();
    assert!(world.core.may_register(), "it has its id");
}

#[test]
fn a_removed_framework_begins_anew_once_nothing_of_its_name_runs() {
    let mut world = deployed(json!({ "count": 1 }));
    world.tasks.clear();
    world.send(Event::Refused("Framework has been removed".into()));
    world.send(Event::Disconnected);
    world.command(Command::Reregister { teardown: false }).unwrap();
    assert!(!world.core.may_register());
    look(&mut world, vec![Registered { removed: true, ..former("F1", &[]) }]);
    assert!(world.core.may_register());
}

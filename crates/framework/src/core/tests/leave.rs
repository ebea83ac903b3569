//! A framework that leaves the cluster.

use serde_json::json;

use super::deployed;
use super::world::World;
use crate::core::Event;
use crate::driver::Command;
use crate::{Action, Moment, Verdict};

/// Everything is stopped, and the master has not heard that the framework leaves.
fn leaving() -> World {
    let mut world = deployed(json!({ "count": 2 }));
    let farewell = |world: &World, verdict| world.rule("farewell", Action::Remove, Moment::After, verdict);
    farewell(&world, Verdict::Wait("something of it is left elsewhere".into()));
    world.command(Command::Destroy { delete_data: false }).unwrap();
    world.pass(1_000);
    assert!(world.tasks.is_empty());
    world.calls_get_lost = true;
    farewell(&world, Verdict::Go);
    world.pass(4_000);
    assert!(!world.torn_down && !world.status().destroyed, "{:#?}", world.status());
    world
}

#[test]
fn a_leave_that_gets_lost_is_said_again() {
    let mut world = leaving();
    world.calls_get_lost = false;
    world.sleep();
    assert!(world.torn_down && world.status().destroyed);
    assert_eq!(world.core.framework_id(), None);
}

#[test]
fn a_scheduler_that_ends_before_the_master_has_heard_goes_on_to_leave_when_it_is_back() {
    let mut world = leaving();
    assert_eq!(world.core.framework_id(), Some("F1"), "the master would not know who leaves");
    world.calls_get_lost = false;
    world.restart();
    assert!(world.torn_down && world.status().destroyed);
}

#[test]
fn who_has_left_already_learns_it_from_a_refusal() {
    let mut world = leaving();
    world.send(Event::Disconnected);
    world.send(Event::Refused("Framework has been removed".into()));
    assert!(world.status().destroyed && !world.core.refused());
    // The last words of a connection that is being closed.
    world.send(Event::Subscribed { framework_id: "F1".into() });
    assert_eq!(world.core.framework_id(), None);
}

#[test]
fn whose_place_was_taken_has_not_left() {
    let mut world = leaving();
    world.send(Event::Refused("Framework failed over".into()));
    assert!(!world.status().destroyed && world.core.refused());
}

#[test]
fn who_leaves_is_not_asked_to_give_back_what_it_keeps() {
    let mut world = leaving();
    assert!(!world.command(Command::Destroy { delete_data: true }).unwrap().changed);
    world.calls_get_lost = false;
    world.pass(10_000);
    assert!(world.status().destroyed);
    assert_eq!(world.volumes().len(), 2);
}

//! What dependents are given.

use std::collections::BTreeMap;

use cairn_mesos::v1::TaskState;
use serde_json::json;

use super::deployed;
use super::world::World;
use crate::driver::Command;
use crate::store::Store;
use crate::{Action, Config, Moment, Verdict};

fn outputs(world: &World) -> BTreeMap<String, String> {
    world.status().outputs
}

#[test]
fn they_are_known_after_a_restart_though_something_is_being_mended() {
    let mut world = deployed(json!({ "count": 2 }));
    let before = outputs(&world);
    assert_eq!(before.len(), 1);
    for action in [Action::Launch, Action::Restart] {
        world.rule("node-0", action, Moment::After, Verdict::Wait("it catches up".into()));
    }
    world.tell("node-0", TaskState::TaskFailed, None);
    world.restart();
    assert!(!world.status().complete);
    assert_eq!(outputs(&world), before);
    world.command(Command::Destroy { delete_data: false }).unwrap();
    assert!(outputs(&world).is_empty(), "nobody can go on with them");
    world.restart();
    assert!(outputs(&world).is_empty());
}

#[test]
fn those_that_show_a_secret_are_not_stored() {
    let stored = |world: &World| world.store.load().unwrap().contains_key("outputs");
    let mut world = deployed(json!({ "count": 1 }));
    assert!(stored(&world));
    let shown = outputs(&world)["connect"].clone();
    let options = json!({ "count": 2, "password": shown }).into();
    let config = Config { revision: 2, options, secrets: vec!["/password".into()], ..Config::default() };
    world.give_file(config);
    world.pass(10_000);
    assert!(world.status().complete && outputs(&world)["connect"].contains(&shown));
    assert!(!stored(&world));
}

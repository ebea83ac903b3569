//! A framework that the master has removed.

use serde_json::json;

use super::deployed;
use crate::core::Event;
use crate::driver::Command;
use crate::{Health, Phase};

fn reason(world: &super::world::World) -> String {
    match world.status().health {
        Health::Failed(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_removed_framework_waits_for_an_operator_and_comes_back_to_its_data() {
    let mut world = deployed(json!({ "count": 3 }));
    let places = |world: &super::world::World| {
        world.status().instances.iter().map(|i| (i.name.clone(), i.placement.clone())).collect::<Vec<_>>()
    };
    let (before, volumes) = (places(&world), world.volumes());
    assert_eq!(world.command(Command::Reregister).unwrap_err().kind, "not-removed");
    // The master ends the tasks with their framework.
    world.tasks.clear();
    world.send(Event::Refused("Framework has been removed".into()));
    world.send(Event::Disconnected);
    let why = reason(&world);
    assert!(why.contains("Framework has been removed") && why.ends_with("cairn reregister"), "{why}");
    world.pass(60_000);
    let shown = world.status().instances;
    assert!(
        shown.iter().all(|i| i.phase == Phase::Waiting && i.message.contains("has ended it")),
        "{shown:#?}"
    );
    assert!(world.tasks.is_empty(), "nothing is launched before an operator has said so");
    assert!(world.core.refused() && world.core.framework_id().is_some());

    world.command(Command::Reregister).unwrap();
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
    assert_eq!(world.command(Command::Reregister).unwrap_err().kind, "not-removed");
    assert_eq!(world.tasks.len(), 1);
}

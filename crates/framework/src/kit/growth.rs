//! What the members of a cluster have to do once another one has joined it: those that were there hold what is now its own.

use serde_json::{Map, Value};

use crate::{Ask, Command, Handle, View};

/// Fact: the cluster was complete once, so there may be data in it. A service that finds data earlier remembers it itself.
pub const IN_USE: &str = "in-use";
/// Fact: the last instance that has joined since.
const GROWN: &str = "grown";

/// An instance has joined.
pub(super) async fn note(handle: &Handle, ask: &Ask) {
    if ask.view.facts.contains_key(IN_USE) {
        handle.remember(GROWN, ask.instance.clone().into()).await;
    }
}

/// All is at rest: begins the operation if the cluster has grown.
pub(super) async fn tidy(handle: &Handle, view: &View, operation: &str) {
    handle.remember(IN_USE, true.into()).await;
    let Some(grown) = view.facts.get(GROWN).and_then(Value::as_str) else { return };
    // Another task is another arrival; ids of operations are short.
    let task = view.instances.get(grown).and_then(|i| i.task_id.as_deref()).unwrap_or_default();
    let arrival = task.char_indices().rev().nth(7).map_or(task, |(at, _)| &task[at..]);
    let command = Command::Operate {
        id: format!("{operation}-after-{grown}-{arrival}"),
        operation: operation.into(),
        instances: view.target.clone(),
        arguments: Map::new(),
    };
    if let Err(problem) = handle.command(command).await {
        // One that an operator has begun will do.
        tracing::warn!(%problem, grown, operation, "not begun after the cluster has grown");
    }
    handle.remember(GROWN, Value::Null).await;
}

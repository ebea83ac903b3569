//! What the members of a cluster have to do once another one has joined it: those that were there hold what is now its own.
//!
//! Who has joined is found by comparison: whoever is wanted and was not a member when the cluster was tidied last. However its
//! arrival went, with how many restarts, it is found.

use serde_json::{Map, json};

use crate::{Command, Handle, View};

/// Fact: the cluster was complete once, or somebody has put data in it before that.
pub const IN_USE: &str = "in-use";
/// Fact: who was a member when the cluster was tidied last, or came into use.
const TIDIED: &str = "tidied";

/// Remembers that the cluster is in use from now on.
pub async fn note_in_use(handle: &Handle, view: &View) {
    handle.remember(IN_USE, true.into()).await;
    if !view.facts.contains_key(TIDIED) {
        let members: Vec<&String> = view.target.iter().filter(|name| view.deployed(name)).collect();
        handle.remember(TIDIED, json!(members)).await;
    }
}

/// All is at rest: begins the operation if the cluster has grown. While that is refused, because an operator has begun one, it
/// is tried again with the next look.
pub(super) async fn tidy(handle: &Handle, view: &View, operation: &str) {
    handle.remember(IN_USE, true.into()).await;
    let Some(grown) = last_joined(view) else {
        // Also who has left since: when one of that name joins again, the cluster grows again.
        return handle.remember(TIDIED, json!(view.target)).await;
    };
    // Another task is another arrival; ids of operations are short.
    let task = view.instances.get(grown).and_then(|i| i.task_id.as_deref()).unwrap_or_default();
    let arrival = task.char_indices().rev().nth(7).map_or(task, |(at, _)| &task[at..]);
    let command = Command::Operate {
        id: format!("{operation}-after-{grown}-{arrival}"),
        operation: operation.into(),
        instances: view.target.clone(),
        arguments: Map::new(),
    };
    match handle.command(command).await {
        Ok(_) => handle.remember(TIDIED, json!(view.target)).await,
        Err(problem) => {
            tracing::info!(%problem, grown, operation, "not begun yet after the cluster has grown")
        }
    }
}

/// The last of those who are wanted and were no members when the cluster was tidied last. None also if that is not known: it
/// has only just come into use.
fn last_joined(view: &View) -> Option<&str> {
    let tidied = view.facts.get(TIDIED)?.as_array()?;
    let joined = |name: &&String| !tidied.iter().any(|member| member.as_str() == Some(name));
    view.target.iter().filter(joined).map(String::as_str).next_back()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn grown(target: &[&str], tidied: Value) -> Option<String> {
        let mut view = View { target: target.iter().map(|n| (*n).to_owned()).collect(), ..View::default() };
        view.facts = [(TIDIED.to_owned(), tidied)].into();
        last_joined(&view).map(str::to_owned)
    }

    #[test]
    fn who_was_no_member_has_joined() {
        let two = ["node-0", "node-1"];
        assert_eq!(grown(&two, json!(["node-0"])), Some("node-1".into()));
        assert_eq!(grown(&["a", "b", "c"], json!(["a"])), Some("c".into()), "one operation for all of them");
        assert_eq!(grown(&two, json!(["node-0", "node-1"])), None, "also if one of them was replaced");
        assert_eq!(grown(&two, json!(["node-0", "node-1", "node-2"])), None, "it has shrunk");
        assert_eq!(last_joined(&View { target: vec!["a".into()], ..View::default() }), None);
    }
}

//! The tasks of one framework, to be found by their ids and by their agents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cairn_mesos::v1::{Task, TaskState};

use super::status;
use crate::packed::Packed;

/// What is kept of a task: there are many, and most just run.
#[derive(Debug, Clone)]
struct Kept {
    /// To be counted without looking into the task.
    state: TaskState,
    task: Packed<Task>,
}

impl Kept {
    fn of(task: &Task) -> Self {
        Self { state: status::state_of(task), task: Packed::new(task) }
    }
}

/// Tasks by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    by_id: BTreeMap<Arc<str>, Kept>,
    by_agent: BTreeMap<String, BTreeSet<Arc<str>>>,
}

impl Tasks {
    pub(crate) fn get(&self, id: &str) -> Option<Task> {
        self.by_id.get(id).map(|kept| kept.task.open())
    }

    /// Change everything but the id and the agent of a task. `None`: there is none of this id.
    pub(crate) fn change<T>(&mut self, id: &str, change: impl FnOnce(&mut Task) -> T) -> Option<T> {
        let kept = self.by_id.get_mut(id)?;
        let mut task = kept.task.open();
        let outcome = change(&mut task);
        *kept = Kept::of(&task);
        Some(outcome)
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = Task> {
        self.by_id.values().map(|kept| kept.task.open())
    }

    /// The state of each.
    pub(crate) fn states(&self) -> impl Iterator<Item = TaskState> {
        self.by_id.values().map(|kept| kept.state)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Add a task, in the place of one with the same id.
    pub(crate) fn insert(&mut self, task: &Task) {
        self.remove(&task.task_id.value);
        let id: Arc<str> = task.task_id.value.as_str().into();
        self.by_agent.entry(task.agent_id.value.clone()).or_default().insert(Arc::clone(&id));
        self.by_id.insert(id, Kept::of(task));
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Task> {
        let task = self.by_id.remove(id)?.task.open();
        if let Some(there) = self.by_agent.get_mut(&task.agent_id.value) {
            there.remove(id);
            if there.is_empty() {
                self.by_agent.remove(&task.agent_id.value);
            }
        }
        Some(task)
    }

    /// Take all out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Task> + use<> {
        std::mem::take(self).by_id.into_values().map(|kept| kept.task.open())
    }

    /// The agents that have any.
    pub(crate) fn agents(&self) -> impl Iterator<Item = &String> {
        self.by_agent.keys()
    }

    pub(crate) fn has_on(&self, agent: &str) -> bool {
        self.by_agent.contains_key(agent)
    }

    /// Take out what is on this agent and of which `which` says so.
    pub(crate) fn take_on(&mut self, agent: &str, which: impl Fn(&str) -> bool) -> Vec<Task> {
        let there: Vec<Arc<str>> =
            self.by_agent.get(agent).into_iter().flatten().filter(|id| which(id)).cloned().collect();
        there.iter().filter_map(|id| self.remove(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use cairn_mesos::v1::{AgentId, TaskId};

    use super::*;

    fn task(id: &str, agent: &str) -> Task {
        let (task_id, agent_id) = (TaskId { value: id.to_owned() }, AgentId { value: agent.to_owned() });
        Task { task_id, agent_id, ..Task::default() }
    }

    #[test]
    fn a_task_is_found_where_it_is_and_nowhere_else() {
        let mut tasks = Tasks::default();
        tasks.insert(&task("t", "a"));
        tasks.insert(&task("u", "a"));
        tasks.insert(&task("t", "b"));
        assert_eq!((tasks.has_on("a"), tasks.has_on("b")), (true, true));
        assert_eq!(tasks.take_on("a", |_| true), [task("u", "a")]);
        assert!(!tasks.has_on("a") && tasks.contains("t"));
        assert!(tasks.take_on("b", |id| id != "t").is_empty());
        assert_eq!(tasks.remove("t"), Some(task("t", "b")));
        assert!(!tasks.has_on("b"));
    }

    #[test]
    fn a_change_is_there_when_the_task_is_looked_at_again() {
        let mut tasks = Tasks::default();
        tasks.insert(&task("t", "a"));
        let running = TaskState::TaskRunning;
        assert_eq!(tasks.change("t", |task| std::mem::replace(&mut task.state, running as i32)), Some(0));
        assert_eq!(tasks.get("t").map(|task| task.state()), Some(running));
        assert_eq!(tasks.states().collect::<Vec<_>>(), [running]);
        assert_eq!(tasks.change("u", |_| ()), None);
    }
}

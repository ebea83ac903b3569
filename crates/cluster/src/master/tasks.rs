//! The tasks of one framework, to be found by their ids and by their agents.

use std::collections::{BTreeMap, BTreeSet};

use cairn_mesos::v1::Task;

/// Tasks by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tasks {
    by_id: BTreeMap<String, Task>,
    by_agent: BTreeMap<String, BTreeSet<String>>,
}

impl Tasks {
    pub(crate) fn get(&self, id: &str) -> Option<&Task> {
        self.by_id.get(id)
    }

    /// The task, to be changed in everything but its id and its agent.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Task> {
        self.by_id.get_mut(id)
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Task> {
        self.by_id.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Add a task, in the place of one with the same id.
    pub(crate) fn insert(&mut self, task: Task) {
        let id = task.task_id.value.clone();
        self.remove(&id);
        self.by_agent.entry(task.agent_id.value.clone()).or_default().insert(id.clone());
        self.by_id.insert(id, task);
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Task> {
        let task = self.by_id.remove(id)?;
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
        std::mem::take(self).by_id.into_values()
    }

    pub(crate) fn has_on(&self, agent: &str) -> bool {
        self.by_agent.contains_key(agent)
    }

    /// Take out what is on this agent and of which `which` says so.
    pub(crate) fn take_on(&mut self, agent: &str, which: impl Fn(&str) -> bool) -> Vec<Task> {
        let there: Vec<String> =
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
        tasks.insert(task("t", "a"));
        tasks.insert(task("u", "a"));
        tasks.insert(task("t", "b"));
        assert_eq!((tasks.has_on("a"), tasks.has_on("b")), (true, true));
        assert_eq!(tasks.take_on("a", |_| true), [task("u", "a")]);
        assert!(!tasks.has_on("a") && tasks.contains("t"));
        assert!(tasks.take_on("b", |id| id != "t").is_empty());
        assert_eq!(tasks.remove("t"), Some(task("t", "b")));
        assert!(!tasks.has_on("b"));
    }
}

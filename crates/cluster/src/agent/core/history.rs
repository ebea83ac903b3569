//! What is over, for operators to look at: the last tasks and executors, until the agent's process ends.

use std::collections::VecDeque;

use cairn_mesos::v1::{ExecutorInfo, FrameworkInfo, Task};

/// How many are kept.
const KEPT: usize = 200;

/// An executor that has ended.
#[derive(Debug, Clone)]
pub(crate) struct PastExecutor {
    pub(crate) framework: FrameworkInfo,
    pub(crate) info: ExecutorInfo,
    pub(crate) container: String,
}

/// The last that have ended, the oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    tasks: VecDeque<(String, Task)>,
    executors: VecDeque<PastExecutor>,
}

impl History {
    pub(super) fn add_task(&mut self, container: &str, task: Task) {
        self.tasks.push_back((container.to_owned(), task));
        if self.tasks.len() > KEPT {
            self.tasks.pop_front();
        }
    }

    pub(super) fn add_executor(&mut self, executor: PastExecutor) {
        self.executors.push_back(executor);
        if self.executors.len() > KEPT {
            self.executors.pop_front();
        }
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().map(|(_, task)| task)
    }

    pub(crate) fn tasks_of(&self, container: &str) -> impl Iterator<Item = &Task> {
        self.tasks.iter().filter(move |(owner, _)| owner == container).map(|(_, task)| task)
    }

    pub(crate) fn executors(&self) -> impl Iterator<Item = &PastExecutor> {
        self.executors.iter()
    }
}

//! What runs: containers as `/proc` shows them, whatever anybody says of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::processes::{self, Process};

/// What runs of one task.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its executor.
    pub executor: Option<i32>,
    /// The processes of its server, each after the one that started it.
    pub server: Vec<i32>,
}

/// Containers by framework id and task id.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Sight(BTreeMap<(String, String), Container>);

impl Sight {
    /// What runs below a folder now.
    pub fn of(folder: &Path) -> Self {
        let mut containers: BTreeMap<_, Vec<Process>> = BTreeMap::new();
        for process in processes::below(folder) {
            if let Some(key) = task(&process.folder) {
                containers.entry(key).or_default().push(process);
            }
        }
        Self(containers.into_iter().map(|(key, processes)| (key, container(&processes))).collect())
    }

    /// The container of a task.
    pub fn container(&self, framework: &str, task: &str) -> Container {
        self.0.get(&(framework.to_owned(), task.to_owned())).cloned().unwrap_or_default()
    }

    /// The container of a task, of whatever framework.
    pub fn any(&self, task: &str) -> Container {
        let found = self.0.iter().find(|((_, name), _)| name == task);
        found.map(|(_, container)| container.clone()).unwrap_or_default()
    }

    /// Instances that have more than one server running, with their tasks.
    pub fn twice(&self) -> Vec<String> {
        let mut tasks: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for ((framework, task), container) in &self.0 {
            if !container.server.is_empty() {
                let instance = task.rsplit_once('.').map_or(task.as_str(), |(name, _)| name);
                tasks.entry((framework, instance)).or_default().insert(task);
            }
        }
        tasks.values().filter(|tasks| tasks.len() > 1).map(|tasks| format!("{tasks:?}")).collect()
    }
}

/// Framework and task of a sandbox: `…/frameworks/ID/executors/TASK/runs/CONTAINER`, as Mesos lays it out.
fn task(folder: &Path) -> Option<(String, String)> {
    let parts: Vec<&str> = folder.iter().filter_map(|part| part.to_str()).collect();
    let at = parts.iter().position(|part| *part == "frameworks")?;
    match parts[at..] {
        [_, framework, "executors", task, "runs", ..] => Some((framework.to_owned(), task.to_owned())),
        _ => None,
    }
}

fn container(processes: &[Process]) -> Container {
    let is_executor = |process: &&Process| process.command.starts_with("cairn executor");
    let executor = processes.iter().find(is_executor).map(|process| process.pid);
    // What has just been started for the executor and is still its copy has no command line of its own.
    let server: Vec<&Process> = processes.iter().filter(|process| !is_executor(process)).collect();
    let mut ordered: Vec<i32> = Vec::new();
    let mut left: Vec<(i32, Option<i32>)> = server.iter().map(|p| (p.pid, p.parent())).collect();
    let ids: BTreeSet<i32> = left.iter().map(|(pid, _)| *pid).collect();
    while !left.is_empty() {
        let ready = |(_, parent): &(i32, Option<i32>)| {
            parent.is_none_or(|parent| !ids.contains(&parent) || ordered.contains(&parent))
        };
        let (now, later): (Vec<_>, Vec<_>) = left.into_iter().partition(ready);
        if now.is_empty() {
            break;
        }
        ordered.extend(now.into_iter().map(|(pid, _)| pid));
        left = later;
    }
    Container { executor, server: ordered }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_tells_its_framework_and_task() {
        let sandbox = "/t/agent-0/slaves/S0/frameworks/F-1/executors/broker-0.u/runs/c/lib";
        assert_eq!(task(Path::new(sandbox)), Some(("F-1".into(), "broker-0.u".into())));
        assert_eq!(task(Path::new("/t/agent-0/meta")), None);
    }

    #[test]
    fn two_tasks_of_an_instance_are_twice_only_while_both_have_servers() {
        let runs = |pid| Container { executor: Some(1), server: vec![pid] };
        let key = |task: &str| ("F".to_owned(), task.to_owned());
        let mut sight = Sight(BTreeMap::from([(key("broker-0.a"), runs(2)), (key("broker-1.b"), runs(3))]));
        assert!(sight.twice().is_empty());
        sight.0.insert(key("broker-0.c"), Container { executor: Some(4), server: Vec::new() });
        assert!(sight.twice().is_empty(), "an executor alone is no server");
        sight.0.insert(key("broker-0.c"), runs(5));
        assert_eq!(sight.twice().len(), 1);
    }
}

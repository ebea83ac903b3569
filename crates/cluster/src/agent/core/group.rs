//! The default executor: task groups, as the executor of that name which comes with Mesos runs them. It has no process
//! of its own; each task is a command in a container that is nested in the executor's.

use std::time::Duration;

use cairn_mesos::v1::{ExecutorInfo, FrameworkInfo, TaskInfo, TaskState};

use super::container::{Container, Key, Kind, Phase, TaskEntry, Verdict};
use super::master::uuid_text;
use super::status::Words;
use super::{Context, Core, Effect, Record};
use crate::agent::runner::Update;

impl Core {
    /// Starts a group of tasks, and their executor if it is not there yet.
    pub(super) fn run_group(
        &mut self,
        key: Key,
        framework: FrameworkInfo,
        executor: ExecutorInfo,
        tasks: Vec<TaskInfo>,
        cx: &mut Context<'_>,
    ) {
        let parent = match self.live_id(&key) {
            Some(id) => id,
            None => self.default_executor(key, framework, executor, cx),
        };
        let known = |task: &TaskInfo| {
            self.nested(&parent).any(|c| c.tasks.iter().any(|t| t.info.task_id == task.task_id))
        };
        // A launch that is repeated because the link broke must not start a task twice.
        let fresh: Vec<TaskInfo> = tasks.into_iter().filter(|task| !known(task)).collect();
        let group = self.nested(&parent).flat_map(|c| c.tasks.iter().filter_map(|t| t.group)).max();
        let group = group.map_or(0, |last| last + 1);
        let ids: Vec<String> =
            fresh.into_iter().filter_map(|task| self.add_nested(&parent, task, group, cx)).collect();
        for id in ids {
            self.start_nested(&parent, &id, cx);
        }
        self.end_if_empty(&parent, cx);
    }

    fn default_executor(
        &mut self,
        key: Key,
        framework: FrameworkInfo,
        info: ExecutorInfo,
        cx: &mut Context<'_>,
    ) -> String {
        let container = Container {
            phase: Phase::Running,
            ..self.new_container(Kind::Default, key, framework, info, cx)
        };
        let id = container.id.clone();
        let volumes = self.volumes(container.info.resources.iter());
        self.containers.insert(id.clone(), container);
        cx.save(&id);
        match volumes {
            Ok(volumes) if volumes.is_empty() => {}
            Ok(volumes) => cx.push(Effect::Update(id.clone(), Update { volumes, ..Update::default() })),
            Err(why) => self.update_failed(&id, &why, cx),
        }
        id
    }

    fn add_nested(
        &mut self,
        parent: &str,
        task: TaskInfo,
        group: u32,
        cx: &mut Context<'_>,
    ) -> Option<String> {
        let id = uuid_text(cx.ids.uuid());
        let executor = self.containers.get(parent)?;
        let mut container = Container {
            id: id.clone(),
            parent: Some(parent.to_owned()),
            kind: Kind::Command,
            sandbox: executor.sandbox.join("containers").join(&id),
            phase: Phase::Preparing,
            ..executor.clone()
        };
        container.tasks = vec![TaskEntry::new(task, Some(group))];
        self.containers.insert(id.clone(), container);
        cx.save(&id);
        Some(id)
    }

    fn start_nested(&mut self, parent: &str, id: &str, cx: &mut Context<'_>) {
        let (Some(executor), Some(container)) = (self.containers.get(parent), self.containers.get(id)) else {
            return;
        };
        if matches!(executor.phase, Phase::Stopping { .. }) {
            return self.started(id, Err("the executor is shutting down".to_owned()), cx);
        }
        let plan = self.nested_plan(executor, container);
        let task = container.tasks.first().map(|t| t.id().to_owned()).unwrap_or_default();
        self.report(id, &task, TaskState::TaskStarting, Words::default(), cx);
        match plan {
            Ok(plan) => cx.push(Effect::Start(Box::new(plan))),
            Err(why) => self.started(id, Err(why), cx),
        }
    }

    /// A nested container is over: a task that did not finish takes its group with it, and the executor ends with its
    /// last task.
    pub(super) fn nested_over(&mut self, id: &str, cx: &mut Context<'_>) {
        let Some(container) = self.containers.get(id) else { return };
        let Some(parent) = container.parent.clone() else { return };
        let failed: Vec<u32> = container
            .tasks
            .iter()
            .filter(|t| t.state != TaskState::TaskFinished)
            .filter_map(|t| t.group)
            .collect();
        let in_failed = |c: &&Container| c.tasks.iter().any(|t| t.group.is_some_and(|g| failed.contains(&g)));
        let siblings: Vec<String> =
            self.nested(&parent).filter(|c| !c.is_over()).filter(in_failed).map(|c| c.id.clone()).collect();
        for sibling in siblings {
            self.kill_nested(&sibling, cx);
        }
        self.end_if_empty(&parent, cx);
    }

    /// Stops the executor: by way of its tasks.
    pub(super) fn shut_down_nested(&mut self, parent: &str, verdict: Option<Verdict>, cx: &mut Context<'_>) {
        if let Some(executor) = self.containers.get_mut(parent) {
            executor.phase = Phase::Stopping { until: None };
            executor.verdict = verdict;
        }
        let nested: Vec<String> =
            self.nested(parent).filter(|c| !c.is_over()).map(|c| c.id.clone()).collect();
        for id in nested {
            self.kill_nested(&id, cx);
        }
        self.end_if_empty(parent, cx);
    }

    fn kill_nested(&mut self, id: &str, cx: &mut Context<'_>) {
        let Some(container) = self.containers.get(id) else { return };
        let framework = container.key.framework.clone();
        let tasks: Vec<String> = container
            .tasks
            .iter()
            .filter(|t| !t.is_over() && t.kill.is_none())
            .map(|t| t.id().to_owned())
            .collect();
        for task in tasks {
            self.kill(&framework, &task, None, cx);
        }
    }

    fn end_if_empty(&mut self, parent: &str, cx: &mut Context<'_>) {
        let Some(executor) = self.containers.get(parent) else { return };
        if executor.is_over() || self.nested(parent).any(|c| !c.is_over()) {
            return;
        }
        self.exited(parent, Some(0), cx);
    }

    /// Executors whose last task ended while no agent was there.
    pub(super) fn drop_empty_executors(&mut self) -> Vec<Effect> {
        let is_empty = |c: &&Container| c.kind == Kind::Default && self.nested(&c.id).all(Container::is_over);
        let empty: Vec<String> = self.containers.values().filter(is_empty).map(|c| c.id.clone()).collect();
        self.containers.retain(|id, _| !empty.contains(id));
        empty.into_iter().map(|id| Effect::Save(Record::Container(id))).collect()
    }

    /// Nothing nested may take longer to end than its executor may.
    pub(super) fn most_grace(&self, id: &str) -> Duration {
        let parent = self.containers.get(id).and_then(|c| self.containers.get(c.parent.as_ref()?));
        match parent {
            Some(executor) if matches!(executor.phase, Phase::Stopping { .. }) => {
                executor.grace(self.settings.timeouts.shutdown_grace)
            }
            _ => Duration::MAX,
        }
    }

    fn nested(&self, parent: &str) -> impl Iterator<Item = &Container> {
        self.containers.values().filter(move |c| c.parent.as_deref() == Some(parent))
    }
}

//! What the master says.

use std::time::Duration;

use cairn_mesos::v1::{
    ExecutorInfo, FrameworkInfo, KillPolicy, TaskInfo, TaskState,
    executor::{Event as ExecutorEvent, event},
    executor_info,
    task_status::{Reason, Source},
};
use cairn_planted::planted;

use super::container::{Container, Key, Kind, Phase, TaskEntry, Verdict};
use super::planted::Bug;
use super::status::{self, Words};
use super::{Context, Core, Effect, Record};
use crate::agent::runner::Update;
use crate::wire::{FromAgent, ToAgent};

impl Core {
    /// Says who this is and what runs here.
    pub(super) fn link_up(&mut self, cx: &mut Context<'_>) {
        self.registered = false;
        let alive = || self.containers.values().filter(|c| !c.forget);
        let frameworks = self.frameworks();
        let executors = alive()
            .filter(|c| c.kind != Kind::Command && !c.is_over())
            .filter_map(|c| Some((c.framework.id.clone()?, c.info.clone())))
            .collect();
        let tasks = alive()
            .flat_map(|c| c.tasks.iter().map(move |t| (c, t)))
            .filter(|(_, t)| !t.is_over() || !t.updates.is_empty())
            .filter(|(_, t)| !planted(Bug::HideStaging) || t.state != TaskState::TaskStaging)
            .map(|(c, t)| status::task(c, t))
            .collect();
        let resources = self.resources.clone().unwrap_or_else(|| self.settings.resources.clone());
        cx.tell_master(FromAgent::Register {
            info: self.agent_info(),
            ip: self.settings.ip.clone(),
            resources,
            frameworks,
            executors,
            tasks,
        });
    }

    /// The frameworks that have something here.
    pub(crate) fn frameworks(&self) -> Vec<FrameworkInfo> {
        let mut frameworks: Vec<FrameworkInfo> = Vec::new();
        for container in self.containers.values().filter(|c| !c.forget) {
            if !frameworks.iter().any(|f| f.id == container.framework.id) {
                frameworks.push(container.framework.clone());
            }
        }
        frameworks
    }

    pub(super) fn master(&mut self, message: ToAgent, cx: &mut Context<'_>) {
        match message {
            ToAgent::Registered { agent_id } => self.registered(agent_id, cx),
            ToAgent::RunTasks { framework, executor, tasks, group } => {
                self.run_tasks(framework, executor, tasks, group, cx);
            }
            ToAgent::Kill { framework_id, task_id, kill_policy } => {
                self.kill(&framework_id.value, &task_id.value, kill_policy, cx);
            }
            ToAgent::ShutdownFramework { framework_id } => self.forget_framework(&framework_id.value, cx),
            ToAgent::ShutdownExecutor { framework_id, executor_id } => {
                let key = Key { framework: framework_id.value, executor: executor_id.value };
                if let Some(id) = self.live_id(&key) {
                    self.shut_down(&id, None, cx);
                }
            }
            ToAgent::Acknowledge { framework_id, task_id, uuid } => {
                self.acknowledge(&framework_id.value, &task_id.value, &uuid, cx);
            }
            ToAgent::MessageToExecutor { framework_id, executor_id, data } => {
                let key = Key { framework: framework_id.value, executor: executor_id.value };
                if self.live(&key).is_none_or(|executor| !executor.listens()) {
                    self.counts.invalid_messages += 1;
                } else {
                    self.counts.valid_messages += 1;
                    let message = event::Message { data };
                    cx.push(Effect::ToExecutor(
                        key,
                        Box::new(executor_event(event::Type::Message, |e| {
                            e.message = Some(message);
                        })),
                    ));
                }
            }
            ToAgent::Checkpoint { resources, destroyed } => self.checkpoint(resources, &destroyed, cx),
            ToAgent::Drain { config } => self.drain(config, cx),
            ToAgent::Shutdown { for_good } => self.leave(for_good, cx),
            ToAgent::FrameworkUpdated { framework } => {
                let changed = |c: &&mut Container| c.framework.id == framework.id && c.framework != framework;
                for container in self.containers.values_mut().filter(changed) {
                    container.framework = framework.clone();
                    cx.save(&container.id);
                }
                self.resend(|container| container.framework.id == framework.id, cx);
            }
        }
    }

    fn registered(&mut self, agent_id: cairn_mesos::v1::AgentId, cx: &mut Context<'_>) {
        if self.id.as_ref() != Some(&agent_id) {
            self.id = Some(agent_id);
            cx.push(Effect::Save(Record::Agent));
            // Until the master hears the id from it, it launches nothing here.
            return self.link_up(cx);
        }
        self.registered = true;
        // Where it is to go on, the master says so again.
        self.draining = None;
        if !planted(Bug::NoResend) {
            self.resend(|_| true, cx);
        }
    }

    /// Tells at once what nobody has acknowledged: whoever was told before may not be there any more.
    fn resend(&mut self, whose: impl Fn(&Container) -> bool, cx: &mut Context<'_>) {
        for (container, task) in self.all_tasks() {
            let owner = self.containers.get_mut(&container).filter(|owner| whose(owner));
            let Some(entry) = owner.and_then(|owner| owner.task(&task)) else { continue };
            entry.updates.restart();
            self.send_first(&container, &task, cx);
        }
    }

    fn run_tasks(
        &mut self,
        framework: FrameworkInfo,
        executor: ExecutorInfo,
        tasks: Vec<TaskInfo>,
        group: bool,
        cx: &mut Context<'_>,
    ) {
        let Some(framework_id) = framework.id.clone() else { return };
        let key = Key { framework: framework_id.value, executor: executor.executor_id.value.clone() };
        if executor.r#type() == executor_info::Type::Default {
            return self.run_group(key, framework, executor, tasks, cx);
        }
        match self.live_id(&key) {
            Some(id) => self.run_more(&id, tasks, group, cx),
            None => self.run_first(key, framework, executor, tasks, group, cx),
        }
    }

    /// Tasks for an executor that exists already.
    fn run_more(&mut self, id: &str, tasks: Vec<TaskInfo>, group: bool, cx: &mut Context<'_>) {
        let volumes = self.volumes(tasks.iter().flat_map(|t| &t.resources));
        let Some(owner) = self.containers.get_mut(id) else { return };
        // A launch that is repeated because the link broke must not start a task twice.
        let fresh: Vec<TaskInfo> =
            tasks.into_iter().filter(|t| owner.task(&t.task_id.value).is_none()).collect();
        let names: Vec<String> = fresh.iter().map(|t| t.task_id.value.clone()).collect();
        owner.add(fresh, group);
        let (user, limits) = (owner.user().to_owned(), owner.limits());
        let (stopping, listens) = (matches!(owner.phase, Phase::Stopping { .. }), owner.listens());
        cx.save(id);
        let refusal = match volumes {
            _ if stopping => Some((Reason::ExecutorTerminated, "Executor terminating".to_owned())),
            Err(why) => Some((Reason::ContainerUpdateFailed, why)),
            Ok(volumes) => {
                cx.push(Effect::Update(id.to_owned(), Update { volumes, user, limits }));
                None
            }
        };
        match refusal {
            Some((reason, why)) => {
                for name in names {
                    self.report(id, &name, TaskState::TaskFailed, Words::agent(reason, &why), cx);
                }
            }
            None if listens => self.deliver(id, cx),
            None => {}
        }
    }

    fn run_first(
        &mut self,
        key: Key,
        framework: FrameworkInfo,
        executor: ExecutorInfo,
        tasks: Vec<TaskInfo>,
        group: bool,
        cx: &mut Context<'_>,
    ) {
        let is_command = executor.r#type.is_none() && tasks.iter().any(|t| t.command.is_some());
        let kind = if is_command { Kind::Command } else { Kind::Custom };
        let mut container = self.new_container(kind, key, framework, executor, cx);
        let id = container.id.clone();
        container.add(tasks, group);
        let plan = self.plan(&container);
        self.containers.insert(id.clone(), container);
        cx.save(&id);
        match plan {
            Ok(plan) => cx.push(Effect::Start(Box::new(plan))),
            Err(why) => self.started(&id, Err(why), cx),
        }
    }

    /// A new container, without tasks, that nobody knows yet.
    pub(super) fn new_container(
        &self,
        kind: Kind,
        key: Key,
        framework: FrameworkInfo,
        info: ExecutorInfo,
        cx: &mut Context<'_>,
    ) -> Container {
        let id = uuid_text(cx.ids.uuid());
        Container {
            sandbox: self.sandbox(&key.framework, &key.executor, &id),
            id,
            parent: None,
            key,
            kind,
            framework,
            info,
            phase: Phase::Preparing,
            process: None,
            verdict: None,
            forget: false,
            tasks: Vec::new(),
            sent: false,
            acknowledged: std::collections::VecDeque::new(),
        }
    }

    pub(super) fn kill(
        &mut self,
        framework: &str,
        task: &str,
        policy: Option<KillPolicy>,
        cx: &mut Context<'_>,
    ) {
        let Some(id) = self.owner_of(framework, task) else { return };
        let Some(owner) = self.containers.get_mut(&id) else { return };
        let (kind, listens, key, preparing) =
            (owner.kind, owner.listens(), owner.key.clone(), owner.phase == Phase::Preparing);
        let Some(entry) = owner.task(task) else { return };
        if entry.is_over() {
            return;
        }
        let delivered = entry.delivered;
        entry.kill = Some(policy);
        cx.save(&id);
        if !delivered || (kind == Kind::Command && preparing) {
            let words =
                Words::agent(Reason::TaskKilledDuringLaunch, "Killed before delivery to the executor");
            let words = Words { source: Some(Source::Agent), ..words };
            self.report(&id, task, TaskState::TaskKilled, words, cx);
            self.shut_down_if_idle(&id, cx);
        } else if kind == Kind::Command {
            self.kill_command(&id, task, policy, cx);
        } else if listens {
            cx.push(Effect::ToExecutor(key, Box::new(kill_event(task, policy))));
        }
    }

    /// An executor that never had a task, because all were killed while it started, is of no use.
    fn shut_down_if_idle(&mut self, id: &str, cx: &mut Context<'_>) {
        let Some(owner) = self.containers.get(id) else { return };
        let idle = owner.tasks.iter().all(TaskEntry::is_over);
        let starting = matches!(owner.phase, Phase::Preparing | Phase::Registering { .. });
        if idle && starting {
            self.shut_down(id, None, cx);
        }
    }

    pub(super) fn forget_framework(&mut self, framework: &str, cx: &mut Context<'_>) {
        let ids: Vec<String> =
            self.containers.values().filter(|c| c.key.framework == framework).map(|c| c.id.clone()).collect();
        for id in ids {
            let Some(owner) = self.containers.get_mut(&id) else { continue };
            owner.forget = true;
            for task in &mut owner.tasks {
                task.updates = super::updates::Updates::default();
            }
            cx.save(&id);
            if owner.is_over() {
                self.forget_if_done(&id, cx);
            } else {
                self.shut_down(&id, None, cx);
            }
        }
    }

    /// Ends an executor: politely if it listens.
    pub(super) fn shut_down(&mut self, id: &str, verdict: Option<Verdict>, cx: &mut Context<'_>) {
        let default = self.settings.timeouts.shutdown_grace;
        let Some(owner) = self.containers.get_mut(id) else { return };
        if matches!(owner.phase, Phase::Stopping { .. } | Phase::Over) {
            return;
        }
        if owner.kind == Kind::Default {
            return self.shut_down_nested(id, verdict, cx);
        }
        let grace = owner.grace(default);
        // Nobody asked for its end: as with Mesos, what broke its word has no time to tidy up.
        let unpolite = if verdict.is_some() { Duration::ZERO } else { grace };
        owner.verdict = verdict;
        let polite = owner.listens();
        owner.phase = Phase::Stopping { until: polite.then(|| cx.now.at + grace) };
        let key = owner.key.clone();
        if polite {
            cx.push(Effect::ToExecutor(key, Box::new(executor_event(event::Type::Shutdown, |_| {}))));
        } else {
            // One that is still being prepared stops fetching.
            cx.push(Effect::End(id.to_owned(), unpolite));
        }
        if planted(Bug::EndsAtOnce) {
            self.over(id, None, cx);
        }
    }

    fn acknowledge(&mut self, framework: &str, task: &str, uuid: &[u8], cx: &mut Context<'_>) {
        let Some((id, listens, status)) = self.containers.values_mut().find_map(|c| {
            if c.key.framework != framework {
                return None;
            }
            let status = c.task(task)?.updates.acknowledge(uuid)?;
            c.remember(uuid.to_vec());
            Some((c.id.clone(), c.listens(), status))
        }) else {
            return;
        };
        let key = self.containers.get(&id).map(|c| c.key.clone());
        self.remember_task(&id, task);
        if let Some(owner) = self.containers.get_mut(&id) {
            owner.tasks.retain(|t| t.id() != task || !t.is_over() || !t.updates.is_empty());
        }
        cx.save(&id);
        if let Some(key) = key.filter(|_| listens && status.source() == Source::Executor) {
            cx.push(Effect::ToExecutor(key, Box::new(acknowledged_event(task, uuid))));
        }
        self.send_first(&id, task, cx);
        self.forget_if_done(&id, cx);
    }

    /// Drops a container of which nothing is left and nothing is to be told.
    pub(super) fn forget_if_done(&mut self, id: &str, cx: &mut Context<'_>) {
        let Some(owner) = self.containers.get(id) else { return };
        let told = owner.tasks.iter().all(|t| t.is_over() && t.updates.is_empty());
        if owner.is_over() && (told || owner.forget) {
            self.remember_executor(id);
            self.containers.remove(id);
            cx.save(id);
        }
    }

    fn owner_of(&self, framework: &str, task: &str) -> Option<String> {
        self.containers
            .values()
            .find(|c| c.key.framework == framework && c.tasks.iter().any(|t| t.id() == task && !t.is_over()))
            .map(|c| c.id.clone())
    }

    pub(super) fn all_tasks(&self) -> Vec<(String, String)> {
        self.containers
            .values()
            .flat_map(|c| c.tasks.iter().map(|t| (c.id.clone(), t.id().to_owned())))
            .collect()
    }
}

impl Container {
    fn add(&mut self, tasks: Vec<TaskInfo>, group: bool) {
        let number = self.tasks.iter().filter_map(|t| t.group).max().map_or(0, |n| n + 1);
        self.tasks.extend(tasks.into_iter().map(|info| TaskEntry::new(info, group.then_some(number))));
    }
}

pub(super) fn executor_event(kind: event::Type, fill: impl FnOnce(&mut ExecutorEvent)) -> ExecutorEvent {
    let mut event = ExecutorEvent { r#type: Some(kind as i32), ..ExecutorEvent::default() };
    fill(&mut event);
    event
}

pub(super) fn kill_event(task: &str, policy: Option<KillPolicy>) -> ExecutorEvent {
    let task_id = cairn_mesos::v1::TaskId { value: task.to_owned() };
    executor_event(event::Type::Kill, |e| e.kill = Some(event::Kill { task_id, kill_policy: policy }))
}

pub(super) fn acknowledged_event(task: &str, uuid: &[u8]) -> ExecutorEvent {
    let task_id = cairn_mesos::v1::TaskId { value: task.to_owned() };
    let acknowledged = event::Acknowledged { task_id, uuid: uuid.to_vec() };
    executor_event(event::Type::Acknowledged, |e| e.acknowledged = Some(acknowledged))
}

pub(super) fn uuid_text(bytes: [u8; 16]) -> String {
    uuid::Uuid::from_bytes(bytes).to_string()
}

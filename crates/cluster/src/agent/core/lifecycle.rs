//! Start, end and timeouts of containers.

use std::time::Duration;

use cairn_mesos::v1::task_status::Reason;
use cairn_mesos::v1::{ExecutorId, FrameworkId, TaskState};

use super::container::{Container, Kind, Phase, Verdict};
use super::plan::duration;
use super::status::{self, Words};
use super::{Context, Core, Effect, Now};
use crate::agent::checkpoint::ContainerRecord;
use crate::agent::process::ProcessId;
use crate::wire::FromAgent;

impl Core {
    /// Takes up the containers of an earlier agent process.
    pub(super) fn recover_containers(&mut self, records: Vec<ContainerRecord>, now: Now) -> Vec<Effect> {
        let until = now.at + self.settings.timeouts.reregistration;
        let mut effects = Vec::new();
        for record in records {
            let Some(mut container) = Container::recovered(record, &self.settings.boot, until) else {
                continue;
            };
            let id = container.id.clone();
            if !container.is_over() {
                if container.kind != Kind::Default {
                    effects.push(Effect::Wait(id.clone()));
                }
                // The executor of a framework without checkpoints does not wait for a lost agent, and the master has told the
                // framework so. What was to be forgotten already was being ended.
                if container.forget || !container.framework.checkpoint() {
                    container.forget = true;
                    container.phase = Phase::Stopping { until: None };
                    if container.kind != Kind::Default {
                        effects.push(Effect::End(id.clone(), Duration::ZERO));
                    }
                }
            }
            if container.kind == Kind::Command && container.phase == Phase::Running {
                for task in container.tasks.iter_mut().filter(|t| !t.is_over() && t.kill.is_none()) {
                    task.runs(now.at);
                }
            }
            self.containers.insert(id, container);
        }
        effects.extend(self.drop_empty_executors());
        effects
    }

    /// The runner started a container, or could not.
    pub(super) fn started(&mut self, id: &str, result: Result<ProcessId, String>, cx: &mut Context<'_>) {
        let until = cx.now.at + self.settings.timeouts.registration;
        let Some(owner) = self.containers.get_mut(id) else { return };
        match result {
            Ok(process) => {
                owner.process = Some(process);
                cx.save(id);
                cx.push(Effect::Wait(id.to_owned()));
                match (owner.phase, owner.kind) {
                    (Phase::Preparing, Kind::Custom | Kind::Default) => {
                        owner.phase = Phase::Registering { until }
                    }
                    (Phase::Preparing, Kind::Command) => self.command_started(id, cx),
                    (Phase::Stopping { .. }, _) => cx.push(Effect::End(id.to_owned(), Duration::ZERO)),
                    _ => {}
                }
            }
            Err(why) => {
                self.counts.launch_errors += 1;
                let message = format!("Failed to launch container: {why}");
                let verdict = Verdict::new(Reason::ContainerLaunchFailed, message);
                owner.verdict.get_or_insert(verdict);
                self.tell_exit(id, None, cx);
                self.over(id, None, cx);
            }
        }
    }

    /// Nothing is left of a container.
    pub(super) fn exited(&mut self, id: &str, status: Option<i32>, cx: &mut Context<'_>) {
        let Some(owner) = self.containers.get(id) else { return };
        if owner.kind == Kind::Command {
            self.command_exited(id, status, cx);
        }
        self.tell_exit(id, status, cx);
        self.over(id, status, cx);
    }

    /// The master counts what an executor uses until it hears that there is none any more.
    fn tell_exit(&self, id: &str, status: Option<i32>, cx: &mut Context<'_>) {
        let Some(owner) = self.containers.get(id) else { return };
        if owner.kind == Kind::Command || owner.forget {
            return;
        }
        let key = owner.key.clone();
        cx.tell_master(FromAgent::ExecutorExited {
            framework_id: FrameworkId { value: key.framework },
            executor_id: ExecutorId { value: key.executor },
            // Who is not the parent learns no status; the executor was most likely killed.
            status: status.unwrap_or(9),
        });
    }

    /// Closes a container: its remaining tasks have failed.
    pub(super) fn over(&mut self, id: &str, status: Option<i32>, cx: &mut Context<'_>) {
        let Some(owner) = self.containers.get_mut(id) else { return };
        owner.phase = Phase::Over;
        self.counts.executors_terminated += u64::from(owner.parent.is_none());
        let verdict = owner
            .verdict
            .clone()
            .unwrap_or_else(|| Verdict::new(Reason::ExecutorTerminated, "Executor terminated"));
        let left: Vec<String> =
            owner.tasks.iter().filter(|t| !t.is_over()).map(|t| t.id().to_owned()).collect();
        tracing::debug!(container = id, ?status, "container is gone");
        cx.save(id);
        for task in left {
            let words = Words::verdict(&verdict);
            self.report(id, &task, TaskState::TaskFailed, words, cx);
        }
        self.nested_over(id, cx);
        self.forget_if_done(id, cx);
    }

    /// A container is ended because it needed more memory than it may use.
    pub(super) fn out_of_memory(&mut self, id: &str, most: u64) {
        let Some(owner) = self.containers.get_mut(id) else { return };
        let allowed = owner.limits().mem_mib;
        owner.verdict.get_or_insert_with(|| Verdict::out_of_memory(allowed, most));
    }

    pub(super) fn update_failed(&mut self, id: &str, why: &str, cx: &mut Context<'_>) {
        let verdict = Verdict::new(Reason::ContainerUpdateFailed, why);
        self.shut_down(id, Some(verdict), cx);
    }

    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        let ids: Vec<String> = self.containers.keys().cloned().collect();
        for id in ids {
            self.check_phase(&id, cx);
            self.end_expired(&id, cx);
        }
        self.ask_checks(cx);
        self.repeat_updates(cx);
    }

    fn check_phase(&mut self, id: &str, cx: &mut Context<'_>) {
        let timeouts = self.settings.timeouts;
        let Some(owner) = self.containers.get_mut(id) else { return };
        let now = cx.now.at;
        match owner.phase {
            Phase::Registering { until } if until <= now => {
                let message = format!("Executor did not register within {}", duration(timeouts.registration));
                let verdict = Verdict::new(Reason::ExecutorRegistrationTimeout, message);
                self.shut_down(id, Some(verdict), cx);
            }
            Phase::Recovering { until } if until <= now => {
                let message =
                    format!("Executor did not reregister within {}", duration(timeouts.reregistration));
                let verdict = Verdict::new(Reason::ExecutorReregistrationTimeout, message);
                self.shut_down(id, Some(verdict), cx);
            }
            Phase::Stopping { until: Some(until) } if until <= now => {
                owner.phase = Phase::Stopping { until: None };
                cx.push(Effect::End(id.to_owned(), Duration::ZERO));
            }
            _ => {}
        }
    }

    fn repeat_updates(&mut self, cx: &mut Context<'_>) {
        if !self.registered {
            return;
        }
        for container in self.containers.values_mut() {
            let framework = container.key.framework.clone();
            for task in &mut container.tasks {
                let latest = task.state;
                if let Some(status) = task.updates.repeat(cx.now.at) {
                    cx.tell_master(status::update(&framework, status, latest));
                }
            }
        }
    }
}

//! Taking the agent out of use: draining it, and ending it, at the wish of the master's operator or of its own.

use cairn_mesos::v1::framework_info::capability::Type as Capability;
use cairn_mesos::v1::task_status::Reason;
use cairn_mesos::v1::{DrainConfig, KillPolicy, TaskState, TaskStatus};

use super::container::TaskEntry;
use super::{Context, Core, Effect, Record};
use crate::wire::FromAgent;

impl Core {
    /// Kill every task; `None`: go on as usual.
    pub(super) fn drain(&mut self, config: Option<DrainConfig>, cx: &mut Context<'_>) {
        self.draining = config;
        let Some(config) = config else { return };
        let mut doomed = Vec::new();
        for container in self.containers.values() {
            for entry in container.tasks.iter().filter(|entry| !entry.is_over()) {
                doomed.push((container.key.framework.clone(), entry.id().to_owned(), policy(entry, &config)));
            }
        }
        for (framework, task, policy) in doomed {
            self.kill(&framework, &task, policy, cx);
        }
    }

    /// An update that a drain has brought about says so.
    pub(super) fn blame_drain(&self, container: &str, status: &mut TaskStatus) {
        let Some(config) = &self.draining else { return };
        let killed = status.state() == TaskState::TaskKilled;
        if !killed && status.state() != TaskState::TaskKilling {
            return;
        }
        status.reason = Some(Reason::AgentDraining as i32);
        let capabilities = self.containers.get(container).map(|owner| &owner.framework.capabilities);
        let knows = capabilities
            .is_some_and(|all| all.iter().any(|one| one.r#type == Some(Capability::PartitionAware as i32)));
        if killed && config.mark_gone() && knows {
            status.set_state(TaskState::TaskGoneByOperator);
        }
    }

    /// Stop everything. The master has told the frameworks already, so nothing more is said of any task.
    pub(super) fn leave(&mut self, for_good: bool, cx: &mut Context<'_>) {
        self.leaving = Some(for_good);
        let frameworks: Vec<String> =
            self.containers.values().map(|container| container.key.framework.clone()).collect();
        for framework in frameworks {
            self.forget_framework(&framework, cx);
        }
    }

    /// Go for good: the master is told first, so that frameworks know at once. Whatever agent comes to this place next is a
    /// new one, which inherits reservations and volumes but no id; as in Mesos.
    pub(super) fn unregister(&mut self, cx: &mut Context<'_>) {
        if self.leaving.is_some() {
            return;
        }
        cx.tell_master(FromAgent::Unregister);
        self.id = None;
        cx.push(Effect::Save(Record::Agent));
        self.leave(true, cx);
    }

    pub(super) fn leave_when_empty(&mut self, cx: &mut Context<'_>) {
        if let Some(for_good) = self.leaving
            && self.containers.is_empty()
        {
            cx.push(Effect::Leave { for_good });
        }
    }

    /// Whether the agent is about to end, master or not.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }
}

/// The task's own policy, unless that gives it longer than the drain does.
fn policy(entry: &TaskEntry, config: &DrainConfig) -> Option<KillPolicy> {
    let most = config.max_grace_period?;
    let own = entry.info.kill_policy.and_then(|policy| policy.grace_period);
    let longer = own.is_none_or(|own| own.nanoseconds > most.nanoseconds);
    longer.then_some(KillPolicy { grace_period: Some(most) })
}

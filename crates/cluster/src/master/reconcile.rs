//! RECONCILE: what became of a framework's tasks, as far as the master is certain.

use cairn_mesos::v1::framework_info::capability::Type as Capability;
use cairn_mesos::v1::scheduler::call;
use cairn_mesos::v1::task_status::Reason;
use cairn_mesos::v1::{Task, TaskState, TaskStatus};

use super::core::Master;
use super::event::Time;
use super::status;
use crate::terminal::is_terminal;

impl Master {
    /// Explicit and implicit reconciliation.
    pub(crate) fn reconcile(&mut self, id: &str, asked: &[call::reconcile::Task], now: Time) {
        if asked.is_empty() {
            return self.reconcile_all(id, now);
        }
        for task in asked {
            let agent = task.agent_id.as_ref().map(|agent| agent.value.clone());
            self.reconcile_task(id, &task.task_id.value, agent.as_deref(), now);
        }
    }

    fn reconcile_all(&mut self, id: &str, now: Time) {
        let Some(framework) = self.frameworks.get(id) else { return };
        let living = framework.tasks.values().filter(|task| !is_terminal(status::state_of(task)));
        let answers: Vec<_> = living.map(|task| latest(&task, now)).collect();
        for answer in answers {
            self.send_status(id, answer);
        }
    }

    /// Say what is known about one task, if it is certain.
    pub(crate) fn reconcile_task(&mut self, id: &str, task_id: &str, agent: Option<&str>, now: Time) {
        let Some(framework) = self.frameworks.get(id) else { return };
        let aware = framework.can(Capability::PartitionAware);
        let or_lost = |state: TaskState| if aware { state } else { TaskState::TaskLost };
        let known = framework.tasks.get(task_id).map(|task| latest(&task, now));
        let home = framework.unreachable.get(task_id).map(|task| task.agent_id.value);
        let agent = home.as_deref().or(agent);
        let say = |state, text: &str| {
            let answer = status::from_master(task_id, state, Reason::Reconciliation, text, now);
            match agent {
                Some(agent) => status::on_agent(answer, agent),
                None => answer,
            }
        };
        let answer = match agent {
            _ if known.is_some() => known,
            // Whoever is not back yet may bring the task along.
            None if !self.recovered.is_empty() => None,
            Some(agent) if self.recovered.contains_key(agent) => None,
            Some(agent) if self.is_gone(agent) => {
                Some(say(or_lost(TaskState::TaskGoneByOperator), "Reconciliation: Task is gone"))
            }
            Some(agent) if self.agents.contains_key(agent) => {
                Some(say(or_lost(TaskState::TaskGone), "Reconciliation: Task is unknown to the agent"))
            }
            Some(agent) => Some(match self.unreachable.get(agent) {
                Some(away) => status::unreachable_since(
                    say(or_lost(TaskState::TaskUnreachable), "Reconciliation: Task is unreachable"),
                    away.since,
                ),
                None => say(or_lost(TaskState::TaskUnknown), "Reconciliation: Task is unknown"),
            }),
            None => Some(say(or_lost(TaskState::TaskUnknown), "Reconciliation: Task is unknown")),
        };
        if let Some(answer) = answer {
            self.send_status(id, answer);
        }
    }
}

fn latest(task: &Task, now: Time) -> TaskStatus {
    status::about(
        task,
        status::state_of(task),
        Reason::Reconciliation,
        "Reconciliation: Latest task state",
        now,
    )
}

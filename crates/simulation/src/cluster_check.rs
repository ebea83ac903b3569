//! The invariants of the cluster: executors say what is so, agents keep what they have taken, and a master hears only who is
//! subscribed.

use cairn_cluster::agent::simulation::ContainerRecord;
use cairn_cluster::master::Reply;
use cairn_mesos::v1::{TaskState, TaskStatus};

use crate::world::World;

impl World {
    /// An executor says something new of a task: what runs, runs, and of what has ended nothing is left.
    pub(crate) fn check_said(&mut self, machine: usize, container: u64, status: &TaskStatus) {
        let task = &status.task_id.value;
        let own = self.machines[machine].containers.get(&container);
        let service = own.and_then(|own| own.services.get(task));
        let is_so = match status.state() {
            TaskState::TaskRunning => service.is_some_and(|s| s.runs && (s.serves || !status.healthy())),
            TaskState::TaskFinished | TaskState::TaskFailed | TaskState::TaskKilled => service.is_none(),
            _ => true,
        };
        if !is_so {
            let (state, healthy) = (status.state().as_str_name(), status.healthy);
            let text =
                format!("{task} is said to be {state}, healthy: {healthy:?}, and there is {service:?}");
            self.violate("executors say what is so", || text);
        }
    }

    /// An agent tells an executor that it has taken an update: its disk has it.
    pub(crate) fn check_accepted(&mut self, machine: usize, container: u64, uuid: &[u8]) {
        let Some(own) = self.machines[machine].containers.get(&container) else { return };
        let id = &own.id;
        if self.machines[machine].records.get(id).is_some_and(|record| record.lacks(uuid)) {
            let text = format!("agent {machine} has taken an update of container {id}, and not stored it");
            self.violate("what is taken is stored", || text);
        }
    }

    /// The master takes a call that came over a connection.
    pub(crate) fn check_heard(&mut self, index: usize, connection: u64, reply: &Reply) {
        let framework = self.ledger.streams.get(&connection);
        let newest = framework.and_then(|id| self.ledger.subscribed.get(id)).copied().unwrap_or_default();
        if *reply == Reply::Accepted && connection < newest {
            self.violate("only who is subscribed is heard", || {
                format!(
                    "the master takes a call of scheduler {index} over {connection}, and {newest} came since"
                )
            });
        }
    }

    /// An agent that still tells an update that nobody acknowledges.
    pub(crate) fn unheard(&self) -> Option<String> {
        let waits = |record: &ContainerRecord| record.waits_for().is_some();
        let agent = self.machines.iter().position(|machine| machine.records.values().any(waits))?;
        Some(format!("updates of agent {agent} are not acknowledged"))
    }
}

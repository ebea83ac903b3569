//! ACCEPT: using what was offered, one operation after the other.

use cairn_mesos::v1::framework_info::capability::Type as Capability;
use cairn_mesos::v1::offer::Operation;
use cairn_mesos::v1::offer::operation::Type;
use cairn_mesos::v1::scheduler::call;
use cairn_mesos::v1::task_status::Reason;
use cairn_mesos::v1::{
    AgentId, OfferId, OperationId, OperationState, OperationStatus, Resource, TaskInfo, TaskState, Uuid,
};

use super::core::Master;
use super::event::Time;
use super::operations::{self, Author};
use super::pool::Pool;
use super::{offers, refusal, status};
use crate::wire::ToAgent;

/// What one ACCEPT works on.
pub(crate) struct Acceptance {
    pub(crate) framework: String,
    pub(crate) agent: String,
    pub(crate) role: String,
    /// What is left of the offers, without allocation.
    pub(crate) pool: Pool,
    /// What the operations have made of it: nobody has refused that.
    converted: Pool,
    /// Something was used or changed.
    pub(crate) used: bool,
    /// Reservations or volumes have changed, and the agent does not know yet.
    unsaved: bool,
    destroyed: Vec<Resource>,
}

impl Master {
    pub(crate) fn accept(&mut self, framework: &str, accept: call::Accept, now: Time) {
        let refuse_seconds = offers::refuse_seconds(accept.filters.as_ref());
        let mut work = match self.take_offers(framework, &accept.offer_ids) {
            Ok(work) => work,
            Err(problem) => return self.drop_operations(framework, accept.operations, &problem, now),
        };
        for operation in accept.operations {
            self.operate(&mut work, operation, now);
        }
        self.save(&mut work);
        let mut refused = work.pool;
        refused.subtract(&work.converted);
        let duration =
            if work.used { refusal::of_rest(refuse_seconds) } else { refusal::of_whole(refuse_seconds) };
        self.refuse(framework, &work.role, &work.agent, refused, duration, now);
    }

    /// Close the offers, and pool what was in them.
    fn take_offers(&mut self, framework: &str, ids: &[OfferId]) -> Result<Acceptance, String> {
        let checked = self.check_offers(framework, ids);
        let mut pool = Pool::default();
        for id in ids {
            if self.offers.get(&id.value).is_some_and(|offer| &*offer.framework == framework)
                && let Some(offer) = self.close_offer(&id.value)
            {
                pool.add(&offer.resources);
                if let Some(known) = self.frameworks.get_mut(framework) {
                    known.tally.accepted += 1;
                }
            }
        }
        let (agent, role) = checked?;
        Ok(Acceptance {
            framework: framework.to_owned(),
            agent,
            role,
            pool,
            converted: Pool::default(),
            used: false,
            unsaved: false,
            destroyed: Vec::new(),
        })
    }

    /// Whether these offers can be used together; their agent and role.
    fn check_offers(&self, framework: &str, ids: &[OfferId]) -> Result<(String, String), String> {
        let mut place: Option<(String, String)> = None;
        for (index, id) in ids.iter().enumerate() {
            if ids[..index].contains(id) {
                return Err(format!("Duplicate offer {} in offer list", id.value));
            }
            let offer = self.offers.get(&id.value).filter(|offer| &*offer.framework == framework);
            let Some(offer) = offer else { return Err(format!("Offer {} is no longer valid", id.value)) };
            let (agent, role) = place.get_or_insert_with(|| (offer.agent.to_string(), offer.role.clone()));
            if **agent != *offer.agent {
                return Err(format!(
                    "Aggregated offers must belong to one single agent. Offer {} uses agent {} and agent {agent}",
                    id.value, offer.agent
                ));
            }
            if *role != offer.role {
                return Err(format!(
                    "Aggregated offers must be allocated to the same role. Offer {} uses role {} but another is \
                     using role {role}",
                    id.value, offer.role
                ));
            }
        }
        place.ok_or_else(|| "No offers specified".to_owned())
    }

    /// The offers were not good: say so for each task and for each operation that has an id.
    fn drop_operations(&mut self, framework: &str, operations: Vec<Operation>, problem: &str, now: Time) {
        let state = self.or_lost(framework, TaskState::TaskDropped);
        for operation in operations {
            if let Some(id) = operation.id.clone() {
                let message = format!("Operation attempted with invalid offers: {problem}");
                self.end_operation(
                    framework,
                    None,
                    Some(id),
                    OperationState::OperationDropped,
                    Some(message),
                );
            }
            let message = format!("Task launched with invalid offers: {problem}");
            for task in tasks_of(operation) {
                // A call that came twice has launched it the first time: that task is not dropped.
                if self.knows_task(framework, &task.task_id.value) {
                    continue;
                }
                let update =
                    status::from_master(&task.task_id.value, state, Reason::InvalidOffers, &message, now);
                self.counters.add_end(state, &update);
                self.send_status(framework, status::on_agent(update, &task.agent_id.value));
            }
        }
    }

    /// The state, or TASK_LOST for a framework that does not know it.
    pub(crate) fn or_lost(&self, framework: &str, state: TaskState) -> TaskState {
        let aware = self.frameworks.get(framework).is_some_and(|known| known.can(Capability::PartitionAware));
        if aware { state } else { TaskState::TaskLost }
    }

    fn operate(&mut self, work: &mut Acceptance, operation: Operation, now: Time) {
        match operation.r#type.and_then(|kind| Type::try_from(kind).ok()) {
            Some(Type::Launch) => {
                self.save(work);
                for task in operation.launch.unwrap_or_default().task_infos {
                    self.launch(work, task, now);
                }
            }
            Some(Type::LaunchGroup) => {
                self.save(work);
                self.launch_group(work, operation.launch_group.unwrap_or_default(), now);
            }
            _ => self.convert(work, &operation),
        }
    }

    /// RESERVE, UNRESERVE, CREATE, DESTROY: what they make is there for the next operation.
    fn convert(&mut self, work: &mut Acceptance, operation: &Operation) {
        let outcome = self.try_convert(work, operation);
        let (state, message) = match outcome {
            Ok(()) => (OperationState::OperationFinished, None),
            Err(problem) => (OperationState::OperationError, Some(problem)),
        };
        let kind = operation.r#type();
        self.counters.add_operation(kind, state);
        if let Some(known) = self.frameworks.get_mut(&work.framework).filter(|_| message.is_none()) {
            known.tally.operations(kind, 1);
        }
        let agent = work.agent.clone();
        self.end_operation(&work.framework, Some(&agent), operation.id.clone(), state, message);
    }

    fn try_convert(&mut self, work: &mut Acceptance, operation: &Operation) -> Result<(), String> {
        let principal = self.frameworks.get(&work.framework).and_then(|known| known.info.principal.clone());
        let author = Author::Framework { role: &work.role, principal: principal.as_deref() };
        let Some(agent) = self.agents.get_mut(&work.agent) else {
            return Err(format!("Agent {} is gone", work.agent));
        };
        let change = operations::change(operation, &author, agent.total())?;
        if !work.pool.contains(&change.consumed) {
            return Err(format!("{} does not contain {}", work.pool, change.consumed));
        }
        agent.convert(&change.consumed, &change.produced);
        work.pool.subtract(&change.consumed);
        work.pool.add(&change.produced);
        work.converted.subtract(&change.consumed);
        work.converted.add(&change.produced);
        work.destroyed.extend(change.destroyed);
        work.used = true;
        work.unsaved = true;
        Ok(())
    }

    /// Have the agent store its reservations and volumes, before anything is launched on them.
    fn save(&mut self, work: &mut Acceptance) {
        if !std::mem::take(&mut work.unsaved) {
            return;
        }
        self.checkpoint(&work.agent, std::mem::take(&mut work.destroyed));
    }

    /// Have an agent store what it has by now, and delete the data of volumes that it had.
    pub(crate) fn checkpoint(&mut self, agent_id: &str, destroyed: Vec<Resource>) {
        let Some(agent) = self.agents.get_mut(agent_id) else { return };
        if !destroyed.is_empty() {
            agent.told_of_destroyed();
        }
        let resources = agent.total().list();
        self.tell(agent_id, ToAgent::Checkpoint { resources, destroyed });
    }

    /// Tell the framework how an operation went, if it asked to be told.
    fn end_operation(
        &mut self,
        framework: &str,
        agent: Option<&str>,
        id: Option<OperationId>,
        state: OperationState,
        message: Option<String>,
    ) {
        let Some(id) = id else { return };
        let finished = state == OperationState::OperationFinished;
        let uuid = finished.then(|| Uuid { value: self.new_operation_uuid() });
        let status = OperationStatus {
            operation_id: Some(id),
            state: state as i32,
            message,
            uuid,
            agent_id: agent.filter(|_| finished).map(|agent| AgentId { value: agent.to_owned() }),
            ..OperationStatus::default()
        };
        if finished && let Some(known) = self.frameworks.get_mut(framework) {
            known.remember_operation(status.clone());
        }
        self.send_operation_status(framework, status);
    }
}

fn tasks_of(operation: Operation) -> Vec<TaskInfo> {
    let single = operation.launch.map(|launch| launch.task_infos).unwrap_or_default();
    let group = operation.launch_group.map(|group| group.task_group.tasks).unwrap_or_default();
    single.into_iter().chain(group).collect()
}

//! RESERVE_RESOURCES, UNRESERVE_RESOURCES, CREATE_VOLUMES, DESTROY_VOLUMES.

use cairn_mesos::v1::OperationState;
use cairn_mesos::v1::master::Call;
use cairn_mesos::v1::offer::{Operation, operation};

use crate::master::core::Master;
use crate::master::event::{Reply, Time};
use crate::master::operations::{self, Author, Change};
use crate::master::pool::Pool;
use crate::master::refusal;

/// Where an operator wants what.
struct Wanted {
    agent: String,
    operation: Operation,
}

fn wanted(call: Call) -> Option<Wanted> {
    let operation = |kind: operation::Type| Operation { r#type: Some(kind as i32), ..Operation::default() };
    if let Some(call) = call.reserve_resources {
        let reserve = Some(operation::Reserve { resources: call.resources, source: call.source });
        let operation = Operation { reserve, ..operation(operation::Type::Reserve) };
        return Some(Wanted { agent: call.agent_id.value, operation });
    }
    if let Some(call) = call.unreserve_resources {
        let unreserve = Some(operation::Unreserve { resources: call.resources });
        let operation = Operation { unreserve, ..operation(operation::Type::Unreserve) };
        return Some(Wanted { agent: call.agent_id.value, operation });
    }
    if let Some(call) = call.create_volumes {
        let create = Some(operation::Create { volumes: call.volumes });
        let operation = Operation { create, ..operation(operation::Type::Create) };
        return Some(Wanted { agent: call.agent_id.value, operation });
    }
    let call = call.destroy_volumes?;
    let destroy = Some(operation::Destroy { volumes: call.volumes });
    let operation = Operation { destroy, ..operation(operation::Type::Destroy) };
    Some(Wanted { agent: call.agent_id.value, operation })
}

impl Master {
    pub(super) fn convert_resources(
        &mut self,
        call: Call,
        principal: Option<&str>,
        now: Time,
    ) -> Result<Reply, Reply> {
        let Some(Wanted { agent: id, operation }) = wanted(call) else {
            return Err(Reply::bad_request("Expecting resources to be present"));
        };
        let Some(agent) = self.agents.get(&id) else {
            return Err(Reply::bad_request("No agent found with specified ID"));
        };
        let change = operations::change(&operation, &Author::Operator { principal }, agent.total())
            .map_err(|problem| Reply::bad_request(format!("Invalid operation: {problem}")))?;
        self.make_room(&id, &change, now)?;
        self.apply(&id, change);
        self.counters.add_operation(operation.r#type(), OperationState::OperationFinished);
        Ok(Reply::Accepted)
    }

    /// Take back offers until what the operator wants to change is free.
    fn make_room(&mut self, agent_id: &str, change: &Change, now: Time) -> Result<(), Reply> {
        let Some(agent) = self.agents.get(agent_id) else { return Ok(()) };
        let unused = agent.unused();
        if !unused.contains(&change.consumed) {
            let text = format!("{unused} does not contain {}", change.consumed);
            return Err(Reply::Refused { status: 409, text });
        }
        while self.agents.get(agent_id).is_some_and(|agent| !agent.free().contains(&change.consumed)) {
            let Some(id) = self.offers.ids_on(agent_id).into_iter().next() else { break };
            let Some(offer) = self.offers.get(&id).cloned() else { break };
            self.rescind(vec![id]);
            // Whoever was asked need not be asked again at once, or the next operation would take it away once more.
            self.refuse(
                &offer.framework,
                &offer.role,
                agent_id,
                offer.resources,
                refusal::of_rest(None),
                now,
            );
        }
        Ok(())
    }

    fn apply(&mut self, agent_id: &str, change: Change) {
        let Some(agent) = self.agents.get_mut(agent_id) else { return };
        agent.convert(&change.consumed, &change.produced);
        self.checkpoint(agent_id, change.destroyed);
        self.attention.everybody();
    }
}

/// The sum of pools.
pub(super) fn sum<'a>(pools: impl Iterator<Item = &'a Pool>) -> Pool {
    let mut sum = Pool::default();
    pools.for_each(|pool| sum.add(pool));
    sum
}

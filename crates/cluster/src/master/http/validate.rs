//! Whether a call is complete, which can be said without knowing anything else.

use cairn_mesos::v1::{master, scheduler};

use crate::update_id;

fn expect(present: bool, name: &str) -> Result<(), String> {
    if present { Ok(()) } else { Err(format!("Expecting '{name}' to be present")) }
}

/// A call of the scheduler API. The problem is a line of text.
pub(crate) fn scheduler_call(call: &scheduler::Call) -> Result<(), String> {
    use scheduler::call::Type;
    let kind = call.r#type.and_then(|kind| Type::try_from(kind).ok());
    let Some(kind) = kind else { return expect(false, "type") };
    if kind == Type::Subscribe {
        return subscription(call);
    }
    let id = call.framework_id.as_ref();
    expect(id.is_some(), "framework_id")?;
    match kind {
        Type::Accept => expect(call.accept.is_some(), "accept"),
        Type::Decline => expect(call.decline.is_some(), "decline"),
        Type::AcceptInverseOffers => expect(call.accept_inverse_offers.is_some(), "accept_inverse_offers"),
        Type::DeclineInverseOffers => expect(call.decline_inverse_offers.is_some(), "decline_inverse_offers"),
        Type::Kill => expect(call.kill.is_some(), "kill"),
        Type::Shutdown => expect(call.shutdown.is_some(), "shutdown"),
        Type::Acknowledge => {
            let Some(acknowledge) = &call.acknowledge else { return expect(false, "acknowledge") };
            uuid(&acknowledge.uuid)
        }
        Type::AcknowledgeOperationStatus => {
            let Some(acknowledge) = &call.acknowledge_operation_status else {
                return expect(false, "acknowledge_operation_status");
            };
            uuid(&acknowledge.uuid)
        }
        Type::Reconcile => expect(call.reconcile.is_some(), "reconcile"),
        Type::ReconcileOperations => expect(call.reconcile_operations.is_some(), "reconcile_operations"),
        Type::Message => expect(call.message.is_some(), "message"),
        Type::Request => expect(call.request.is_some(), "request"),
        Type::UpdateFramework => update(call),
        Type::Teardown | Type::Revive | Type::Suppress | Type::Subscribe => Ok(()),
        Type::Unknown => Err("Unknown call type".to_owned()),
    }
}

fn subscription(call: &scheduler::Call) -> Result<(), String> {
    let Some(subscribe) = &call.subscribe else { return expect(false, "subscribe") };
    let outer = call.framework_id.as_ref();
    let inner = subscribe.framework_info.id.as_ref();
    if outer != inner {
        return Err("'framework_id' differs from 'subscribe.framework_info.id'".to_owned());
    }
    Ok(())
}

fn update(call: &scheduler::Call) -> Result<(), String> {
    let Some(update) = &call.update_framework else { return expect(false, "update_framework") };
    if call.framework_id.as_ref() != update.framework_info.id.as_ref() {
        return Err("'framework_id' differs from 'update_framework.framework_info.id'".to_owned());
    }
    Ok(())
}

fn uuid(bytes: &[u8]) -> Result<(), String> {
    if update_id::is_valid(bytes) { Ok(()) } else { Err(update_id::INVALID.to_owned()) }
}

/// A call of the operator API.
pub(crate) fn operator_call(call: &master::Call) -> Result<(), String> {
    use master::call::Type;
    let kind = call.r#type.and_then(|kind| Type::try_from(kind).ok());
    match kind {
        None | Some(Type::Unknown) => expect(false, "type"),
        Some(Type::GetMetrics) => expect(call.get_metrics.is_some(), "get_metrics"),
        Some(Type::SetLoggingLevel) => expect(call.set_logging_level.is_some(), "set_logging_level"),
        Some(Type::ListFiles) => expect(call.list_files.is_some(), "list_files"),
        Some(Type::ReadFile) => expect(call.read_file.is_some(), "read_file"),
        Some(Type::UpdateWeights) => expect(call.update_weights.is_some(), "update_weights"),
        Some(Type::ReserveResources) => expect(call.reserve_resources.is_some(), "reserve_resources"),
        Some(Type::UnreserveResources) => expect(call.unreserve_resources.is_some(), "unreserve_resources"),
        Some(Type::CreateVolumes) => expect(call.create_volumes.is_some(), "create_volumes"),
        Some(Type::DestroyVolumes) => expect(call.destroy_volumes.is_some(), "destroy_volumes"),
        Some(Type::Teardown) => expect(call.teardown.is_some(), "teardown"),
        Some(Type::MarkAgentGone) => expect(call.mark_agent_gone.is_some(), "mark_agent_gone"),
        Some(Type::DrainAgent) => expect(call.drain_agent.is_some(), "drain_agent"),
        Some(Type::DeactivateAgent) => expect(call.deactivate_agent.is_some(), "deactivate_agent"),
        Some(Type::ReactivateAgent) => expect(call.reactivate_agent.is_some(), "reactivate_agent"),
        Some(Type::UpdateQuota) => expect(call.update_quota.is_some(), "update_quota"),
        Some(Type::SetQuota) => expect(call.set_quota.is_some(), "set_quota"),
        Some(Type::RemoveQuota) => expect(call.remove_quota.is_some(), "remove_quota"),
        Some(Type::UpdateMaintenanceSchedule) => {
            expect(call.update_maintenance_schedule.is_some(), "update_maintenance_schedule")
        }
        Some(Type::StartMaintenance) => expect(call.start_maintenance.is_some(), "start_maintenance"),
        Some(Type::StopMaintenance) => expect(call.stop_maintenance.is_some(), "stop_maintenance"),
        Some(_) => Ok(()),
    }
}

//! The operator API: what the master shows, and what it lets operators do.

mod agents;
mod maintenance;
mod metrics;
mod resources;
mod sharing;
mod show;
mod tally;
mod watch;

use cairn_mesos::v1::master::{Call, Response, call, response};
use cairn_mesos::v1::{AgentId, VersionInfo};

pub use self::agents::Standing;
pub(crate) use self::maintenance::Maintenance;
pub(crate) use self::metrics::Counters;
pub(crate) use self::sharing::Sharing;
pub(crate) use self::tally::Tally;
pub(crate) use self::watch::Watchers;
use super::core::Master;
use super::event::{CallKey, Reply, Time};
use super::identity::PROTOCOL_VERSION;

impl Master {
    pub(crate) fn operator_call(&mut self, key: CallKey, principal: Option<&str>, call: Call, now: Time) {
        let kind = call.r#type.and_then(|kind| call::Type::try_from(kind).ok()).unwrap_or_default();
        let reply = match self.show(kind, now) {
            Some((kind, answer)) => {
                Reply::Operator(Box::new(Response { r#type: Some(kind as i32), ..answer }))
            }
            None => self.operate_call(kind, call, principal, now).unwrap_or_else(|refusal| refusal),
        };
        self.reply(key, reply);
    }

    /// The answer to a call that only asks. `None`: the call does something, or is not supported.
    fn show(&self, kind: call::Type, now: Time) -> Option<(response::Type, Response)> {
        use call::Type;
        use response::Type as Kind;
        let empty = Response::default;
        Some(match kind {
            Type::GetHealth => {
                let get_health = Some(response::GetHealth { healthy: true });
                (Kind::GetHealth, Response { get_health, ..empty() })
            }
            Type::GetFlags => (Kind::GetFlags, Response { get_flags: Some(self.flags()), ..empty() }),
            Type::GetVersion => {
                let get_version = Some(response::GetVersion { version_info: version_info() });
                (Kind::GetVersion, Response { get_version, ..empty() })
            }
            Type::GetMetrics => {
                let get_metrics = Some(response::GetMetrics { metrics: self.metrics(now) });
                (Kind::GetMetrics, Response { get_metrics, ..empty() })
            }
            Type::GetLoggingLevel => {
                let get_logging_level = Some(response::GetLoggingLevel { level: 0 });
                (Kind::GetLoggingLevel, Response { get_logging_level, ..empty() })
            }
            Type::GetMaster => {
                (Kind::GetMaster, Response { get_master: Some(self.show_master()), ..empty() })
            }
            Type::GetAgents => {
                (Kind::GetAgents, Response { get_agents: Some(self.show_agents()), ..empty() })
            }
            Type::GetFrameworks => {
                let get_frameworks = Some(self.show_frameworks());
                (Kind::GetFrameworks, Response { get_frameworks, ..empty() })
            }
            Type::GetExecutors => {
                let get_executors = Some(self.show_executors());
                (Kind::GetExecutors, Response { get_executors, ..empty() })
            }
            Type::GetOperations => {
                // Operations are done as soon as they are asked for, so none is ever under way.
                let get_operations = Some(response::GetOperations::default());
                (Kind::GetOperations, Response { get_operations, ..empty() })
            }
            Type::GetTasks => (Kind::GetTasks, Response { get_tasks: Some(self.show_tasks()), ..empty() }),
            Type::GetRoles => (Kind::GetRoles, Response { get_roles: Some(self.show_roles()), ..empty() }),
            Type::GetWeights => (Kind::GetWeights, Response { get_weights: self.show_weights(), ..empty() }),
            Type::GetQuota => {
                (Kind::GetQuota, Response { get_quota: Some(self.sharing.show_quota()), ..empty() })
            }
            Type::GetMaintenanceStatus => {
                let status = self.show_maintenance();
                let get_maintenance_status = Some(response::GetMaintenanceStatus { status });
                (Kind::GetMaintenanceStatus, Response { get_maintenance_status, ..empty() })
            }
            Type::GetMaintenanceSchedule => {
                let schedule = self.maintenance.schedule();
                let get_maintenance_schedule = Some(response::GetMaintenanceSchedule { schedule });
                (Kind::GetMaintenanceSchedule, Response { get_maintenance_schedule, ..empty() })
            }
            Type::GetState => (Kind::GetState, Response { get_state: Some(self.show_state()), ..empty() }),
            _ => return None,
        })
    }

    /// A call that does something. What is missing has been refused before.
    fn operate_call(
        &mut self,
        kind: call::Type,
        call: Call,
        principal: Option<&str>,
        now: Time,
    ) -> Result<Reply, Reply> {
        use call::Type;
        let id = |id: Option<AgentId>| id.unwrap_or_default().value;
        match kind {
            Type::Teardown => self.tear_down(&call.teardown.unwrap_or_default().framework_id.value, now),
            Type::ReserveResources
            | Type::UnreserveResources
            | Type::CreateVolumes
            | Type::DestroyVolumes => self.convert_resources(call, principal, now),
            Type::UpdateWeights => self.update_weights(call.update_weights.unwrap_or_default().weight_infos),
            Type::UpdateQuota => self.update_quota(call.update_quota.unwrap_or_default()),
            Type::SetQuota => self.set_quota(&call.set_quota.unwrap_or_default().quota_request),
            Type::RemoveQuota => self.remove_quota(&call.remove_quota.unwrap_or_default().role),
            Type::DrainAgent => self.drain_agent(&call.drain_agent.unwrap_or_default(), now),
            Type::DeactivateAgent => {
                self.deactivate_agent(&id(call.deactivate_agent.map(|call| call.agent_id)))
            }
            Type::ReactivateAgent => {
                self.reactivate_agent(&id(call.reactivate_agent.map(|call| call.agent_id)))
            }
            Type::MarkAgentGone => {
                self.mark_agent_gone(&id(call.mark_agent_gone.map(|call| call.agent_id)), now)
            }
            Type::UpdateMaintenanceSchedule => {
                self.update_schedule(call.update_maintenance_schedule.unwrap_or_default().schedule, now)
            }
            Type::StartMaintenance => {
                self.start_maintenance(call.start_maintenance.unwrap_or_default().machines, now)
            }
            Type::StopMaintenance => {
                self.stop_maintenance(&call.stop_maintenance.unwrap_or_default().machines)
            }
            // What is logged is decided where the cluster is started.
            Type::SetLoggingLevel => Ok(Reply::Ok),
            // There are no logs of the master among files that it would serve.
            Type::ListFiles | Type::ReadFile => Err(Reply::Refused { status: 404, text: String::new() }),
            other => {
                let text = format!("Call {} is not supported", other.as_str_name());
                Err(Reply::Refused { status: 501, text })
            }
        }
    }

    fn tear_down(&mut self, id: &str, now: Time) -> Result<Reply, Reply> {
        if !self.frameworks.contains_key(id) {
            return Err(Reply::bad_request("No framework found with specified ID"));
        }
        self.remove_framework(id, now);
        Ok(Reply::Ok)
    }
}

fn version_info() -> VersionInfo {
    VersionInfo {
        version: PROTOCOL_VERSION.to_owned(),
        build_user: Some("cairn".to_owned()),
        ..VersionInfo::default()
    }
}

//! Metrics: what has been counted, and what there is now. The names are those of Apache Mesos.

use std::collections::BTreeMap;

use cairn_mesos::v1::offer::operation;
use cairn_mesos::v1::task_status::{Reason, Source};
use cairn_mesos::v1::{Metric, OperationState, TaskState, TaskStatus};

use super::resources::sum;
use super::tally;
use crate::master::core::Master;
use crate::master::event::Time;
use crate::master::pool::Pool;
use crate::metric::{self, number};

/// Everything that is counted; each is shown from the start. Some never happen here, and are shown as what never has.
const COUNTED: [&str; 60] = [
    "allocator/mesos/allocation_runs",
    "master/dropped_messages",
    "master/http_cache_hits",
    "master/invalid_executor_to_framework_messages",
    "master/invalid_framework_to_executor_messages",
    "master/invalid_operation_status_update_acknowledgements",
    "master/invalid_operation_status_updates",
    "master/invalid_status_update_acknowledgements",
    "master/invalid_status_updates",
    "master/messages_authenticate",
    "master/messages_deactivate_framework",
    "master/messages_decline_offers",
    "master/messages_executor_to_framework",
    "master/messages_exited_executor",
    "master/messages_framework_to_executor",
    "master/messages_kill_task",
    "master/messages_launch_tasks",
    "master/messages_operation_status_update",
    "master/messages_operation_status_update_acknowledgement",
    "master/messages_reconcile_operations",
    "master/messages_reconcile_tasks",
    "master/messages_register_framework",
    "master/messages_register_slave",
    "master/messages_reregister_framework",
    "master/messages_reregister_slave",
    "master/messages_resource_request",
    "master/messages_revive_offers",
    "master/messages_status_update",
    "master/messages_status_update_acknowledgement",
    "master/messages_suppress_offers",
    "master/messages_unregister_framework",
    "master/messages_unregister_slave",
    "master/messages_update_slave",
    "master/recovery_slave_removals",
    "master/slave_registrations",
    "master/slave_removals",
    "master/slave_removals/reason_registered",
    "master/slave_removals/reason_unhealthy",
    "master/slave_removals/reason_unregistered",
    "master/slave_reregistrations",
    "master/slave_shutdowns_canceled",
    "master/slave_shutdowns_completed",
    "master/slave_shutdowns_scheduled",
    "master/slave_unreachable_canceled",
    "master/slave_unreachable_completed",
    "master/slave_unreachable_scheduled",
    "master/tasks_dropped",
    "master/tasks_error",
    "master/tasks_failed",
    "master/tasks_finished",
    "master/tasks_gone",
    "master/tasks_gone_by_operator",
    "master/tasks_killed",
    "master/tasks_lost",
    "master/valid_executor_to_framework_messages",
    "master/valid_framework_to_executor_messages",
    "master/valid_operation_status_update_acknowledgements",
    "master/valid_operation_status_updates",
    "master/valid_status_update_acknowledgements",
    "master/valid_status_updates",
];

/// The states of operations that are counted.
const OPERATION_STATES: [OperationState; 8] = [
    OperationState::OperationPending,
    OperationState::OperationRecovering,
    OperationState::OperationUnreachable,
    OperationState::OperationFinished,
    OperationState::OperationFailed,
    OperationState::OperationError,
    OperationState::OperationDropped,
    OperationState::OperationGoneByOperator,
];

/// How often things have happened since the master started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    named: BTreeMap<&'static str, u64>,
    /// Ends of tasks: in which state, by whom and why.
    ends: BTreeMap<(TaskState, Source, Reason), u64>,
    operations: BTreeMap<(i32, OperationState), u64>,
}

impl Counters {
    /// One more of what has this name, which must be among those that are shown.
    pub(crate) fn add(&mut self, name: &'static str) {
        debug_assert!(COUNTED.contains(&name), "{name} is counted and not shown");
        *self.named.entry(name).or_default() += 1;
    }

    pub(crate) fn get(&self, name: &str) -> u64 {
        self.named.get(name).copied().unwrap_or(0)
    }

    /// A task has come to this end, or did not begin.
    pub(crate) fn add_end(&mut self, state: TaskState, status: &TaskStatus) {
        let name = match state {
            TaskState::TaskDropped => "master/tasks_dropped",
            TaskState::TaskError => "master/tasks_error",
            TaskState::TaskFailed => "master/tasks_failed",
            TaskState::TaskFinished => "master/tasks_finished",
            TaskState::TaskGone => "master/tasks_gone",
            TaskState::TaskGoneByOperator => "master/tasks_gone_by_operator",
            TaskState::TaskKilled => "master/tasks_killed",
            TaskState::TaskLost => "master/tasks_lost",
            _ => return,
        };
        self.add(name);
        if status.reason.is_some() {
            *self.ends.entry((state, status.source(), status.reason())).or_default() += 1;
        }
    }

    /// An operation of this type has come to this state, and is over.
    pub(crate) fn add_operation(&mut self, kind: operation::Type, state: OperationState) {
        *self.operations.entry((kind as i32, state)).or_default() += 1;
    }

    fn show(&self, values: &mut BTreeMap<String, f64>) {
        for name in COUNTED {
            values.insert(name.to_owned(), number(self.get(name)));
        }
        for ((state, source, reason), count) in &self.ends {
            let [state, source, reason] =
                [state.as_str_name(), source.as_str_name(), reason.as_str_name()].map(older_name);
            values.insert(format!("master/{state}/{source}/{reason}"), number(*count));
        }
        self.show_operations(values);
    }

    /// Of each type that changes resources, and of all together.
    fn show_operations(&self, values: &mut BTreeMap<String, f64>) {
        let name = |kind| operation::Type::try_from(kind).ok().map(|kind| kind.as_str_name());
        let launches = [operation::Type::Unknown, operation::Type::Launch, operation::Type::LaunchGroup];
        let kinds =
            tally::names(name).into_iter().filter(|(kind, _)| launches.iter().all(|no| *no as i32 != *kind));
        let mut all = [0; OPERATION_STATES.len()];
        for (kind, name) in kinds {
            let counts =
                OPERATION_STATES.map(|state| self.operations.get(&(kind, state)).copied().unwrap_or(0));
            all.iter_mut().zip(counts).for_each(|(all, one)| *all += one);
            show_states(&format!("master/operations/{name}"), counts, values);
        }
        show_states("master/operations", all, values);
    }
}

fn show_states(prefix: &str, counts: [u64; OPERATION_STATES.len()], values: &mut BTreeMap<String, f64>) {
    values.insert(format!("{prefix}/total"), number(counts.iter().sum::<u64>()));
    for (state, count) in OPERATION_STATES.iter().zip(counts) {
        let name = state.as_str_name().trim_start_matches("OPERATION_").to_lowercase();
        values.insert(format!("{prefix}/{name}"), number(count));
    }
}

/// Metrics of Mesos have the names that its enums had before the v1 API, which says agent for slave.
fn older_name(name: &str) -> String {
    name.to_lowercase().replace("agent", "slave")
}

impl Master {
    pub(super) fn metrics(&self, now: Time) -> Vec<Metric> {
        let mut values: BTreeMap<String, f64> = BTreeMap::new();
        self.counters.show(&mut values);
        self.resource_gauges(&mut values);
        self.agent_gauges(&mut values);
        self.framework_gauges(&mut values);
        self.task_gauges(&mut values);
        self.allocator_gauges(&mut values);
        for framework in self.frameworks.values().chain(&self.completed) {
            let id = framework.info.id.as_ref().map_or("", |id| id.value.as_str());
            let name = percent_encoded(&framework.info.name);
            tally::metrics_of(framework, &format!("master/frameworks/{name}/{id}"), &mut values);
        }
        let master = [
            ("elected", 1.0),
            ("uptime_secs", now.saturating_sub(self.started).as_secs_f64()),
            ("outstanding_offers", number(self.offers.len())),
            ("operator_event_stream_subscribers", number(self.watchers.len())),
        ];
        values.extend(master.map(|(name, value)| (format!("master/{name}"), value)));
        metric::listed(values)
    }

    fn resource_gauges(&self, values: &mut BTreeMap<String, f64>) {
        let total = sum(self.agents.values().map(|agent| agent.total()));
        let used = sum(self.agents.values().flat_map(|agent| agent.used().map(|(_, pool)| pool)));
        for name in ["cpus", "gpus", "mem", "disk"] {
            let (total, used) = (total.scalar(name), used.scalar(name));
            values.insert(format!("master/{name}_total"), total);
            values.insert(format!("master/{name}_used"), used);
            values.insert(format!("master/{name}_percent"), if total > 0.0 { used / total } else { 0.0 });
            for revocable in ["revocable_total", "revocable_used", "revocable_percent"] {
                values.insert(format!("master/{name}_{revocable}"), 0.0);
            }
        }
    }

    fn agent_gauges(&self, values: &mut BTreeMap<String, f64>) {
        let connected = self.agents.values().filter(|agent| agent.link().is_some()).count();
        let active =
            self.agents.iter().filter(|(id, agent)| agent.link().is_some() && self.in_use(id)).count();
        let gauges = [
            ("slaves_connected", connected),
            ("slaves_disconnected", self.agents.len() - connected),
            ("slaves_active", active),
            ("slaves_inactive", self.agents.len() - active),
            ("slaves_unreachable", self.unreachable.len()),
        ];
        values.extend(gauges.map(|(name, count)| (format!("master/{name}"), number(count))));
    }

    fn framework_gauges(&self, values: &mut BTreeMap<String, f64>) {
        let connected = self.frameworks.values().filter(|framework| framework.stream().is_some()).count();
        let away = self.frameworks.len() - connected;
        let gauges = [
            ("frameworks_connected", connected),
            ("frameworks_active", connected),
            ("frameworks_disconnected", away),
            ("frameworks_inactive", away),
        ];
        values.extend(gauges.map(|(name, count)| (format!("master/{name}"), number(count))));
    }

    fn task_gauges(&self, values: &mut BTreeMap<String, f64>) {
        let mut states: BTreeMap<&str, usize> =
            ["staging", "starting", "running", "killing"].map(|name| (name, 0)).into();
        let known = self.frameworks.values().flat_map(|framework| framework.tasks.states());
        for state in known {
            let name = match state {
                TaskState::TaskStaging => "staging",
                TaskState::TaskStarting => "starting",
                TaskState::TaskRunning => "running",
                TaskState::TaskKilling => "killing",
                _ => continue,
            };
            *states.entry(name).or_default() += 1;
        }
        let unreachable = self.frameworks.values().map(|framework| framework.unreachable.len()).sum();
        states.insert("unreachable", unreachable);
        values
            .extend(states.into_iter().map(|(name, count)| (format!("master/tasks_{name}"), number(count))));
    }

    /// What is on offer or in use, what roles hold of it and may hold.
    fn allocator_gauges(&self, values: &mut BTreeMap<String, f64>) {
        let mut put = |name: String, value: f64| values.insert(format!("allocator/mesos/{name}"), value);
        let total = sum(self.agents.values().map(|agent| agent.total()));
        let mut free = Pool::default();
        self.agents.values().for_each(|agent| free.add(&agent.free()));
        for name in ["cpus", "mem", "disk"] {
            put(format!("resources/{name}/total"), total.scalar(name));
            let taken = total.scalar(name) - free.scalar(name);
            put(format!("resources/{name}/offered_or_allocated"), taken);
        }
        let filters = self.filters.active();
        let mut roles: BTreeMap<&String, usize> = BTreeMap::new();
        for (id, framework) in &self.frameworks {
            for role in framework.roles.keys() {
                let active = self.sorter.find(role, id).and_then(|leaf| filters.get(&leaf));
                *roles.entry(role).or_default() += active.copied().unwrap_or(0);
            }
        }
        for (role, active) in roles {
            put(format!("roles/{role}/shares/dominant"), self.sorter.share(role));
            put(format!("offer_filters/roles/{role}/active"), number(active));
        }
        for (role, quota) in &self.sharing.quotas {
            let taken = self.sorter.taken_by(role);
            for (what, amounts) in [("guarantee", &quota.guarantees), ("limit", &quota.limits)] {
                for (name, amount) in amounts {
                    let prefix = format!("quota/roles/{role}/resources/{name}");
                    put(format!("{prefix}/{what}"), *amount);
                    put(format!("{prefix}/offered_or_allocated"), taken.get(name));
                }
            }
        }
        for principal in self.frameworks.values().filter_map(|one| one.info.principal.as_ref()) {
            for what in ["received", "processed"] {
                // Messages of the protocol from before HTTP, which nobody can send here.
                values.insert(format!("frameworks/{principal}/messages_{what}"), 0.0);
            }
        }
    }
}

/// A name as part of another: everything but letters, digits and `-._~` in hexadecimal.
fn percent_encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_tasks_are_counted_under_the_older_names() {
        let mut counters = Counters::default();
        let mut status = TaskStatus::default();
        status.set_source(Source::Agent);
        status.set_reason(Reason::AgentRemovedByOperator);
        counters.add_end(TaskState::TaskGoneByOperator, &status);
        let mut values = BTreeMap::new();
        counters.show(&mut values);
        let name = "master/task_gone_by_operator/source_slave/reason_slave_removed_by_operator";
        assert_eq!(values.get(name), Some(&1.0));
    }
}

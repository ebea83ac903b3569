//! Metrics: what has been counted, and what there is now. The names are those of Apache Mesos.

use std::collections::BTreeMap;

use cairn_mesos::v1::{Metric, TaskState};

use super::resources::sum;
use crate::master::core::Master;
use crate::master::event::Time;

/// Everything that is counted; each is shown from the start.
const COUNTED: [&str; 34] = [
    "allocator/mesos/allocation_runs",
    "master/dropped_messages",
    "master/invalid_status_updates",
    "master/messages_decline_offers",
    "master/messages_executor_to_framework",
    "master/messages_exited_executor",
    "master/messages_framework_to_executor",
    "master/messages_kill_task",
    "master/messages_launch_tasks",
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
    "master/slave_registrations",
    "master/slave_removals",
    "master/slave_reregistrations",
    "master/slave_unreachable_completed",
    "master/tasks_dropped",
    "master/tasks_error",
    "master/tasks_failed",
    "master/tasks_finished",
    "master/tasks_gone",
    "master/tasks_gone_by_operator",
    "master/tasks_killed",
    "master/tasks_lost",
];

/// How often things have happened since the master started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters(BTreeMap<&'static str, u64>);

impl Counters {
    /// One more of what has this name, which must be among those that are shown.
    pub(crate) fn add(&mut self, name: &'static str) {
        debug_assert!(COUNTED.contains(&name), "{name} is counted and not shown");
        *self.0.entry(name).or_default() += 1;
    }

    /// A task has come to this end.
    pub(crate) fn add_end(&mut self, state: TaskState) {
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
    }
}

// No count comes near 2^53.
fn number(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

impl Master {
    pub(super) fn metrics(&self, now: Time) -> Vec<Metric> {
        let mut values: BTreeMap<String, f64> = BTreeMap::new();
        for name in COUNTED {
            values.insert(name.to_owned(), number(self.counters.0.get(name).copied().unwrap_or(0)));
        }
        self.resource_gauges(&mut values);
        self.agent_gauges(&mut values);
        self.framework_gauges(&mut values);
        self.task_gauges(&mut values);
        let master = [
            ("elected", 1.0),
            ("uptime_secs", now.saturating_sub(self.started).as_secs_f64()),
            ("outstanding_offers", number(self.offers.len())),
            ("operator_event_stream_subscribers", number(self.watchers.len())),
        ];
        values.extend(master.map(|(name, value)| (format!("master/{name}"), value)));
        values.into_iter().map(|(name, value)| Metric { name, value: Some(value) }).collect()
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
}

//! The agent's metrics. The names are those of Apache Mesos.

use std::path::PathBuf;
use std::time::Duration;

use cairn_mesos::resources::Resources;
use cairn_mesos::v1::TaskState;

use super::core::{ExecutorView, View};
use super::garbage;
use super::operator::{frameworks_of, now};
use crate::metric::number;
use crate::web::system;

/// What the agent's core does not know.
#[derive(Debug, Clone)]
pub(crate) struct Around {
    /// When the agent started, in seconds since the epoch.
    pub(crate) started: f64,
    /// How long it took to take up what an earlier agent had left.
    pub(crate) recovery: Duration,
    pub(crate) work_dir: PathBuf,
    /// How long the sandbox of a container that has ended is kept at most.
    pub(crate) gc_delay: Duration,
}

/// All of them, in order.
pub(crate) fn of(view: &View, around: &Around) -> Vec<(String, f64)> {
    let mut values = resources(view);
    values.extend(tasks(view));
    let own = counts(view).into_iter().chain(times(around));
    values.extend(own.map(|(name, value)| (format!("slave/{name}"), value)));
    let errors = view.counts.launch_errors;
    values.push(("slave/container_launch_errors".to_owned(), number(errors)));
    values.extend(system::metrics());
    values.sort_by(|(left, _), (right, _)| left.cmp(right));
    values
}

fn resources(view: &View) -> Vec<(String, f64)> {
    let total = Resources::from(view.resources.clone());
    let used = view.executors.iter().flat_map(ExecutorView::used);
    let used = Resources::from(used.cloned().collect::<Vec<_>>());
    let mut values = Vec::new();
    for name in ["cpus", "gpus", "mem", "disk"] {
        let (total, used) = (total.total(name), used.total(name));
        values.push((format!("slave/{name}_total"), total));
        values.push((format!("slave/{name}_used"), used));
        values.push((format!("slave/{name}_percent"), if total > 0.0 { used / total } else { 0.0 }));
        // Nothing is offered that can be taken back.
        values
            .extend(["total", "used", "percent"].map(|what| (format!("slave/{name}_revocable_{what}"), 0.0)));
    }
    values
}

fn tasks(view: &View) -> Vec<(String, f64)> {
    let active = [
        ("staging", TaskState::TaskStaging),
        ("starting", TaskState::TaskStarting),
        ("running", TaskState::TaskRunning),
        ("killing", TaskState::TaskKilling),
    ];
    let over = [
        ("finished", TaskState::TaskFinished),
        ("failed", TaskState::TaskFailed),
        ("killed", TaskState::TaskKilled),
        ("lost", TaskState::TaskLost),
        ("gone", TaskState::TaskGone),
    ];
    let active = active.map(|(name, state)| (name, number(view.count(state))));
    let over = over.map(|(name, state)| (name, number(view.counts.ended(state))));
    active.into_iter().chain(over).map(|(name, value)| (format!("slave/tasks_{name}"), value)).collect()
}

fn counts(view: &View) -> [(&'static str, f64); 12] {
    let counts = &view.counts;
    let idle = view.registering + view.terminating;
    [
        ("registered", f64::from(view.registered)),
        ("frameworks_active", number(frameworks_of(view).0.len())),
        ("executors_registering", number(view.registering)),
        ("executors_running", number(view.executors.len().saturating_sub(idle))),
        ("executors_terminating", number(view.terminating)),
        ("executors_terminated", number(counts.executors_terminated)),
        ("executors_preempted", 0.0),
        ("valid_status_updates", number(counts.valid_updates)),
        ("invalid_status_updates", number(counts.invalid_updates)),
        ("valid_framework_messages", number(counts.valid_messages)),
        ("invalid_framework_messages", number(counts.invalid_messages)),
        // An agent that cannot read what an earlier one stored does not start.
        ("recovery_errors", 0.0),
    ]
}

fn times(around: &Around) -> [(&'static str, f64); 3] {
    let kept = garbage::kept(around.gc_delay, garbage::used(&around.work_dir));
    [
        ("uptime_secs", (now().as_secs_f64() - around.started).max(0.0)),
        ("recovery_time_secs", around.recovery.as_secs_f64()),
        ("executor_directory_max_allowed_age_secs", kept.as_secs_f64()),
    ]
}

//! What a scheduler says about itself: the same values for REST, page and command line.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::GoalState;

/// Where an instance lives. Kept over restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Placement {
    /// Mesos agent id.
    pub agent_id: String,
    /// Host name of the agent.
    pub hostname: String,
    /// IP address of the agent, which the service listens on and advertises.
    pub address: String,
    /// Text attributes of the agent, for example `rack`.
    pub attributes: BTreeMap<String, String>,
    /// Ports by name.
    pub ports: BTreeMap<String, u16>,
    /// Persistence ids by volume path.
    pub volumes: BTreeMap<String, String>,
}

impl Placement {
    /// An address of its agent at which only processes of that host are reached: its own, if that is one.
    pub fn loopback(&self) -> &str {
        let own = self.address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if own { &self.address } else { "127.0.0.1" }
    }

    /// An attribute of its agent, if one is named.
    pub fn attribute(&self, name: Option<&str>) -> Option<&str> {
        self.attributes.get(name?).map(String::as_str)
    }

    /// `address:port` of a named port.
    pub fn endpoint(&self, port: &str) -> Option<String> {
        self.ports.get(port).map(|p| format!("{}:{p}", self.address))
    }
}

/// What is known about an instance's task. Derived from Mesos, never stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Not placed, or placed and not launched.
    #[default]
    Waiting,
    /// Launched; no word from the agent yet, or its files are being fetched.
    Staging,
    /// Its process is coming up.
    Starting,
    /// Its process runs but it is not ready yet.
    Running,
    /// It serves.
    Ready,
    /// It fails its health check.
    Unhealthy,
    /// It is being stopped.
    Stopping,
    /// Its agent cannot be reached. It may still run.
    Unreachable,
    /// A task is on record, and Mesos has not said yet how it is.
    Reconciling,
    /// It failed and waits for its next try.
    BackOff,
    /// Stopped on request.
    Stopped,
    /// A job that is done, or that waits for its time.
    Finished,
    /// A job or gang that has failed too often and waits for an operator.
    Failed,
}

/// How a run of a job stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It is under way.
    #[default]
    Running,
    /// It has ended well.
    Finished,
    /// It has failed.
    Failed,
    /// It was stopped.
    Stopped,
    /// Its time came while the last run was not over.
    Skipped,
}

/// One run of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// Its task; empty for one that did not happen.
    pub task_id: String,
    /// The agent that ran it, where its sandbox is.
    pub agent_id: String,
    /// How it stands.
    pub state: RunState,
    /// When it began, milliseconds since the epoch.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// What its process exited with.
    pub exit_code: Option<i32>,
    /// Last words.
    pub message: String,
}

/// One instance, as people see it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceStatus {
    /// For example `broker-0`.
    pub name: String,
    /// What is known.
    pub phase: Phase,
    /// Why it is so, or what it waits for. Empty when there is nothing to say.
    pub message: String,
    /// Where it lives, once it is placed.
    pub placement: Option<Placement>,
    /// Its live task.
    pub task_id: Option<String>,
    /// Its last task that got as far as a sandbox, where it has none now and this scheduler has seen that one end: the sandbox
    /// may still be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_task_id: Option<String>,
    /// While it backs off: when it is tried again, milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at_ms: Option<u64>,
    /// Failures in a row.
    pub failures: u32,
    /// It runs with a configuration older than the target.
    pub needs_restart: bool,
    /// The place that it had before an operator replaced it: its data there is given up, and it is launched anew under the
    /// same name. Stays until the next replacement, so a task that names it stays the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Placement>,
    /// What it is there for.
    pub goal: GoalState,
    /// Last runs of a job, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Run>,
    /// When a timed job runs next, milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_run_ms: Option<u64>,
    /// It has served at least once since it was added or replaced: its volume holds what the service counts on.
    pub deployed: bool,
}

impl InstanceStatus {
    /// It serves.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// It serves, or is a job that is done.
    pub fn is_fine(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Finished)
    }

    /// The task whose sandbox tells most of it: its live one, else the last one that this scheduler has seen end, else that of its
    /// last run.
    pub fn latest_task(&self) -> Option<&str> {
        let ended = self.task_id.as_ref().or(self.last_task_id.as_ref());
        ended.or_else(|| self.last_run().map(|run| &run.task_id)).map(String::as_str)
    }

    /// Its agent, else that of its last run.
    pub fn latest_agent(&self) -> Option<&str> {
        let here = self.placement.as_ref().map(|place| &place.agent_id);
        let last = || self.last_run().map(|run| &run.agent_id).filter(|id| !id.is_empty());
        here.or_else(last).map(String::as_str)
    }

    /// The last run that had a task.
    fn last_run(&self) -> Option<&Run> {
        self.runs.iter().rev().find(|run| !run.task_id.is_empty())
    }
}

/// Statuses of plans, phases and steps; names as in dcos-commons.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PlanStatus {
    /// Cannot go on without an operator.
    Error,
    /// Paused by an operator.
    Waiting,
    /// Nothing has happened yet.
    #[default]
    Pending,
    /// Resources are reserved.
    Prepared,
    /// Launched, or being stopped.
    Starting,
    /// Runs, not ready yet.
    Started,
    /// Failed, waits for its next try.
    Delayed,
    /// Some steps are done.
    InProgress,
    /// Done.
    Complete,
}

/// A step of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    /// Stable id within the plan: `broker-0:launch`.
    pub id: String,
    /// For people.
    pub name: String,
    /// How far it is.
    pub status: PlanStatus,
    /// Why it is not further.
    pub message: String,
}

/// Steps that belong together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanPhase {
    /// For people.
    pub name: String,
    /// `serial` or `parallel`.
    pub strategy: String,
    /// How far it is.
    pub status: PlanStatus,
    /// Its steps in order.
    pub steps: Vec<Step>,
}

/// All change is a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// `deploy`, `destroy` or `recovery`.
    pub name: String,
    /// Generation of the target it brings about.
    pub generation: u64,
    /// How far it is.
    pub status: PlanStatus,
    /// What an operator must know, for ERROR.
    pub errors: Vec<String>,
    /// Its phases in order.
    pub phases: Vec<PlanPhase>,
}

/// How the scheduler itself is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "reason")]
pub enum Health {
    /// Not registered with the master yet, with what happened last.
    #[default]
    Connecting,
    /// Registered.
    Ok,
    /// Cannot go on without an operator, and why.
    Failed(String),
}

/// Everything a scheduler says about itself; the answer of `GET /v1/status`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Grows with every change of this document: pass it as `?after=` to wait for the next one.
    pub version: u64,
    /// Kind of service, for example `kafka`.
    pub service: String,
    /// Name on the cluster.
    pub framework: String,
    /// Mesos framework id, once registered.
    pub framework_id: Option<String>,
    /// How the scheduler is.
    pub health: Health,
    /// Revision of the configuration that the controller gave.
    pub revision: u64,
    /// REST has changed the configuration since.
    pub drifted: bool,
    /// Everything is as the configuration says and serves.
    pub complete: bool,
    /// `destroy` has been carried out.
    pub destroyed: bool,
    /// It has, and its volumes were kept.
    pub data_kept: bool,
    /// Current plan.
    pub plan: Plan,
    /// Instances in the target's order, leaving ones last.
    pub instances: Vec<InstanceStatus>,
    /// Outputs; empty until `complete` has been reached once.
    pub outputs: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(address: &str) -> Placement {
        let attributes = [("rack".to_owned(), "r1".to_owned())].into();
        Placement { address: address.into(), attributes, ..Placement::default() }
    }

    #[test]
    fn places() {
        assert_eq!(place("127.0.0.3").loopback(), "127.0.0.3");
        assert_eq!(place("10.0.0.3").loopback(), "127.0.0.1");
        assert_eq!(place("").attribute(Some("rack")), Some("r1"));
        assert_eq!((place("").attribute(Some("zone")), place("").attribute(None)), (None, None));
    }
}

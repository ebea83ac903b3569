//! A service of a stack, as people see it: its scheduler, its plan, its instances.

use std::collections::BTreeMap;

use cairn_framework::{InstanceStatus, Phase, Plan, Status, View};
use cairn_stack::{Existing, Outputs, Secrets, resolve_text};
use serde::{Deserialize, Serialize};

use crate::child::{Observed, failure, phase_word, progress};
use crate::gate::held_by;
use crate::model::API;
use crate::state::StoredStack;

/// How a service is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// Its scheduler is not started yet: it waits for others, or for a place.
    #[default]
    Waiting,
    /// Its scheduler comes up.
    Starting,
    /// Its scheduler is bringing it to what the file says.
    Deploying,
    /// It serves as the file says.
    Ready,
    /// Its scheduler is down or does not answer. The service itself may well serve.
    Unreachable,
    /// It cannot go on without an operator.
    Error,
    /// An operator has stopped its scheduler.
    Stopped,
    /// It is being taken down.
    Removing,
}

/// A service with its scheduler and instances.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceView {
    /// Path within the stack: `zookeeper`; of a nested stack, `kafka/zookeeper`.
    pub name: String,
    /// Its framework; of a service that exists already, its interface.
    pub framework: String,
    /// It is not launched: it exists already.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub existing: bool,
    /// How it is.
    pub state: ServiceState,
    /// Why it is not further.
    pub message: String,
    /// It is as the file says and serves.
    pub complete: bool,
    /// Services it rests on.
    pub needs: Vec<String>,
    /// Revision of the configuration it should have.
    pub revision: u64,
    /// REST has changed its configuration; the next apply undoes that.
    pub drifted: bool,
    /// Its scheduler.
    pub scheduler: SchedulerView,
    /// What it gives to dependents.
    pub outputs: BTreeMap<String, String>,
    /// Its scheduler's plan.
    pub plan: Option<Plan>,
    /// Its instances.
    pub instances: Vec<InstanceView>,
}

/// The task that is a child scheduler.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SchedulerView {
    /// Name on the cluster, as instance of the controller and as framework.
    pub name: String,
    /// How its task is.
    pub phase: Phase,
    /// Why it is so.
    pub message: String,
    /// URL of its REST.
    pub url: Option<String>,
    /// Its task.
    pub task_id: Option<String>,
    /// Its last task, where it has none and the controller has seen that one end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_task_id: Option<String>,
    /// While it backs off: when it is tried again, milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at_ms: Option<u64>,
    /// Its agent.
    pub agent_id: Option<String>,
    /// Mesos framework id.
    pub framework_id: Option<String>,
    /// It runs with an older configuration than it should.
    pub outdated: bool,
}

/// An instance of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceView {
    /// For example `broker-0`.
    pub name: String,
    /// How it is.
    pub phase: Phase,
    /// Why it is so.
    pub message: String,
    /// IP address of its agent.
    pub address: Option<String>,
    /// `address:port` by the port's name.
    pub endpoints: BTreeMap<String, String>,
    /// Its task, or the last one.
    pub task_id: Option<String>,
    /// Its agent, or that of its last run.
    pub agent_id: Option<String>,
    /// Failures in a row.
    pub failures: u32,
}

pub(super) fn view(stored: &StoredStack, name: &str, view: &View) -> Option<ServiceView> {
    let (service, revision) = stored.service(name)?;
    let id = stored.instance(name);
    let known = view.instances.get(&id);
    let observed = Observed::of(view, &id);
    let (state, message) = match stored.going(name) {
        Some(_) => (ServiceState::Removing, removal(stored, name, known, &observed, view)),
        None => judge(known, &observed, revision),
    };
    let status = observed.status.unwrap_or_default();
    Some(ServiceView {
        existing: false,
        name: service.name.clone(),
        framework: service.framework.clone(),
        state,
        message,
        complete: state == ServiceState::Ready,
        needs: service.needs.iter().cloned().collect(),
        revision,
        drifted: status.drifted && status.revision == revision,
        scheduler: scheduler(id, known, &status),
        instances: status.instances.iter().map(instance).collect(),
        plan: (status != Status::default()).then_some(status.plan),
        outputs: status.outputs,
    })
}

/// A service that exists already: it serves, whatever happens. Outputs that hold a secret are shown as they are written.
pub(super) fn existing(path: &str, existing: &Existing) -> ServiceView {
    let shown =
        |text: &String| resolve_text(text, &Outputs::new(), &Secrets::new()).unwrap_or_else(|_| text.clone());
    ServiceView {
        name: path.to_owned(),
        framework: existing.interface.clone().unwrap_or_default(),
        existing: true,
        state: ServiceState::Ready,
        complete: true,
        outputs: existing.outputs.iter().map(|(name, text)| (name.clone(), shown(text))).collect(),
        ..ServiceView::default()
    }
}

/// How far a service on its way out is.
fn removal(
    stored: &StoredStack,
    name: &str,
    known: Option<&InstanceStatus>,
    observed: &Observed,
    view: &View,
) -> String {
    let Some(known) = known else { return "is gone".into() };
    if let Some(dependent) = held_by(stored, name, view) {
        return format!("waits until {dependent} is gone");
    }
    match &observed.status {
        Some(status) if status.destroyed => "its scheduler stops".into(),
        Some(status) if status.plan.name == "destroy" => progress(status),
        _ if known.message.is_empty() => "its scheduler is told to take it down".into(),
        _ => known.message.clone(),
    }
}

fn judge(known: Option<&InstanceStatus>, observed: &Observed, revision: u64) -> (ServiceState, String) {
    let Some(known) = known else {
        return (ServiceState::Waiting, "waits for its turn".into());
    };
    let word = || {
        if known.message.is_empty() { phase_word(known.phase).to_owned() } else { known.message.clone() }
    };
    match known.phase {
        Phase::Waiting if known.placement.is_none() => (ServiceState::Waiting, word()),
        Phase::Waiting | Phase::Staging | Phase::Starting | Phase::Running | Phase::Stopping => {
            (ServiceState::Starting, format!("its scheduler: {}", word()))
        }
        Phase::Stopped => (ServiceState::Stopped, "its scheduler is stopped".into()),
        // A scheduler is no job: the last two do not happen.
        Phase::BackOff
        | Phase::Unreachable
        | Phase::Reconciling
        | Phase::Unhealthy
        | Phase::Finished
        | Phase::Failed => (ServiceState::Unreachable, format!("its scheduler: {}", word())),
        Phase::Ready => serving(known, observed, revision),
    }
}

fn serving(known: &InstanceStatus, observed: &Observed, revision: u64) -> (ServiceState, String) {
    // Its state says already that it is one.
    let error = observed.status.as_ref().and_then(failure);
    match observed.serving(revision) {
        Ok(_) if known.needs_restart => {
            (ServiceState::Deploying, "its scheduler is about to take a new configuration".into())
        }
        Ok(_) => (ServiceState::Ready, String::new()),
        Err(why) if error.is_some() => (ServiceState::Error, error.unwrap_or(why)),
        Err(why) if observed.error.is_some() => (ServiceState::Unreachable, why),
        Err(why) if observed.status.is_none() => (ServiceState::Starting, why),
        Err(why) => (ServiceState::Deploying, why),
    }
}

fn scheduler(name: String, known: Option<&InstanceStatus>, status: &Status) -> SchedulerView {
    let known = known.cloned().unwrap_or_default();
    let placement = known.placement.as_ref();
    SchedulerView {
        name,
        phase: known.phase,
        url: placement.and_then(|p| p.endpoint(API)).map(|e| format!("http://{e}")),
        agent_id: placement.map(|p| p.agent_id.clone()),
        message: known.message,
        task_id: known.task_id,
        last_task_id: known.last_task_id,
        retry_at_ms: known.retry_at_ms,
        framework_id: status.framework_id.clone(),
        outdated: known.needs_restart,
    }
}

fn instance(status: &InstanceStatus) -> InstanceView {
    let placement = status.placement.as_ref();
    InstanceView {
        name: status.name.clone(),
        phase: status.phase,
        message: status.message.clone(),
        address: placement.map(|p| p.address.clone()),
        endpoints: placement
            .map(|p| p.ports.keys().filter_map(|n| Some((n.clone(), p.endpoint(n)?))).collect())
            .unwrap_or_default(),
        task_id: status.latest_task().map(str::to_owned),
        agent_id: status.latest_agent().map(str::to_owned),
        failures: status.failures,
    }
}

//! What is wrong, and which command mends it: what is stored, what the master knows and what the schedulers say of their
//! services, held against each other. Pure; who asks the master is `rest/doctor.rs`.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use cairn_framework::{Cluster, Health, InstanceStatus, Phase, PlanStatus, Registered, Status, View};
use serde::{Deserialize, Serialize};

use crate::child::Observed;
use crate::state::{Options, StoredStack};
use crate::view::{self, ServiceState, ServiceView};

/// Failures in a row that are more than bad luck.
const MANY: u32 = 3;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something does not serve, or cannot go on without an operator.
    Error,
    /// Something is not as it is usually meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: `controller`, `cluster`, `STACK/SERVICE`, `STACK/SERVICE/INSTANCE`.
    pub about: String,
    /// What is wrong.
    pub problem: String,
    /// What mends it.
    pub remedy: String,
}

/// What there is to compare.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) options: &'a Options,
    pub(crate) status: &'a Status,
    pub(crate) view: &'a View,
    /// What the master knows, or why it does not say.
    pub(crate) cluster: Result<&'a Cluster, &'a str>,
}

/// Everything that is wrong, what is worst first.
pub(crate) fn examine(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    findings.controller(evidence);
    for (name, stack) in &evidence.options.stacks {
        for service in view::stack(evidence.options, name, evidence.view)
            .unwrap_or_default()
            .services
            .iter()
            .filter(|s| !s.existing)
        {
            findings.service(evidence, stack, service);
        }
    }
    if let Ok(cluster) = evidence.cluster {
        findings.strangers(evidence, cluster);
    }
    findings.0.sort();
    findings.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn error(&mut self, about: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Error, about, problem.into(), remedy.into());
    }

    fn warn(&mut self, about: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.add(Severity::Warning, about, problem.into(), remedy.into());
    }

    fn add(&mut self, severity: Severity, about: &str, problem: String, remedy: String) {
        self.0.push(Finding { severity, about: about.to_owned(), problem, remedy });
    }

    fn controller(&mut self, evidence: &Evidence<'_>) {
        let master = &evidence.view.master.address;
        match &evidence.status.health {
            Health::Ok => {}
            Health::Connecting => self.error(
                "controller",
                format!("is not registered with the master at {master}"),
                "start the master, or start the controller with the right --master",
            ),
            Health::Failed(reason) => {
                self.error("controller", reason, anew(evidence.status, "cairn reregister"))
            }
        }
        match evidence.cluster {
            Err(why) => {
                self.error("cluster", format!("the master cannot be asked: {why}"), "start the master")
            }
            Ok(cluster) if cluster.agents.is_empty() => {
                self.error("cluster", "no agent is registered", "start agents: cairn agent");
            }
            Ok(_) => {}
        }
    }

    fn service(&mut self, evidence: &Evidence<'_>, stack: &StoredStack, service: &ServiceView) {
        let name = format!("{}/{}", stack.spec.name, service.name);
        let observed = Observed::of(evidence.view, &service.scheduler.name);
        let status = observed.status.unwrap_or_default();
        self.scheduler(evidence, &name, service, &status);
        if service.drifted {
            self.warn(
                &name,
                "its configuration was changed over REST, and is not what the stack's file says",
                format!("bring the change into the file, or undo it: cairn apply of {}", stack.spec.name),
            );
        }
        if status.plan.status == PlanStatus::Waiting {
            self.warn(
                &name,
                "changes are paused",
                format!(
                    "POST /v1/stacks/{}/services/{}/proxy/v1/plans/{}/continue",
                    stack.spec.name, service.name, status.plan.name
                ),
            );
        }
        for instance in &status.instances {
            self.instance(evidence, &format!("{name}/{}", instance.name), instance);
        }
        if let (Ok(cluster), true) = (evidence.cluster, observed.reachable) {
            self.against_the_cluster(evidence, cluster, &name, &status);
        }
    }

    /// A scheduler that does not do its work, or says that it cannot.
    fn scheduler(&mut self, evidence: &Evidence<'_>, name: &str, service: &ServiceView, status: &Status) {
        let scheduler = &service.scheduler.name;
        match service.state {
            ServiceState::Error => match &status.health {
                Health::Failed(reason) => {
                    self.error(name, reason, anew(status, &format!("cairn reregister {name}")));
                }
                _ => self.error(name, &service.message, format!("cairn status {name}")),
            },
            ServiceState::Unreachable => match lost_agent(evidence, scheduler) {
                Some(host) => self.error(
                    name,
                    format!("its scheduler has its place on {host}, and that agent is out of reach"),
                    format!(
                        "bring the agent back; if it is gone for good: POST /v1/instances/{scheduler}/replace at the controller"
                    ),
                ),
                None => self.error(name, &service.message, scheduler_logs(name)),
            },
            ServiceState::Stopped => self.warn(
                name,
                &service.message,
                format!("POST /v1/instances/{scheduler}/start at the controller"),
            ),
            ServiceState::Waiting
            | ServiceState::Starting
            | ServiceState::Deploying
            | ServiceState::Ready
            | ServiceState::Removing => {}
        }
    }

    fn instance(&mut self, evidence: &Evidence<'_>, name: &str, instance: &InstanceStatus) {
        let agent = instance.placement.as_ref().map(|place| &place.agent_id);
        let lost = match (evidence.cluster, agent) {
            (Ok(cluster), Some(agent)) => !cluster.agents.contains_key(agent),
            _ => false,
        };
        let replace = format!("bring its agent back; if it is gone for good: cairn instance replace {name}");
        match instance.phase {
            Phase::Unreachable => self.error(name, "its agent is out of reach", replace),
            _ if lost => {
                let host = instance.placement.as_ref().map(|p| p.hostname.as_str()).unwrap_or_default();
                self.error(name, format!("its agent on {host} is not in the cluster"), replace);
            }
            Phase::Unhealthy => {
                self.error(name, told("fails its health check", instance), format!("cairn logs {name}"));
            }
            Phase::BackOff if instance.failures >= MANY => {
                let problem = format!("has failed {} times in a row", instance.failures);
                self.error(name, told(&problem, instance), format!("cairn logs {name}"));
            }
            Phase::Failed => {
                self.error(name, told("was given up", instance), format!("cairn instance restart {name}"));
            }
            Phase::Stopped => {
                self.warn(name, "was stopped by an operator", format!("cairn instance start {name}"));
            }
            Phase::Waiting
            | Phase::Staging
            | Phase::Starting
            | Phase::Running
            | Phase::Ready
            | Phase::Stopping
            | Phase::Reconciling
            | Phase::BackOff
            | Phase::Finished => {}
        }
    }

    /// What the scheduler has on record and what the master has.
    fn against_the_cluster(
        &mut self,
        evidence: &Evidence<'_>,
        cluster: &Cluster,
        name: &str,
        status: &Status,
    ) {
        let Some(id) = &status.framework_id else { return };
        let mine = |f: &&Registered| f.id == *id;
        match cluster.frameworks.iter().find(mine) {
            Some(framework) if framework.removed => self.error(
                name,
                format!("the master has removed its framework {id}"),
                format!("cairn reregister {name}"),
            ),
            Some(framework) => self.tasks(name, status, framework),
            None if status.health == Health::Ok => {
                self.error(
                    name,
                    format!("the master does not know its framework {id}"),
                    scheduler_logs(name),
                );
            }
            None => {}
        }
        let others =
            cluster.frameworks.iter().filter(|f| f.name == status.framework && f.id != *id && !f.removed);
        for other in others {
            self.error(
                name,
                format!("a second framework {} has the name {}, with {} tasks", other.id, other.name, other.tasks.len()),
                format!(
                    "if its scheduler has lost its state, bring back a backup: cairn state import; if not, see to it that only \
                     one scheduler runs, and tear the other framework down: {}",
                    teardown(evidence, &other.id)
                ),
            );
        }
    }

    fn tasks(&mut self, name: &str, status: &Status, framework: &Registered) {
        // What is being launched or ended may be on one side only for a moment.
        let settled =
            |i: &&InstanceStatus| matches!(i.phase, Phase::Ready | Phase::Running | Phase::Unhealthy);
        for instance in status.instances.iter().filter(settled) {
            if let Some(task) = instance.task_id.as_ref().filter(|task| !framework.tasks.contains(*task)) {
                let about = format!("{name}/{}", instance.name);
                self.error(
                    &about,
                    format!("is on record as task {task}, which the master does not know"),
                    format!("cairn instance restart {about}"),
                );
            }
        }
        if status.complete {
            let recorded: BTreeSet<&String> =
                status.instances.iter().filter_map(|i| i.task_id.as_ref()).collect();
            for task in framework.tasks.iter().filter(|task| !recorded.contains(task)) {
                self.error(
                    name,
                    format!("task {task} runs and is on no record"),
                    format!("its scheduler should have ended it; look why not: {}", scheduler_logs(name)),
                );
            }
        }
    }

    /// Frameworks of stacks that nobody looks after.
    fn strangers(&mut self, evidence: &Evidence<'_>, cluster: &Cluster) {
        let known = |stack: &str, service: &str| {
            evidence.options.stacks.get(stack).is_some_and(|s| s.service(service).is_some())
        };
        for framework in cluster.frameworks.iter().filter(|f| !f.removed && !f.connected) {
            let (Some(stack), Some(service)) = (&framework.stack, &framework.service) else { continue };
            if known(stack, service) {
                continue;
            }
            self.warn(
                "cluster",
                format!(
                    "the framework {} ({}) of {stack}/{service} has {} tasks, no scheduler, and is in no stack here",
                    framework.name,
                    framework.id,
                    framework.tasks.len()
                ),
                format!(
                    "apply the stack {stack} again and destroy it; or tear the framework down: {}",
                    teardown(evidence, &framework.id)
                ),
            );
        }
    }
}

/// Asks the master to end all tasks of a framework and to forget it; what it has reserved stays.
fn teardown(evidence: &Evidence<'_>, id: &str) -> String {
    let address = evidence.view.master.address.as_str();
    let master = match address {
        several if several.starts_with("zk://") || several.contains(',') => {
            "http://LEADING-MASTER".to_owned()
        }
        url if url.contains("://") => url.to_owned(),
        host_and_port => format!("http://{host_and_port}"),
    };
    format!(
        "curl -X POST {master}/api/v1 -H 'content-type: application/json' -d \
         '{{\"type\":\"TEARDOWN\",\"teardown\":{{\"framework_id\":{{\"value\":\"{id}\"}}}}}}'"
    )
}

/// What is done about a scheduler that does not register: one that never has, has lost its state, and what it would launch
/// runs.
fn anew(status: &Status, reregister: &str) -> String {
    match status.framework_id {
        Some(_) => reregister.to_owned(),
        None => {
            format!("bring its state back: cairn state import; or give up what runs: {reregister} --teardown")
        }
    }
}

/// What a service's scheduler has to say of itself.
fn scheduler_logs(name: &str) -> String {
    format!("cairn logs {name} --scheduler --stderr")
}

/// The host of a scheduler whose agent is not there.
fn lost_agent<'a>(evidence: &'a Evidence<'_>, scheduler: &str) -> Option<&'a str> {
    let instance = evidence.view.instances.get(scheduler)?;
    let place = instance.placement.as_ref()?;
    let known = |cluster: &Cluster| cluster.agents.contains_key(&place.agent_id);
    let lost = instance.phase == Phase::Unreachable || evidence.cluster.is_ok_and(|cluster| !known(cluster));
    lost.then_some(place.hostname.as_str())
}

/// A problem with the last words of the instance.
fn told(problem: &str, instance: &InstanceStatus) -> String {
    if instance.message.is_empty() { problem.to_owned() } else { format!("{problem}: {}", instance.message) }
}

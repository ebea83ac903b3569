//! What is wrong, and which command mends it: what is stored, what the master knows and what the schedulers say of their
//! services, held against each other. Pure; who asks the master is `rest/doctor.rs`.

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
        match service.state {
            ServiceState::Error => match &status.health {
                Health::Failed(reason) => {
                    self.error(&name, reason, anew(&status, &format!("cairn reregister {name}")));
                }
                _ => self.error(&name, &service.message, format!("cairn status {name}")),
            },
            ServiceState::Unreachable => match lost_agent(evidence, &service.scheduler.name) {
                Some(host) => self.error(
                    &name,
                    format!("its scheduler has its place on {host}, and that agent is out of reach"),
                    format!(
                        "bring the agent back; if it is gone for good: POST /v1/instances/{}/replace at the controller",
                        service.scheduler.name
                    ),
                ),
                None => self.error(&name, &service.message, scheduler_logs(&name)),
            },
            ServiceState::Stopped => self.warn(
                &name,
                &service.message,
                format!("POST /v1/instances/{}/start at the controller", service.scheduler.name),
            ),
            ServiceState::Waiting
            | ServiceState::Starting
            | ServiceState::Deploying
            | ServiceState::Ready
            | ServiceState::Removing => {}
        }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cairn_framework::Placement;

    use super::*;
    use crate::testing::{complete, observe, options, view};

    const ID: &str = "F-7";

    fn healthy() -> (Options, Status, View, Cluster) {
        let mut view = view();
        for service in ["demo-zookeeper", "demo-kafka"] {
            let mut status = complete(service, 1, &[("connect", "a:1")]);
            status.framework_id = Some(format!("{ID}-{service}"));
            status.instances = vec![instance(service)];
            observe(&mut view, status);
            let scheduler = view.instances.entry(service.to_owned()).or_default();
            scheduler.phase = Phase::Ready;
            scheduler.task_id = Some(format!("{service}.1"));
        }
        let framework = |service: &str| Registered {
            id: format!("{ID}-demo-{service}"),
            name: format!("demo-{service}"),
            stack: Some("demo".into()),
            service: Some(service.into()),
            connected: true,
            tasks: [format!("demo-{service}-task")].into(),
            ..Registered::default()
        };
        let cluster = Cluster {
            agents: BTreeMap::from([("S1".into(), "host-1".into())]),
            frameworks: vec![framework("zookeeper"), framework("kafka")],
            ..Cluster::default()
        };
        let status = Status { health: Health::Ok, framework_id: Some(ID.into()), ..Status::default() };
        (options(), status, view, cluster)
    }

    fn instance(service: &str) -> InstanceStatus {
        InstanceStatus {
            name: "node-0".into(),
            phase: Phase::Ready,
            task_id: Some(format!("{service}-task")),
            placement: Some(Placement {
                agent_id: "S1".into(),
                hostname: "host-1".into(),
                ..Placement::default()
            }),
            ..InstanceStatus::default()
        }
    }

    fn told(change: impl FnOnce(&mut Options, &mut Status, &mut View, &mut Cluster)) -> String {
        let (mut options, mut status, mut view, mut cluster) = healthy();
        change(&mut options, &mut status, &mut view, &mut cluster);
        text(&options, &status, &view, Ok(&cluster))
    }

    fn text(options: &Options, status: &Status, view: &View, cluster: Result<&Cluster, &str>) -> String {
        let line = |f: Finding| format!("{:?} {}: {} -> {}", f.severity, f.about, f.problem, f.remedy);
        let found = examine(&Evidence { options, status, view, cluster });
        found.into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn kafka(view: &mut View, change: impl FnOnce(&mut Status)) {
        let mut status = Observed::of(view, "demo-kafka").status.unwrap();
        change(&mut status);
        observe(view, status);
    }

    #[test]
    fn nothing_is_said_of_what_is_well() {
        assert_eq!(told(|_, _, _, _| {}), "");
    }

    #[test]
    fn a_controller_without_its_master_says_so() {
        let found =
            told(|_, status, _, _| status.health = Health::Failed("Framework has been removed".into()));
        assert_eq!(found, "Error controller: Framework has been removed -> cairn reregister");
        let (options, status, view, _) = healthy();
        let found = text(&options, &status, &view, Err("connection refused"));
        assert_eq!(
            found,
            "Error cluster: the master cannot be asked: connection refused -> start the master"
        );
    }

    #[test]
    fn a_framework_that_the_master_removed_is_reset_by_a_command() {
        let found = told(|_, _, view, cluster| {
            cluster.frameworks[1].removed = true;
            kafka(view, |status| status.health = Health::Failed("Framework has been removed".into()));
        });
        assert!(
            found.contains("Error demo/kafka: Framework has been removed -> cairn reregister demo/kafka"),
            "{found}"
        );
        assert!(found.contains("the master has removed its framework F-7-demo-kafka"), "{found}");
    }

    #[test]
    fn a_lost_state_is_brought_back_or_what_it_had_is_given_up() {
        let lost = |status: &mut Status| {
            (status.health, status.framework_id) = (Health::Failed("its state is lost".into()), None);
        };
        let found = told(|_, status, view, _| {
            lost(status);
            kafka(view, lost);
        });
        let remedy = |command: &str| {
            format!(
                "its state is lost -> bring its state back: cairn state import; or give up what runs: {command} --teardown"
            )
        };
        assert_eq!(
            found,
            format!(
                "Error controller: {}\nError demo/kafka: {}",
                remedy("cairn reregister"),
                remedy("cairn reregister demo/kafka")
            )
        );
    }

    #[test]
    fn state_and_cluster_are_compared_task_by_task() {
        let found = told(|_, _, _, cluster| cluster.frameworks[1].tasks = ["stray".to_owned()].into());
        assert_eq!(
            found,
            "Error demo/kafka: task stray runs and is on no record -> its scheduler should have ended it; look why not: \
             cairn logs demo/kafka --scheduler --stderr\nError demo/kafka/node-0: is on record as task demo-kafka-task, which the master does \
             not know -> cairn instance restart demo/kafka/node-0"
        );
    }

    #[test]
    fn a_second_cluster_and_orphans_are_named() {
        let found = told(|_, _, _, cluster| {
            let second = Registered { id: "F-8".into(), ..cluster.frameworks[1].clone() };
            let orphan = Registered {
                id: "F-9".into(),
                name: "old-kafka".into(),
                stack: Some("old".into()),
                connected: false,
                ..second.clone()
            };
            cluster.frameworks.extend([second, orphan]);
        });
        assert!(
            found.contains("Error demo/kafka: a second framework F-8 has the name demo-kafka"),
            "{found}"
        );
        assert!(
            found.contains("Warning cluster: the framework old-kafka (F-9) of old/kafka has 1 tasks"),
            "{found}"
        );
        let command = |id: &str| {
            format!(
                r#"/api/v1 -H 'content-type: application/json' -d '{{"type":"TEARDOWN","teardown":{{"framework_id":{{"value":"{id}"}}}}}}'"#
            )
        };
        assert!(found.contains(&command("F-8")) && found.contains(&command("F-9")), "{found}");
        assert!(found.contains("if its scheduler has lost its state, bring back a backup"), "{found}");
    }

    #[test]
    fn a_scheduler_whose_agent_is_lost_is_replaced_first() {
        let on = |agent: &str, phase: Phase| {
            told(|_, _, view, _| {
                let scheduler = view.instances.get_mut("demo-kafka").unwrap();
                scheduler.placement = Some(Placement {
                    agent_id: agent.into(),
                    hostname: "host-9".into(),
                    ..Placement::default()
                });
                (scheduler.phase, scheduler.message) = (phase, "health check timed out".into());
            })
        };
        let lost = "Error demo/kafka: its scheduler has its place on host-9, and that agent is out of reach -> bring the agent \
                    back; if it is gone for good: POST /v1/instances/demo-kafka/replace at the controller";
        assert_eq!(on("S1", Phase::Unreachable), lost, "the master has not heard of it for a while");
        assert_eq!(on("S9", Phase::BackOff), lost, "the master does not know it any more");
        let failed = "Error demo/kafka: its scheduler: health check timed out -> cairn logs demo/kafka --scheduler --stderr";
        assert_eq!(on("S1", Phase::BackOff), failed);
    }

    #[test]
    fn instances_say_what_they_need() {
        let of = |change: fn(&mut InstanceStatus)| {
            told(|_, _, view, _| kafka(view, |status| change(&mut status.instances[0])))
        };
        let stopped = of(|i| (i.phase, i.task_id) = (Phase::Stopped, None));
        assert!(
            stopped.contains("Warning demo/kafka/node-0: was stopped by an operator -> cairn instance start"),
            "{stopped}"
        );
        let failing = of(|i| (i.phase, i.failures, i.message) = (Phase::BackOff, 4, "exit 1".into()));
        assert!(
            failing.contains("has failed 4 times in a row: exit 1 -> cairn logs demo/kafka/node-0"),
            "{failing}"
        );
        let away = of(|i| i.phase = Phase::Unreachable);
        assert!(away.contains("cairn instance replace demo/kafka/node-0"), "{away}");
        let gone = told(|_, _, _, cluster| {
            cluster.agents = BTreeMap::from([("S2".into(), "host-2".into())]);
        });
        assert!(gone.contains("demo/kafka/node-0: its agent on host-1 is not in the cluster"), "{gone}");
    }
}

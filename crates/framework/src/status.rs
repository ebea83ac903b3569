//! What a scheduler says about itself: the same values for REST, page and command line.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{GoalState, Master, Wait};

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

/// All that a service may look at when it decides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// Name of this framework on the cluster, for example `demo-kafka`; unique there.
    pub framework: String,
    /// Mesos framework id, once registered.
    pub framework_id: Option<String>,
    /// The master.
    pub master: Master,
    /// Instances by name, also those that are on their way out.
    pub instances: BTreeMap<String, InstanceStatus>,
    /// Names of the instances in the target, in its order.
    pub target: Vec<String>,
    /// Facts that the service's own watchers brought ([`crate::Handle::observe`]).
    pub observed: BTreeMap<String, Arc<Value>>,
    /// Facts that outlive this program ([`crate::Handle::remember`]), for as long as an instance holds a place.
    pub facts: BTreeMap<String, Value>,
}

impl View {
    /// Where an instance is or will be.
    pub fn placement(&self, instance: &str) -> Option<&Placement> {
        self.instances.get(instance)?.placement.as_ref()
    }

    /// `address:port` of an instance's port, once it has a place with one of this name.
    pub fn endpoint(&self, instance: &str, port: &str) -> Option<String> {
        self.placement(instance)?.endpoint(port)
    }

    /// Everybody else of the target who has served.
    pub fn others_deployed<'a>(&'a self, me: &'a str) -> Vec<&'a String> {
        self.others(me).filter(|name| self.deployed(name)).collect()
    }

    /// The place of an instance, for a task that needs it.
    ///
    /// # Errors
    /// It has none yet.
    pub fn place(&self, instance: &str) -> Result<&Placement, Wait> {
        self.placement(instance).ok_or_else(|| Wait::Peers("a place of its own".into()))
    }

    /// The other instances of the target, in its order.
    pub fn others<'a>(&'a self, me: &'a str) -> impl Iterator<Item = &'a String> {
        self.target.iter().filter(move |name| *name != me)
    }

    /// The first of the others that waits for a restart: for whoever has to be the last.
    pub fn restarts_before<'a>(&'a self, me: &'a str) -> Option<&'a String> {
        self.others(me).find(|name| self.restarts(name))
    }

    /// None of the others runs and has not served yet: for services that take in one member at a time.
    ///
    /// # Errors
    /// One does.
    pub fn joins_alone(&self, me: &str) -> Result<(), String> {
        let joins = |name: &&String| self.runs(name) && !self.deployed(name);
        self.others(me).find(joins).map_or(Ok(()), |first| Err(format!("{first} joins first")))
    }

    /// Of those that run and are to go this one is the next: who comes last by `order`.
    ///
    /// # Errors
    /// Another one is.
    pub fn leaves_next<K: Ord>(&self, me: &str, order: impl Fn(&str) -> K) -> Result<(), String> {
        let leaving = self.instances.keys().filter(|name| self.leaves(name));
        let first = leaving.max_by_key(|name| order(name)).filter(|first| *first != me);
        first.map_or(Ok(()), |first| Err(format!("{first} leaves first")))
    }

    /// An instance has a task.
    pub fn runs(&self, instance: &str) -> bool {
        self.instances.get(instance).is_some_and(|i| i.task_id.is_some())
    }

    /// An instance serves.
    pub fn serves(&self, instance: &str) -> bool {
        self.instances.get(instance).is_some_and(InstanceStatus::is_ready)
    }

    /// An instance has served.
    pub fn deployed(&self, instance: &str) -> bool {
        self.instances.get(instance).is_some_and(|i| i.deployed)
    }

    /// A restart of an instance is due.
    pub fn restarts(&self, instance: &str) -> bool {
        self.instances.get(instance).is_some_and(|i| i.needs_restart)
    }

    /// An operator has stopped an instance.
    pub fn stopped(&self, instance: &str) -> bool {
        self.instances.get(instance).is_some_and(|i| i.phase == Phase::Stopped)
    }

    /// An instance belongs to the target.
    pub fn stays(&self, instance: &str) -> bool {
        self.target.iter().any(|name| name == instance)
    }

    /// An instance still runs and is to go.
    pub fn leaves(&self, instance: &str) -> bool {
        !self.stays(instance) && self.runs(instance)
    }

    /// `address:port` of the target's instances that serve, or of those that are to go, if no other does.
    pub fn serving(&self, port: &str) -> Vec<String> {
        let (stay, leave): (BTreeMap<_, _>, BTreeMap<_, _>) =
            self.servers(port).into_iter().partition(|(name, _)| self.stays(name));
        if stay.is_empty() { leave } else { stay }.into_values().collect()
    }

    /// `address:port` of all instances that serve, by name.
    pub fn servers(&self, port: &str) -> BTreeMap<String, String> {
        let ready = self.instances.iter().filter(|(_, instance)| instance.is_ready());
        ready.filter_map(|(name, i)| Some((name.clone(), i.placement.as_ref()?.endpoint(port)?))).collect()
    }

    /// `address:port` of each of these instances, for a task that needs them; `who` they are, for people.
    ///
    /// # Errors
    /// Some have no place yet.
    pub fn all_of<'a>(
        &self,
        who: &str,
        names: impl IntoIterator<Item = &'a String>,
        port: &str,
    ) -> Result<BTreeMap<String, String>, Wait> {
        let (mut there, mut missing) = (BTreeMap::new(), Vec::new());
        for name in names {
            match self.endpoint(name, port) {
                Some(endpoint) => drop(there.insert(name.clone(), endpoint)),
                None => missing.push(name.as_str()),
            }
        }
        let waits = || Wait::Peers(format!("{who} need places first: {}", missing.join(", ")));
        if missing.is_empty() { Ok(there) } else { Err(waits()) }
    }

    /// `address:port` of every target instance that has a place, in the target's order.
    pub fn endpoints(&self, port: &str) -> Vec<String> {
        self.target.iter().filter_map(|i| self.placement(i)?.endpoint(port)).collect()
    }

    /// `name:port` of every target instance that has a place, with its Mesos-DNS name, in the target's order.
    pub fn names(&self, port: &str) -> Vec<String> {
        let name = |i: &String| Some(format!("{}:{}", self.dns(i), self.placement(i)?.ports.get(port)?));
        self.target.iter().filter_map(name).collect()
    }

    /// Mesos-DNS name of an instance: `broker-0.demo-kafka.mesos`.
    pub fn dns(&self, instance: &str) -> String {
        format!("{instance}.{}.mesos", self.framework)
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

    /// Instances that stay and instances that leave; capital letters serve.
    fn view(stay: &str, leave: &str) -> View {
        let mut view = View::default();
        for (name, port) in stay.chars().chain(leave.chars()).zip(1..) {
            let ports = [("client".to_owned(), port)].into();
            let phase = if name.is_uppercase() { Phase::Ready } else { Phase::Starting };
            let placement = Some(Placement { ports, ..place("h") });
            view.instances
                .insert(name.into(), InstanceStatus { phase, placement, ..InstanceStatus::default() });
        }
        view.target = stay.chars().map(String::from).collect();
        view
    }

    #[test]
    fn who_stays_is_asked_before_who_leaves() {
        assert_eq!(view("aBC", "D").serving("client"), ["h:2", "h:3"]);
        assert_eq!(view("ab", "D").serving("client"), ["h:3"]);
        assert_eq!(view("aB", "c").serving("other"), Vec::<String>::new());
        assert_eq!(view("aB", "D").servers("client").into_keys().collect::<String>(), "BD");
    }

    #[test]
    fn who_lacks_a_place_is_named() {
        let view = view("ab", "");
        let all = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            view.all_of("the first", &names, "client")
        };
        assert_eq!(all(&["a", "b"]).map(|all| all["b"].clone()), Ok("h:2".to_owned()));
        let missing = Wait::Peers("the first need places first: c, d".into());
        assert_eq!(all(&["a", "c", "d"]), Err(missing));
    }

    #[test]
    fn places() {
        assert_eq!(place("127.0.0.3").loopback(), "127.0.0.3");
        assert_eq!(place("10.0.0.3").loopback(), "127.0.0.1");
        assert_eq!(place("").attribute(Some("rack")), Some("r1"));
        assert_eq!((place("").attribute(Some("zone")), place("").attribute(None)), (None, None));
    }

    #[test]
    fn one_joins_and_one_leaves_at_a_time() {
        let instance = |(name, deployed): (&str, bool)| {
            let task_id = Some("t".to_owned());
            let status = InstanceStatus { name: name.into(), task_id, deployed, ..InstanceStatus::default() };
            (name.to_owned(), status)
        };
        let all = [("a", true), ("b", false), ("x-2", true), ("x-10", true)];
        let target = ["a", "b", "c"].map(str::to_owned).to_vec();
        let view = View { target, instances: all.map(instance).into(), ..View::default() };
        assert_eq!(view.joins_alone("b"), Ok(()));
        assert_eq!(view.joins_alone("c"), Err("b joins first".into()));
        let number = |name: &str| name.trim_start_matches("x-").parse::<u32>().ok();
        assert_eq!(view.leaves_next("x-10", number), Ok(()));
        assert_eq!(view.leaves_next("x-2", number), Err("x-10 leaves first".into()));
    }
}

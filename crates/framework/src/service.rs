//! What is different about one service: the trait that a framework implements.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use cairn_task::TaskSpec;

use crate::kit::contents::{self, Contents};
use crate::kit::{Cluster, Nodes};
use crate::{Config, Handle, InstanceSpec, Model, Operate, OperationSpec, Problem, Progress, View};

/// A service that the SDK keeps running.
///
/// `model`, `task` and `outputs` are pure: the same arguments give the same answer. `gate` and `settle` may talk to the
/// service; they are called again and again and must be idempotent.
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// Name of the framework, for example `kafka`.
    fn name(&self) -> &str;

    /// Checks a configuration and says which instances it asks for.
    ///
    /// # Errors
    /// Everything that is wrong with it; nothing is changed then.
    fn model(&self, config: &Config) -> Result<Model, Vec<Problem>>;

    /// The task of an instance. Asked again when the configuration, a placement, an observation, the set of live tasks or
    /// who is `deployed` has changed; nothing else of the view may be used.
    /// Two specs that differ (files marked `keep` aside) make the SDK restart the instance, one at a time.
    ///
    /// # Errors
    /// What the instance waits for.
    fn task(&self, config: &Config, instance: &InstanceSpec, view: &View) -> Result<TaskSpec, Wait>;

    /// Instances whose task, or gate, may rest on what is known of `name`, an instance or an observed fact: after a change
    /// of it only they are looked at again. `None`: any of them may. For services with very many instances that know
    /// little of each other.
    fn concerned(&self, config: &Config, name: &str) -> Option<BTreeSet<String>> {
        let _ = (config, name);
        None
    }

    /// What dependents may use once everything is ready, for example `connect`.
    fn outputs(&self, config: &Config, view: &View) -> BTreeMap<String, String>;

    /// May this step happen (`Moment::Before`), is it really done (`Moment::After`)? Asked again while the answer is
    /// [`Verdict::Wait`]. May bring about what it waits for, for example move partitions away before a removal.
    /// An error or a time-out counts as `Wait`: a gate that cannot be asked is closed.
    ///
    /// See [`Service::cluster`].
    async fn gate(&self, handle: &Handle, ask: &Ask) -> Verdict {
        match self.cluster() {
            Some(cluster) => cluster.judge(handle, ask).await,
            None => Verdict::Go,
        }
    }

    /// Brings what the configuration declares inside the service (topics, keyspaces) in line with it. Called when all
    /// instances are ready, and every so often afterwards.
    async fn settle(&self, handle: &Handle, config: &Config, view: &View) -> Verdict {
        let settled = match self.cluster() {
            Some(cluster) => cluster.keep(handle, config, view).await,
            None => Verdict::Go,
        };
        if settled == Verdict::Go { contents::keep(self.contents(), config, view).await } else { settled }
    }

    /// What it holds under names and of which options declare some, which the SDK then keeps as declared and serves under
    /// `/v1/topics` or what they are called; see [`crate::kit::contents`].
    fn contents(&self) -> &'static [&'static dyn Contents] {
        &[]
    }

    /// Itself, for a service whose instances form a cluster: what it writes as [`crate::kit::Clustered`] answers then for
    /// [`Service::gate`], [`Service::settle`] and [`Service::describe`].
    fn cluster(&self) -> Option<&dyn Cluster> {
        None
    }

    /// Work that operators can ask for inside running instances; see [`crate::operation`].
    fn operations(&self) -> Vec<OperationSpec> {
        Vec::new()
    }

    /// What else is wrong with the arguments of an operation; what [`crate::Argument`] says of them holds already.
    fn check_operation(
        &self,
        operation: &str,
        arguments: &serde_json::Map<String, serde_json::Value>,
    ) -> Vec<Problem> {
        let _ = (operation, arguments);
        Vec::new()
    }

    /// Begins a step of an operation that is no script of [`OperationSpec`], or goes on with it: called again and again until
    /// it is over, and so idempotent. [`Handle::carry_out`] does this where the step comes to a command. A time-out counts as
    /// `Running`.
    async fn operate(&self, handle: &Handle, step: &Operate) -> Progress {
        match self.operations().iter().find(|o| o.name == step.operation && !o.script.is_empty()) {
            Some(operation) => operation.carry_out(handle, step).await,
            None => Progress::Failed(format!("{} has no operation {}", self.name(), step.operation)),
        }
    }

    /// Asked when a service is destroyed and none of its tasks runs any more, before it leaves the cluster: the place to
    /// take away what it has brought about elsewhere. Asked again while the answer is [`Verdict::Wait`].
    async fn farewell(&self, config: &Config, view: &View) -> Verdict {
        let _ = (config, view);
        Verdict::Go
    }

    /// REST resources of its own, merged with the skeleton. State-changing ones are behind the token already.
    fn api(&self) -> crate::rest::Api {
        crate::rest::Api::default()
    }

    /// Its numbered instances, which the SDK then serves under `/v1/nodes` or what they are called; see
    /// [`crate::kit::Nodes`].
    fn nodes(&self) -> Vec<Nodes> {
        Vec::new()
    }

    /// What the service itself says about its instances, by instance name: an object each, whose fields are added to
    /// the listing of [`Service::nodes`]. Not waited for longer than 5 s.
    async fn describe(&self, config: &Config, view: &View) -> BTreeMap<String, serde_json::Value> {
        match self.cluster() {
            Some(cluster) => cluster.listed(config, view).await,
            None => BTreeMap::new(),
        }
    }

    /// Top-level options that hold secrets: shown by nobody.
    fn secrets(&self) -> &'static [&'static str] {
        &[]
    }

    /// Called once when the driver runs: the place to spawn watchers that feed [`Handle::observe`].
    fn start(&self, handle: Handle) {
        let _ = handle;
    }
}

/// Why an instance cannot be launched yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// It needs to know where its peers will be: reserve its place now, launch later.
    Peers(String),
    /// Do not even look for a place yet.
    For(String),
}

impl Wait {
    /// The reason.
    pub fn reason(self) -> String {
        match self {
            Self::Peers(reason) | Self::For(reason) => reason,
        }
    }
}

impl From<Vec<Problem>> for Wait {
    /// A configuration that cannot be read: wait for a better one.
    fn from(problems: Vec<Problem>) -> Self {
        Self::For(told(&problems))
    }
}

impl From<Vec<Problem>> for Verdict {
    /// A configuration that cannot be read: wait for a better one.
    fn from(problems: Vec<Problem>) -> Self {
        Self::Wait(told(&problems))
    }
}

/// Problems in one line.
pub(crate) fn told(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A step that a gate judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// First launch of a new instance. A relaunch after a crash is asked about afterwards only.
    Launch,
    /// Stop and start with a new configuration, or because an operator wants it.
    Restart,
    /// Stop, but keep: an operator wants it.
    Stop,
    /// Stop for good.
    Remove,
}

/// Before or after the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// Nothing has happened yet.
    Before,
    /// The instance is ready again, or gone.
    After,
}

/// What a gate is asked.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Before or after.
    pub moment: Moment,
    /// The step.
    pub action: Action,
    /// Which instance.
    pub instance: String,
    /// Effective configuration.
    pub config: Config,
    /// All instances as they are.
    pub view: Arc<View>,
}

/// What a gate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Go,
    /// Not now, with the reason that people see: "partition logs-3 would fall under min ISR 2".
    Wait(String),
    /// Never, unless the operator changes something; the plan shows ERROR with this reason.
    Refuse(String),
}

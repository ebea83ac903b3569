//! Services made for the simulator: all they do is to ask for what the core can do.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cairn_framework::{
    Config, InstanceSpec, Model, PortSpec, Problem, Service, Strategy, View, VolumeSpec, Wait,
};
use cairn_task::{ConfigFile, TaskSpec};
use serde_json::{Value, json};

/// What kind of service it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Members that know each other before they start, with data.
    Quorum,
    /// Members with data that come up one after the other.
    Shards,
    /// Workers that hold nothing and do not form a cluster.
    Workers,
    /// What a spec describes: a job, servers with data, two that start together.
    Batch,
    /// The controller.
    Controller,
}

impl Kind {
    /// Name of its framework.
    pub(crate) fn framework(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Shards => "shards",
            Self::Workers => "workers",
            Self::Batch => "batch",
            Self::Controller => "cairn",
        }
    }

    /// The code that the scheduler runs; the controller's comes with its stack.
    pub(crate) fn service(self) -> Arc<dyn Service> {
        if self == Self::Batch { cairn_service::service() } else { Arc::new(Toy(self)) }
    }

    /// Its instances do not all take turns, or not by what is known here.
    pub(crate) fn is_independent(self) -> bool {
        matches!(self, Self::Workers | Self::Batch | Self::Controller)
    }

    /// The instances that run in the end.
    pub(crate) fn instances(self, shape: &Shape) -> Vec<String> {
        let pair = ["left-0", "right-0"].into_iter().filter(|_| self == Self::Batch).map(str::to_owned);
        let mut names: Vec<String> = pair.chain((0..shape.count).map(|n| format!("node-{n}"))).collect();
        names.sort();
        names
    }
}

/// A service of some kind. Its options are [`Shape`].
#[derive(Debug)]
pub(crate) struct Toy(pub(crate) Kind);

/// Options of a [`Toy`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    /// How many instances.
    pub(crate) count: u64,
    /// Something in the command line: another one is another configuration.
    pub(crate) mark: u64,
    /// CPUs of each instance.
    pub(crate) cpus: u64,
    /// It never becomes ready with this configuration.
    pub(crate) broken: bool,
    /// Outputs of what it rests on.
    pub(crate) from: String,
}

impl Default for Shape {
    fn default() -> Self {
        Self { count: 0, mark: 0, cpus: 1, broken: false, from: String::new() }
    }
}

impl Shape {
    pub(crate) fn to_value(&self) -> Value {
        json!({"count": self.count, "mark": self.mark, "cpus": self.cpus, "broken": self.broken})
    }

    pub(crate) fn read(options: &Value) -> Self {
        let number = |key: &str, default| options.get(key).and_then(Value::as_u64).unwrap_or(default);
        Self {
            count: number("count", 0),
            mark: number("mark", 0),
            cpus: number("cpus", 1),
            broken: options.get("broken").and_then(Value::as_bool).unwrap_or_default(),
            from: options.get("from").and_then(Value::as_str).unwrap_or_default().to_owned(),
        }
    }

    /// What tasks with this configuration run.
    pub(crate) fn command(&self) -> Vec<String> {
        let health = if self.broken { "broken" } else { "sound" };
        let mut command = vec!["run".into(), self.mark.to_string(), health.into()];
        command.extend(Some(self.from.clone()).filter(|from| !from.is_empty()));
        command
    }
}

#[async_trait]
impl Service for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn model(&self, config: &Config) -> Result<Model, Vec<Problem>> {
        let shape = Shape::read(&config.options);
        if shape.count > 5 {
            return Err(vec![Problem::new("count", "at most 5")]);
        }
        let volumes = match self.0 {
            Kind::Workers | Kind::Batch | Kind::Controller => Vec::new(),
            Kind::Quorum | Kind::Shards => vec![VolumeSpec { path: "data".into(), size: 512 }],
        };
        let instance = |n: u64| InstanceSpec {
            name: format!("node-{n}"),
            cpus: f64::from(u32::try_from(shape.cpus).unwrap_or(1)),
            mem: 128.0,
            ports: vec![PortSpec::any("main")],
            volumes: volumes.clone(),
            ..InstanceSpec::default()
        };
        Ok(Model {
            instances: (0..shape.count).map(instance).collect(),
            deploy: if self.0 == Kind::Shards { Strategy::Serial } else { Strategy::Parallel },
            independent: self.0 == Kind::Workers,
            ..Model::default()
        })
    }

    fn task(&self, config: &Config, _: &InstanceSpec, view: &View) -> Result<TaskSpec, Wait> {
        let known = view.endpoints("main").len();
        if self.0 == Kind::Quorum && known < view.target.len() {
            return Err(Wait::Peers(format!("knows {known} of {} peers", view.target.len())));
        }
        let command = Shape::read(&config.options).command();
        let token = |content: &str| ConfigFile {
            path: "token".into(),
            content: content.into(),
            ..ConfigFile::default()
        };
        let files = config.options.get("token").and_then(Value::as_str).map(token).into_iter().collect();
        Ok(TaskSpec { command, files, ..TaskSpec::default() })
    }

    fn outputs(&self, _: &Config, view: &View) -> BTreeMap<String, String> {
        BTreeMap::from([("connect".to_owned(), view.endpoints("main").join(","))])
    }
}

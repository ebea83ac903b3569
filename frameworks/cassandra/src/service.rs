//! The service, as the SDK drives it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use async_trait::async_trait;
use axum::routing::get;
use axum::{Json, Router};
use cairn_cassandra_admin::{Client, Node, Report, Survey, owns, statements};
use cairn_framework::kit::{Decision, Nodes, Ports, ask_all};
use cairn_framework::rest::Resource;
use cairn_framework::{
    Action, Ask, Command, Config, Handle, InstanceSpec, Model, Moment, Operate, OperationSpec, PortSpec,
    Problem, Progress, Service, Strategy, Verdict, View, VolumeSpec, Wait,
};
use cairn_task::TaskSpec;
use serde_json::{Map, Value, json};

use crate::gate::{self, Act, replaces};
use crate::operations;
use crate::options::Options;
use crate::seeds::{seeds, seeds_for};
use crate::task::{self, Launch};

/// Port for clients.
pub(crate) const CQL: &str = "cql";
/// Port for the other nodes.
pub(crate) const STORAGE: &str = "storage";
/// Port for nodetool, on the loopback interface.
pub(crate) const JMX: &str = "jmx";
/// Observed, followed by an instance's name: address of the dead member whose place it takes.
pub(crate) const REPLACES: &str = "replaces/";

/// Fact: the cluster was complete once, so there may be rows in it.
const IN_USE: &str = "in-use";
/// Fact: the last node that has joined since the last cleanup.
const GROWN: &str = "grown";

/// What the nodes are called. Only the last ones leave, so that what racks are declared stays.
pub(crate) const NODES: Nodes = Nodes { port: CQL, ..Nodes::new("node", "nodes") };

/// Cassandra.
#[derive(Debug, Default)]
pub(crate) struct Cassandra {
    handle: OnceLock<Handle>,
}

#[async_trait]
impl Service for Cassandra {
    fn name(&self) -> &'static str {
        "cassandra"
    }

    fn model(&self, config: &Config) -> Result<Model, Vec<Problem>> {
        let options = Options::read(config)?;
        let port = |name: &str, within: Option<Ports>| PortSpec {
            name: name.into(),
            within: within.map(Ports::within),
            ..PortSpec::default()
        };
        // A node that takes another's place tells its address without the port: everybody then takes his own for it.
        let storage = PortSpec { uniform: true, ..port(STORAGE, options.storage_port) };
        let node = InstanceSpec {
            ports: vec![port(CQL, options.port), storage, PortSpec::any(JMX)],
            volumes: vec![VolumeSpec::data(options.disk)],
            ..options.jvm.instance(config)?
        };
        let ids = NODES.ids(options.nodes, None).into_iter();
        let instances = ids.map(|id| InstanceSpec { name: NODES.instance(id), ..node.clone() }).collect();
        Ok(Model { instances, deploy: Strategy::Serial, ..Model::default() })
    }

    fn task(&self, config: &Config, instance: &InstanceSpec, view: &View) -> Result<TaskSpec, Wait> {
        let options = Options::read(config)?;
        let seeds = seeds_for(&instance.name, view)?;
        let place = view.placement(&instance.name).ok_or_else(|| Wait::Peers("a place of its own".into()))?;
        let replaces =
            view.observed.get(&replaces(&instance.name)).and_then(Value::as_str).map(str::to_owned);
        let cluster = options.cluster_name.as_ref().unwrap_or(&view.framework);
        Ok(task::node(&options, cluster, &instance.name, place, &Launch { seeds, replaces }))
    }

    fn outputs(&self, config: &Config, view: &View) -> BTreeMap<String, String> {
        let options = Options::read(config).unwrap_or_default();
        let place = view.target.first().and_then(|name| view.placement(name));
        let datacenter = place.map_or(options.datacenter.as_str(), |place| task::datacenter(&options, place));
        BTreeMap::from([
            ("cql".to_owned(), view.endpoints(CQL).join(",")),
            ("datacenter".to_owned(), datacenter.to_owned()),
            ("names".to_owned(), view.names(CQL).join(",")),
            ("seeds".to_owned(), seeds(view).join(",")),
        ])
    }

    async fn gate(&self, ask: &Ask) -> Verdict {
        let options = match Options::read(&ask.config) {
            Ok(options) => options,
            Err(problems) => return problems.into(),
        };
        let survey = survey(&ask.view).await;
        match gate::decide(ask, &survey, &options) {
            Decision::Say(verdict) => {
                self.note_growth(ask, &verdict).await;
                verdict
            }
            Decision::Do(Act::TakeOver(member)) => self.take_over(&ask.instance, member).await,
            Decision::Do(Act::Change(statements)) => change(&ask.view, &survey, &statements).await,
            Decision::Do(Act::Run(errand)) => match self.handle.get() {
                Some(handle) => errand.run(handle).await,
                None => Verdict::Wait("this scheduler is starting".into()),
            },
        }
    }

    async fn settle(&self, config: &Config, view: &View) -> Verdict {
        let options = match Options::read(config) {
            Ok(options) => options,
            Err(problems) => return problems.into(),
        };
        let survey = survey(view).await;
        let Some((_, report)) = survey.reports().next() else {
            return Verdict::Wait("no node serves".into());
        };
        let sizes = survey.sizes(None);
        let statements = statements(options.keyspaces(&sizes), &sizes, &report.keyspaces);
        if statements.is_empty() { self.tidy(view).await } else { change(view, &survey, &statements).await }
    }

    fn operations(&self) -> Vec<OperationSpec> {
        operations::OPERATIONS.to_vec()
    }

    fn check_operation(&self, operation: &str, arguments: &Map<String, Value>) -> Vec<Problem> {
        operations::check(operation, arguments)
    }

    async fn operate(&self, handle: &Handle, step: &Operate) -> Progress {
        if let Some(stop) = operations::stop(step).filter(|_| step.abort) {
            match handle.run(&step.instance, &stop).await {
                Ok(state) if state.is_over() => {}
                Ok(_) => return Progress::Running("is being stopped".into()),
                Err(why) => return Progress::Running(why),
            }
        }
        handle.carry_out(step, operations::action(step)).await
    }

    fn routes(&self, handle: Handle) -> Router {
        Router::new().route("/v1/ring", get(move || ring(handle.clone())))
    }

    fn resources(&self) -> Vec<Resource> {
        vec![("get", "/v1/ring", "Members of the ring as the nodes see them")]
    }

    fn nodes(&self) -> Vec<Nodes> {
        vec![NODES]
    }

    async fn describe(&self, _: &Config, view: &View) -> BTreeMap<String, Value> {
        let ring = survey(view).await.ring();
        let member =
            |name: &String| Some((name.clone(), json!(ring.get(&view.placement(name)?.endpoint(STORAGE)?)?)));
        view.instances.keys().filter_map(member).collect()
    }

    fn start(&self, handle: Handle) {
        // Called once.
        let _ = self.handle.set(handle);
    }
}

impl Cassandra {
    async fn take_over(&self, instance: &str, member: String) -> Verdict {
        tracing::info!(instance, member, "takes over a dead node's place in the ring");
        let reason = format!("it takes over the place of {member}");
        if let Some(handle) = self.handle.get() {
            handle.observe(replaces(instance), member.into()).await;
        }
        Verdict::Wait(reason)
    }

    /// A node has joined a cluster that was in use: the others hold rows that are now its own.
    async fn note_growth(&self, ask: &Ask, verdict: &Verdict) {
        let joined = ask.moment == Moment::After && ask.action == Action::Launch && *verdict == Verdict::Go;
        let new =
            !ask.view.facts.contains_key(IN_USE) || ask.view.observed.contains_key(&replaces(&ask.instance));
        if let Some(handle) = self.handle.get().filter(|_| joined && !new) {
            handle.remember(GROWN, ask.instance.clone().into()).await;
        }
    }

    /// Begins a cleanup once a grown cluster is at rest.
    async fn tidy(&self, view: &View) -> Verdict {
        let Some(handle) = self.handle.get() else {
            return Verdict::Wait("this scheduler is starting".into());
        };
        handle.remember(IN_USE, true.into()).await;
        let Some(grown) = view.facts.get(GROWN).and_then(Value::as_str) else { return Verdict::Go };
        // Another task is another arrival; ids of operations are short.
        let task = view.instances.get(grown).and_then(|i| i.task_id.as_deref()).unwrap_or_default();
        let arrival = task.char_indices().rev().nth(7).map_or(task, |(at, _)| &task[at..]);
        let cleanup = Command::Operate {
            id: format!("cleanup-after-{grown}-{arrival}"),
            operation: "cleanup".into(),
            instances: view.target.clone(),
            arguments: Map::new(),
        };
        if let Err(problem) = handle.command(cleanup).await {
            // One that an operator has begun will do.
            tracing::warn!(%problem, grown, "no cleanup after the cluster has grown");
        }
        handle.remember(GROWN, Value::Null).await;
        Verdict::Go
    }
}

/// Asks all nodes at once.
async fn survey(view: &View) -> Survey {
    let asked = ask_all(view, |instance| {
        let place = instance.placement.as_ref()?;
        let (endpoint, cql) = (place.endpoint(STORAGE)?, place.endpoint(CQL)?);
        let runs = instance.task_id.is_some();
        Some(async move {
            let report = if runs { Report::of(&cql).await } else { Err("it does not run".into()) };
            Node { endpoint, report }
        })
    });
    Survey { nodes: asked.await }
}

/// Carries out changes of the schema, one after the other, each when all nodes agree on the one before.
async fn change(view: &View, survey: &Survey, statements: &[String]) -> Verdict {
    let serving = survey.reports().find_map(|(name, _)| view.placement(name)?.endpoint(CQL));
    let Some(endpoint) = serving else { return Verdict::Wait("no node serves".into()) };
    let Some(statement) = statements.first() else { return Verdict::Go };
    let done = async { Client::connect(&endpoint).await?.query(statement).await };
    match done.await {
        Ok(_) => {
            tracing::info!(statement, "schema changed");
            Verdict::Wait(format!("{} changes of the schema are left", statements.len() - 1))
        }
        Err(error) => Verdict::Wait(error.to_string()),
    }
}

/// What `nodetool status` shows, by instance where one is known.
async fn ring(handle: Handle) -> Json<Value> {
    let published = handle.published();
    let survey = survey(&published.view).await;
    let members = survey.ring();
    let owned = owns(&members);
    let listed = members.iter().map(|(endpoint, member)| {
        let node = survey.nodes.iter().find(|(_, node)| node.endpoint == *endpoint);
        let up = node.is_some_and(|(_, node)| node.report.is_ok());
        let mut listed = json!(member);
        listed["endpoint"] = json!(endpoint);
        listed["instance"] = json!(node.map(|(name, _)| name));
        listed["status"] = json!(if up { "up" } else { "down" });
        listed["owns"] = json!(owned.get(endpoint.as_str()).map(|percent| (percent * 10.0).round() / 10.0));
        listed
    });
    Json(json!({ "members": listed.collect::<Vec<_>>() }))
}

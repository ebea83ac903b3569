//! The service, as the SDK drives it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use axum::routing::get;
use cairn_cassandra_admin::{Client, Node, Report, Survey, owns};
use cairn_framework::kit::{self, Clustered, Decision, IN_USE, Nodes, Performed, Ports, Site, ask_all};
use cairn_framework::rest::Api;
use cairn_framework::{
    Ask, Config, Handle, InstanceSpec, Model, Operate, OperationSpec, PortSpec, Problem, Progress, Service,
    Strategy, Verdict, View, VolumeSpec, Wait,
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

/// What the nodes are called. Only the last ones leave, so that what racks are declared stays.
pub(crate) const NODES: Nodes = Nodes { port: CQL, ..Nodes::new("node", "nodes") };

/// Cassandra.
#[derive(Debug)]
pub(crate) struct Cassandra;

#[async_trait]
impl Service for Cassandra {
    fn name(&self) -> &'static str {
        "cassandra"
    }

    fn model(&self, config: &Config) -> Result<Model, Vec<Problem>> {
        let options = config.read::<Options>()?;
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
        let instances = NODES.instances(0..options.nodes, &node);
        Ok(Model { instances, deploy: Strategy::Serial, ..Model::default() })
    }

    fn task(&self, config: &Config, instance: &InstanceSpec, view: &View) -> Result<TaskSpec, Wait> {
        let options = config.read::<Options>()?;
        let seeds = seeds_for(&instance.name, view)?;
        let place = view.place(&instance.name)?;
        let replaces =
            view.observed.get(&replaces(&instance.name)).and_then(|v| v.as_str()).map(str::to_owned);
        let cluster = options.cluster_name.as_ref().unwrap_or(&view.framework);
        let empty = !view.facts.contains_key(IN_USE);
        Ok(task::node(&options, cluster, &instance.name, place, &Launch { seeds, replaces, empty }))
    }

    fn outputs(&self, config: &Config, view: &View) -> BTreeMap<String, String> {
        let options = config.read::<Options>().unwrap_or_default();
        let place = view.target.first().and_then(|name| view.placement(name));
        let datacenter = place.map_or(options.datacenter.as_str(), |place| task::datacenter(&options, place));
        BTreeMap::from([
            ("cql".to_owned(), view.endpoints(CQL).join(",")),
            ("datacenter".to_owned(), datacenter.to_owned()),
            ("names".to_owned(), view.names(CQL).join(",")),
            ("seeds".to_owned(), seeds(view).join(",")),
        ])
    }

    async fn gate(&self, handle: &Handle, ask: &Ask) -> Verdict {
        kit::judge(self, handle, ask).await
    }

    async fn settle(&self, handle: &Handle, config: &Config, view: &View) -> Verdict {
        kit::settle(self, handle, config, view).await
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

    fn api(&self) -> Api {
        Api::default().at("/v1/ring", get(ring), &[("get", "Members of the ring as the nodes see them")])
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
}

#[async_trait]
impl Clustered for Cassandra {
    type Options = Options;
    type Survey = Survey;
    type Act = Act;

    /// The others hold rows that are now the new node's own.
    const AFTER_GROWTH: Option<&'static str> = Some("cleanup");

    async fn survey(&self, view: &View) -> Survey {
        survey(view).await
    }

    fn judge(&self, ask: &Ask, options: &Options, survey: &Survey) -> Decision<Act> {
        gate::decide(ask, survey, options)
    }

    fn settled(&self, options: &Options, view: &View, survey: &Survey) -> Decision<Act> {
        gate::settle(view, survey, options)
    }

    async fn perform(&self, site: Site<'_, Self>, act: Act) -> Performed {
        match act {
            Act::TakeOver { me, member } => {
                site.handle.observe(replaces(&me), member.clone().into()).await;
                Err(format!("it takes over the place of {member}"))
            }
            Act::InUse => {
                kit::note_in_use(site.handle, site.view).await;
                Err("there are keyspaces, so who joins from now on gets a share of their rows".into())
            }
            Act::Change(statements) => change(site.view, site.survey, &statements).await.map(|()| None),
            Act::Run(errand) => Ok(Some(errand.run(site.handle).await)),
        }
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

/// Carries out the first change of the schema; the next one when all nodes agree on it.
async fn change(view: &View, survey: &Survey, statements: &[String]) -> Result<(), String> {
    let serving = survey.reports().find_map(|(name, _)| view.placement(name)?.endpoint(CQL));
    let (endpoint, statement) = serving.zip(statements.first()).ok_or("no node serves")?;
    let done = async { Client::connect(&endpoint).await?.query(statement).await };
    done.await.map_err(|error| error.to_string())?;
    match statements.len() - 1 {
        0 => Ok(()),
        left => Err(format!("{left} changes of the schema are left")),
    }
}

/// What `nodetool status` shows, by instance where one is known.
async fn ring(State(handle): State<Handle>) -> Json<Value> {
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

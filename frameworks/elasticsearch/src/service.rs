//! Elasticsearch as the SDK sees it.

use std::collections::BTreeMap;

use cairn_elasticsearch_admin::declared;
use cairn_framework::http::{ApiError, JsonClient};
use cairn_framework::kit::founding::watch_founding;
use cairn_framework::kit::{Cluster, Differing, Nodes, check, watch};
use cairn_framework::rest::Api;
use cairn_framework::{
    Config, Constraint, Handle, InstanceSpec, Model, PortSpec, Problem, Service, Strategy, Verdict, View,
    VolumeSpec, Wait,
};
use cairn_task::TaskSpec;

use crate::nodes::{self, HTTP, NODES, TRANSPORT, client};
use crate::options::Options;
use crate::{rest, task};

/// Elasticsearch and OpenSearch.
#[derive(Debug)]
pub(crate) struct Elasticsearch;

impl Service for Elasticsearch {
    fn name(&self) -> &'static str {
        "elasticsearch"
    }

    fn model(&self, config: &Config) -> Result<Model, Vec<Problem>> {
        let options = config.read::<Options>()?;
        let artifacts = options.jvm.instance(config)?.artifacts;
        let instance = |(name, node): (String, Options)| InstanceSpec {
            name,
            ports: [HTTP, TRANSPORT].map(PortSpec::any).to_vec(),
            volumes: vec![VolumeSpec::data(node.disk)],
            constraints: constraints(&node),
            artifacts: artifacts.clone(),
            ..node.jvm.place()
        };
        let instances = options.all().into_iter().map(instance).collect();
        Ok(Model { instances, deploy: Strategy::Parallel, ..Model::default() })
    }

    fn task(&self, config: &Config, instance: &InstanceSpec, view: &View) -> Result<TaskSpec, Wait> {
        let options = config.read::<Options>()?;
        let own = options.all().into_iter().find(|(name, _)| *name == instance.name);
        let (_, own) = own.ok_or_else(|| Wait::For("it is no node of the cluster".into()))?;
        task::task(instance, &options, &own, view)
    }

    fn outputs(&self, config: &Config, view: &View) -> BTreeMap<String, String> {
        let options = config.read::<Options>().unwrap_or_default();
        let http: Vec<String> = view.endpoints(HTTP).iter().map(|e| format!("http://{e}")).collect();
        BTreeMap::from([
            ("http".to_owned(), http.join(",")),
            ("transport".to_owned(), view.endpoints(TRANSPORT).join(",")),
            ("cluster".to_owned(), task::cluster_name(&options, &view.framework)),
            ("names".to_owned(), view.names(HTTP).join(",")),
        ])
    }

    fn cluster(&self) -> Option<&dyn Cluster> {
        Some(self)
    }

    fn api(&self) -> Api {
        rest::api()
    }

    fn nodes(&self) -> Vec<Nodes> {
        vec![NODES]
    }

    fn start(&self, handle: Handle) {
        tokio::spawn(watch(handle, async |handle, published| {
            let founders = published.config.read::<Options>().ok().map(|options| nodes::masters(&options));
            watch_founding(handle, &published.view, founders, cluster_id).await
        }));
    }
}

/// Indices and templates are kept as declared. Templates first: they are for indices that come after them.
pub(crate) async fn keep(options: &Options, client: &JsonClient) -> Result<Verdict, ApiError> {
    let mut todo = Vec::new();
    for (name, declared) in &options.templates {
        let there = client.find(&declared::template_at(name)).await?;
        todo.extend(declared::template(name, declared, &there));
    }
    for (name, declared) in &options.indices {
        let there = client.find(&declared::index_at(name)).await?;
        todo.extend(declared::index(name, declared, &there));
    }
    Ok(client.carry_out(todo).await)
}

/// A node without a zone could not be told apart from the others, so each must have one.
fn constraints(node: &Options) -> Vec<Constraint> {
    let mut constraints = check::read_constraints(&node.jvm.constraints);
    let spread = node.zones.as_ref().map(|zone| format!("{zone}:groupBy"));
    let zoned = |zone: &String| constraints.iter().any(|c| c.attribute == *zone);
    if let Some(Ok(spread)) = spread.filter(|_| !node.zones.as_ref().is_some_and(zoned)).map(|s| s.parse()) {
        constraints.push(spread);
    }
    constraints
}

/// The id of the cluster, once it is founded.
async fn cluster_id(view: &View) -> Option<String> {
    let state =
        client(view).get("/_cluster/state/metadata?filter_path=cluster_uuid,master_node").await.ok()?;
    let id = state["cluster_uuid"].as_str().filter(|id| !id.is_empty() && *id != "_na_")?;
    Some(id.to_owned())
}

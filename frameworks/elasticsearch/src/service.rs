//! Elasticsearch as the SDK sees it.

use std::collections::BTreeMap;

use cairn_elasticsearch_admin::{FOUNDED, founded};
use cairn_framework::kit::contents::Contents;
use cairn_framework::kit::founding::watch_founding;
use cairn_framework::kit::{Cluster, Differing, Nodes, watch};
use cairn_framework::rest::Api;
use cairn_framework::{
    Config, Handle, InstanceSpec, Model, PortSpec, Problem, Service, Strategy, View, VolumeSpec, Wait,
};
use cairn_task::TaskSpec;

use crate::contents::{INDICES, TEMPLATES};
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
            constraints: node.jvm.spread_over(node.zones.as_deref()),
            artifacts: artifacts.clone(),
            ..node.jvm.place()
        };
        let instances = options.all().into_iter().map(instance).collect();
        Ok(Model { instances, deploy: Strategy::Parallel, ..Model::default() })
    }

    fn task(&self, config: &Config, instance: &InstanceSpec, view: &View) -> Result<TaskSpec, Wait> {
        let options = config.read::<Options>()?;
        task::task(instance, &options, &Options::of(config, &instance.name)?, view)
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

    /// Templates first: they are for indices that come after them.
    fn contents(&self) -> &'static [&'static dyn Contents] {
        &[&TEMPLATES, &INDICES]
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
            let id = async |view: &View| founded(&client(view).get(FOUNDED).await.ok()?);
            watch_founding(handle, &published.view, founders, id).await
        }));
    }
}

//! Flume as the SDK sees it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cairn_framework::kit::Count;
use cairn_framework::{Config, InstanceSpec, Model, PortSpec, Problem, Service, View, VolumeSpec, Wait};
use cairn_task::TaskSpec;

use crate::options::Options;
use crate::task::{self, METRICS};

/// What instances are called, with a number.
const AGENT: &str = "agent";

/// Flume.
#[derive(Debug)]
pub(crate) struct Flume;

#[async_trait]
impl Service for Flume {
    fn name(&self) -> &str {
        "flume"
    }

    fn model(&self, config: &Config) -> Result<Model, Vec<Problem>> {
        let options = config.read::<Options>()?;
        let agent = InstanceSpec {
            name: AGENT.into(),
            ports: options.metrics.then(|| PortSpec::any(METRICS)).into_iter().collect(),
            volumes: vec![VolumeSpec::data(options.disk)],
            one_per_agent: true,
            ..options.jvm.instance(config)?
        };
        let numbered = |number| InstanceSpec { name: format!("{AGENT}-{number}"), ..agent.clone() };
        Ok(match options.count {
            Count::Number(count) => {
                Model { instances: (0..count).map(numbered).collect(), independent: true, ..Model::default() }
            }
            Count::EveryAgent => Model { each_agent: Some(agent), independent: true, ..Model::default() },
        })
    }

    fn task(&self, config: &Config, instance: &InstanceSpec, view: &View) -> Result<TaskSpec, Wait> {
        let options = config.read::<Options>()?;
        let place = view.placement(&instance.name).ok_or_else(|| Wait::Peers("a place of its own".into()))?;
        Ok(task::task(config, &options, place))
    }

    fn outputs(&self, config: &Config, view: &View) -> BTreeMap<String, String> {
        let topic = config.read::<Options>().map(|o| o.topic).unwrap_or_default();
        BTreeMap::from([("agents".to_owned(), view.target.len().to_string()), ("topic".to_owned(), topic)])
    }
}

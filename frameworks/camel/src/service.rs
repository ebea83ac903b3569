//! Camel as the SDK sees it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cairn_framework::{Config, InstanceSpec, Model, PortSpec, Problem, Service, View, Wait};
use cairn_task::TaskSpec;

use crate::options::Options;
use crate::task::{self, HTTP};

/// Camel.
#[derive(Debug)]
pub(crate) struct Camel;

#[async_trait]
impl Service for Camel {
    fn name(&self) -> &str {
        "camel"
    }

    fn model(&self, config: &Config) -> Result<Model, Vec<Problem>> {
        let options = config.read::<Options>()?;
        let one = InstanceSpec { ports: vec![PortSpec::any(HTTP)], ..options.jvm.instance(config)? };
        let instance = |number| InstanceSpec { name: format!("camel-{number}"), ..one.clone() };
        Ok(Model { instances: (0..options.count).map(instance).collect(), ..Model::default() })
    }

    fn task(&self, config: &Config, instance: &InstanceSpec, view: &View) -> Result<TaskSpec, Wait> {
        let options = config.read::<Options>()?;
        Ok(task::task(config, &options, &instance.name, view))
    }

    fn outputs(&self, _: &Config, view: &View) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("http".to_owned(), view.endpoints(HTTP).join(",")),
            ("instances".to_owned(), view.target.len().to_string()),
        ])
    }

    fn secrets(&self) -> &'static [&'static str] {
        &["login"]
    }
}

//! The service, as the SDK drives it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cairn_definition::Output;
use cairn_definition::engine;
use cairn_framework::rest::Resource;
use cairn_framework::{Config, Handle, InstanceSpec, Model, Problem, Service, View, Wait};
use cairn_task::TaskSpec;

use crate::spec::{Filler, Spec, split_name};
use crate::{group, rest, task};

/// Whatever the definition in the configuration describes.
#[derive(Debug, Default)]
pub(crate) struct Described;

#[async_trait]
impl Service for Described {
    fn name(&self) -> &'static str {
        "service"
    }

    fn model(&self, config: &Config) -> Result<Model, Vec<Problem>> {
        let spec = Spec::read(config)?;
        let variables = spec.variables(config);
        let mut filler = Filler::new(&variables);
        let groups = spec.service.groups.iter();
        let instances =
            groups.flat_map(|(name, of)| group::instances(name, of, config, &mut filler)).collect();
        if filler.problems.is_empty() {
            Ok(Model { instances, ..Model::default() })
        } else {
            Err(filler.problems)
        }
    }

    fn task(&self, config: &Config, instance: &InstanceSpec, view: &View) -> Result<TaskSpec, Wait> {
        let told =
            |p: Vec<Problem>| Wait::For(p.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
        let spec = Spec::read(config).map_err(told)?;
        let (name, index) =
            split_name(&instance.name).ok_or_else(|| Wait::For("it belongs to no group".to_owned()))?;
        let of =
            spec.service.groups.get(name).ok_or_else(|| Wait::For(format!("there is no group {name}")))?;
        task::task(&spec, name, of, (&instance.name, index), spec.running(config, view), view)
    }

    fn outputs(&self, config: &Config, view: &View) -> BTreeMap<String, String> {
        let Ok(spec) = Spec::read(config) else { return BTreeMap::new() };
        let variables = spec.running(config, view);
        let one = |(name, output): (&String, &Output)| {
            let Output::Template(template) = output else { return None };
            match engine::render(template, &variables) {
                Ok(text) => Some((name.clone(), text.trim().to_owned())),
                Err(error) => {
                    tracing::warn!(output = name, %error, "an output cannot be written");
                    None
                }
            }
        };
        spec.service.outputs.iter().filter_map(one).collect()
    }

    fn routes(&self, handle: Handle) -> axum::Router {
        rest::routes(handle)
    }

    fn resources(&self) -> Vec<Resource> {
        rest::RESOURCES.to_vec()
    }
}

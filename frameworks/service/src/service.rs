//! The service, as the SDK drives it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cairn_definition::Output;
use cairn_definition::engine;
use cairn_framework::rest::Resource;
use cairn_framework::{
    Action, Ask, Config, Handle, InstanceSpec, Model, Moment, Problem, Service, Verdict, View, Wait,
};
use cairn_task::TaskSpec;

use crate::spec::{Filler, Spec, split_name};
use crate::{foreign, group, rest, task};

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

    /// A scheduler of its own is there once it has registered; one that goes is followed by its framework.
    async fn gate(&self, ask: &Ask) -> Verdict {
        let Some((group, _)) = split_name(&ask.instance) else { return Verdict::Go };
        let known = Spec::read(&ask.config).ok().and_then(|mut spec| spec.service.groups.remove(group));
        let name = task::scheduler_name(&ask.view.framework, group);
        let external = known.as_ref().is_none_or(|group| group.external);
        match (ask.moment, ask.action) {
            (Moment::After, Action::Launch | Action::Restart) if external => {
                foreign::registered(&ask.view.master, &name).await
            }
            (Moment::After, Action::Remove) if external => foreign::gone(&ask.view.master, &[name]).await,
            _ => Verdict::Go,
        }
    }

    async fn farewell(&self, config: &Config, view: &View) -> Verdict {
        let groups = Spec::read(config).map(|spec| spec.service.groups).unwrap_or_default();
        let external = groups.iter().filter(|(_, group)| group.external);
        let names: Vec<String> =
            external.map(|(name, _)| task::scheduler_name(&view.framework, name)).collect();
        foreign::gone(&view.master, &names).await
    }

    fn routes(&self, handle: Handle) -> axum::Router {
        rest::routes(handle)
    }

    fn resources(&self) -> Vec<Resource> {
        rest::RESOURCES.to_vec()
    }
}

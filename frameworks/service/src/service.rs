//! The service, as the SDK drives it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cairn_definition::Filler;
use cairn_framework::rest::Api;
use cairn_framework::{
    Action, Ask, Config, Foreign, Handle, InstanceSpec, Model, Moment, Problem, Service, Verdict, View, Wait,
};
use cairn_task::TaskSpec;

use crate::spec::{Spec, problems, split_name};
use crate::{group, outputs, rest, task};

/// Whatever the definition in the configuration describes.
#[derive(Debug)]
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
        let (mut instances, mut each_agent) = (Vec::new(), None);
        for (name, of) in &spec.service.groups {
            let (counted, each) = group::instances(name, of, config, &mut filler);
            instances.extend(counted);
            if each.is_some() && each_agent.replace(each).is_some() {
                filler.tell(&format!("service.groups.{name}.count"), "only one group can be on every agent");
            }
        }
        group::follow(&spec.service.groups, &mut instances);
        match filler.unfilled.as_slice() {
            [] => Ok(Model { instances, each_agent: each_agent.flatten(), ..Model::default() }),
            unfilled => Err(problems(unfilled)),
        }
    }

    fn task(&self, config: &Config, instance: &InstanceSpec, view: &View) -> Result<TaskSpec, Wait> {
        let spec = Spec::read(config)?;
        let (name, index) =
            split_name(&instance.name).ok_or_else(|| Wait::For("it belongs to no group".to_owned()))?;
        let of =
            spec.service.groups.get(name).ok_or_else(|| Wait::For(format!("there is no group {name}")))?;
        task::task(&spec, name, of, (&instance.name, index), spec.running(config, view), view)
    }

    fn outputs(&self, config: &Config, view: &View) -> BTreeMap<String, String> {
        let Ok(spec) = Spec::read(config) else { return BTreeMap::new() };
        outputs::known(&spec, &spec.running(config, view), view)
    }

    /// Outputs that are read from somewhere are kept as a fact.
    async fn settle(&self, handle: &Handle, config: &Config, view: &View) -> Verdict {
        let Ok(spec) = Spec::read(config) else { return Verdict::Go };
        match outputs::fetch(&spec, &spec.running(config, view), view).await {
            Ok(None) => Verdict::Go,
            Ok(Some(fact)) if view.observed.get(outputs::FACT).is_some_and(|known| **known == fact) => {
                Verdict::Go
            }
            Ok(Some(fact)) => {
                handle.observe(outputs::FACT, fact).await;
                Verdict::Wait("its outputs are being noted".into())
            }
            Err(why) => Verdict::Wait(why),
        }
    }

    /// A scheduler of its own is there once it has registered; one that goes is followed by its framework.
    async fn gate(&self, _: &Handle, ask: &Ask) -> Verdict {
        let Some((group, _)) = split_name(&ask.instance) else { return Verdict::Go };
        let known = Spec::read(&ask.config).ok().and_then(|mut spec| spec.service.groups.remove(group));
        let name = task::scheduler_name(&ask.view.framework, group);
        let external = known.as_ref().is_none_or(|group| group.external);
        match (ask.moment, ask.action) {
            (Moment::After, Action::Launch | Action::Restart) if external => {
                Foreign::registered(&ask.view.master, &name).await
            }
            (Moment::After, Action::Remove) if external => Foreign::gone(&ask.view.master, &[name]).await,
            (Moment::After, Action::Launch | Action::Restart | Action::Stop | Action::Remove)
            | (Moment::Before, _) => Verdict::Go,
        }
    }

    async fn farewell(&self, config: &Config, view: &View) -> Verdict {
        let groups = Spec::read(config).map(|spec| spec.service.groups).unwrap_or_default();
        let external = groups.iter().filter(|(_, group)| group.external);
        let names: Vec<String> =
            external.map(|(name, _)| task::scheduler_name(&view.framework, name)).collect();
        Foreign::gone(&view.master, &names).await
    }

    fn api(&self) -> Api {
        rest::api()
    }
}

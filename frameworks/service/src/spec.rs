//! The definition as it comes with the configuration, and the variables of its templates.

use std::collections::BTreeMap;

use cairn_definition::{Definition, Unfilled};
use cairn_framework::{Config, Placement, Problem, View};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What of a framework spec matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Spec {
    pub(crate) framework: String,
    pub(crate) count: Option<String>,
    options: Map<String, Value>,
    needs: BTreeMap<String, Value>,
    pub(crate) service: Definition,
}

/// What a template could not be filled in with, as problems.
pub(crate) fn problems(unfilled: &[Unfilled]) -> Vec<Problem> {
    unfilled.iter().map(|u| Problem::new(u.path.clone(), u.message.clone())).collect()
}

/// Name and number of an instance: `web-0`.
pub(crate) fn instance_name(group: &str, index: u32) -> String {
    format!("{group}-{index}")
}

/// The group and number of an instance.
pub(crate) fn split_name(instance: &str) -> Option<(&str, u32)> {
    let (group, index) = instance.rsplit_once('-')?;
    Some((group, index.parse().ok()?))
}

impl Spec {
    /// Reads the definition of a configuration.
    ///
    /// # Errors
    /// There is none, or it is not one.
    pub(crate) fn read(config: &Config) -> Result<Self, Vec<Problem>> {
        let Some(definition) = &config.definition else {
            let problem =
                Problem::new("", "no framework spec with a `service` section came with the configuration")
                    .help(
                        "this scheduler runs what a framework spec describes: it is launched by a controller",
                    );
            return Err(vec![problem]);
        };
        Self::deserialize(definition.as_ref()).map_err(|e| vec![Problem::new("service", e.to_string())])
    }

    /// The schema of an option.
    pub(crate) fn option(&self, name: &str) -> Option<&Value> {
        self.options.get("properties")?.get(name)
    }

    /// `options` and `inputs`: what is known before anything has a place. What is not set has its default, or is none.
    pub(crate) fn variables(&self, config: &Config) -> Value {
        let properties = self.options.get("properties").and_then(Value::as_object);
        let mut options: Map<String, Value> = properties
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.clone(), schema.get("default").cloned().unwrap_or_default()))
            .collect();
        options.extend(config.options.as_object().cloned().unwrap_or_default());
        let mut inputs: Map<String, Value> =
            self.needs.keys().map(|name| (name.clone(), Value::Null)).collect();
        inputs.extend(config.inputs.iter().map(|(name, text)| (name.clone(), text.clone().into())));
        json!({ "options": options, "inputs": inputs })
    }

    /// The same, and what is known of the service as a whole.
    pub(crate) fn running(&self, config: &Config, view: &View) -> Value {
        let mut variables = self.variables(config);
        let mut peers: Map<String, Value> =
            self.service.groups.keys().map(|group| (group.clone(), Value::Array(Vec::new()))).collect();
        for name in &view.target {
            let Some((group, index)) = split_name(name) else { continue };
            let (Some(place), Some(Value::Array(list))) = (view.placement(name), peers.get_mut(group)) else {
                continue;
            };
            let mut peer = placed(place);
            (peer["name"], peer["index"], peer["dns"]) =
                (name.clone().into(), index.into(), view.dns(name).into());
            list.push(peer);
        }
        variables["framework"] = view.framework.clone().into();
        variables["master"] = view.master.address.clone().into();
        variables["peers"] = peers.into();
        variables
    }
}

/// A place as templates see it.
pub(crate) fn placed(place: &Placement) -> Value {
    json!({
        "address": place.address, "hostname": place.hostname, "ports": place.ports, "attributes": place.attributes,
    })
}

//! A service that only says what it is told to, for tests of resources.

use std::collections::BTreeMap;

use cairn_task::TaskSpec;

use crate::kit::Nodes;
use crate::{Config, InstanceSpec, Model, Problem, Service, View, Wait};

/// What it says.
#[derive(Debug, Default)]
pub(crate) struct Stub {
    pub(crate) model: Model,
    pub(crate) nodes: Vec<Nodes>,
}

impl Service for Stub {
    fn name(&self) -> &'static str {
        "stub"
    }

    fn model(&self, _: &Config) -> Result<Model, Vec<Problem>> {
        Ok(self.model.clone())
    }

    fn task(&self, _: &Config, _: &InstanceSpec, _: &View) -> Result<TaskSpec, Wait> {
        Ok(TaskSpec::default())
    }

    fn outputs(&self, _: &Config, _: &View) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn nodes(&self) -> Vec<Nodes> {
        self.nodes.clone()
    }
}

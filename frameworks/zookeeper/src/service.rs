//! The service, as the SDK drives it.

use std::collections::BTreeMap;

use cairn_framework::kit::{Cluster, Nodes, watch};
use cairn_framework::{
    Config, Handle, InstanceSpec, Model, PortSpec, Problem, Service, View, VolumeSpec, Wait,
};
use cairn_task::TaskSpec;

use crate::formation::initial_members;
use crate::names::{CLIENT, ELECTION, QUORUM, SERVERS, id_of};
use crate::options::Options;
use crate::{survey, task};

/// ZooKeeper ensembles.
#[derive(Debug)]
pub(crate) struct ZooKeeper;

impl Service for ZooKeeper {
    fn name(&self) -> &'static str {
        "zookeeper"
    }

    fn model(&self, config: &Config) -> Result<Model, Vec<Problem>> {
        let options = config.read::<Options>()?;
        let server = InstanceSpec {
            ports: [CLIENT, QUORUM, ELECTION].map(PortSpec::any).to_vec(),
            volumes: vec![VolumeSpec::data(options.disk)],
            ..options.jvm.instance(config)?
        };
        Ok(Model { instances: SERVERS.instances(1..=options.nodes, &server), ..Model::default() })
    }

    fn task(&self, config: &Config, instance: &InstanceSpec, view: &View) -> Result<TaskSpec, Wait> {
        let options = config.read::<Options>()?;
        let id = id_of(&instance.name).ok_or_else(|| Wait::For("it is no server of an ensemble".into()))?;
        let members = initial_members(id, view)?;
        Ok(task::server(&options, id, view.place(&instance.name)?, &members))
    }

    fn outputs(&self, _: &Config, view: &View) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("connect".to_owned(), view.endpoints(CLIENT).join(",")),
            ("names".to_owned(), view.names(CLIENT).join(",")),
        ])
    }

    fn cluster(&self) -> Option<&dyn Cluster> {
        Some(self)
    }

    fn nodes(&self) -> Vec<Nodes> {
        vec![SERVERS]
    }

    fn secrets(&self) -> &'static [&'static str] {
        &["superPassword"]
    }

    fn start(&self, handle: Handle) {
        tokio::spawn(watch(handle, survey::note));
    }
}

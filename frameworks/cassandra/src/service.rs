//! The service, as the SDK drives it.

use std::collections::BTreeMap;

use cairn_cassandra_admin::{Survey, is_keyspace_name};
use cairn_framework::kit::contents::{Contents, Kind, Surveyed};
use cairn_framework::kit::founding::seeds;
use cairn_framework::kit::{Cluster, Nodes, Ports};
use cairn_framework::{
    Config, InstanceSpec, Model, OperationSpec, PortSpec, Problem, Service, Strategy, View, VolumeSpec, Wait,
};
use cairn_task::TaskSpec;

use crate::operations;
use crate::options::Options;
use crate::task;

/// Port for clients.
pub(crate) const CQL: &str = "cql";
/// Port for the other nodes.
pub(crate) const STORAGE: &str = "storage";
/// Port for nodetool, on the loopback interface.
pub(crate) const JMX: &str = "jmx";

/// What the nodes are called. Only the last ones leave, so that what racks are declared stays.
pub(crate) const NODES: Nodes = Nodes { port: CQL, ..Nodes::new("node", "nodes") };

/// So many nodes can be there before ranges are chosen by those of others, and join an empty cluster at once.
pub(crate) const FOUNDERS: usize = 3;

const BODY: &str = "{replication?, datacenters?, durableWrites?}";
const NAMES: &str = "letters, digits and `_`, at most 48; those that begin with `system` are Cassandra's own";

/// Keyspaces; they are kept as declared by the gate, which knows the data centres.
pub(crate) const KEYSPACES: Surveyed<Cassandra> = Surveyed {
    kind: Kind { one: "keyspace", many: "keyspaces", body: BODY, names: is_keyspace_name, help: NAMES },
    cluster: &Cassandra,
    there: Survey::keyspaces_by_name,
};

/// Cassandra.
#[derive(Debug)]
pub(crate) struct Cassandra;

impl Service for Cassandra {
    fn name(&self) -> &'static str {
        "cassandra"
    }

    fn model(&self, config: &Config) -> Result<Model, Vec<Problem>> {
        let options = config.read::<Options>()?;
        // A node that takes another's place tells its address without the port: everybody then takes his own for it.
        let storage = PortSpec { uniform: true, ..Ports::spec(STORAGE, options.storage_port) };
        let node = InstanceSpec {
            ports: vec![Ports::spec(CQL, options.port), storage, PortSpec::any(JMX)],
            volumes: vec![VolumeSpec::data(options.disk)],
            ..options.jvm.instance(config)?
        };
        let instances = NODES.instances(0..options.nodes, &node);
        Ok(Model { instances, deploy: Strategy::Founding(FOUNDERS), ..Model::default() })
    }

    fn task(&self, config: &Config, instance: &InstanceSpec, view: &View) -> Result<TaskSpec, Wait> {
        task::node(&config.read::<Options>()?, &instance.name, view)
    }

    fn outputs(&self, config: &Config, view: &View) -> BTreeMap<String, String> {
        let options = config.read::<Options>().unwrap_or_default();
        let first = view.target.first();
        let site = first.and_then(|name| Some(task::site(&options, name, view.placement(name)?)));
        let datacenter = site.map_or(options.datacenter.as_str(), |(datacenter, _)| datacenter);
        BTreeMap::from([
            ("cql".to_owned(), view.endpoints(CQL).join(",")),
            ("datacenter".to_owned(), datacenter.to_owned()),
            ("names".to_owned(), view.names(CQL).join(",")),
            ("seeds".to_owned(), seeds(view, STORAGE).join(",")),
        ])
    }

    fn cluster(&self) -> Option<&dyn Cluster> {
        Some(self)
    }

    fn contents(&self) -> &'static [&'static dyn Contents] {
        &[&KEYSPACES]
    }

    fn operations(&self) -> Vec<OperationSpec> {
        operations::OPERATIONS.to_vec()
    }

    fn nodes(&self) -> Vec<Nodes> {
        vec![NODES]
    }
}

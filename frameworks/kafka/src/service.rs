//! Kafka as the SDK sees it.

use std::collections::BTreeMap;

use cairn_framework::kit::contents::Contents;
use cairn_framework::kit::{Cluster, Differing, Nodes, Ports};
use cairn_framework::rest::Api;
use cairn_framework::{
    Config, InstanceSpec, Model, PortSpec, Problem, Service, Strategy, View, VolumeSpec, Wait,
};
use cairn_kafka_admin::{Mode, id_taken_ms};
use cairn_task::TaskSpec;

use crate::options::Options;
use crate::topics::Topics;
use crate::{rest, task};

/// Port for clients.
pub(crate) const CLIENT: &str = "client";
/// Port, and listener, on which controllers talk.
pub(crate) const CONTROLLER: &str = "controller";

/// Brokers, numbered from 0.
pub(crate) const BROKERS: Nodes = Nodes {
    port: CLIENT,
    gaps: true,
    overrides: &["cpus", "mem", "heap", "constraints", "options", "jvmOptions", "port"],
    shown: Options::shown,
    ..Nodes::new("broker", "brokers")
};

/// Kafka.
#[derive(Debug)]
pub(crate) struct Kafka;

impl Service for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn model(&self, config: &Config) -> Result<Model, Vec<Problem>> {
        let options = config.read::<Options>()?;
        let artifacts = options.in_effect().jvm.instance(config)?.artifacts;
        let voters = options.voters();
        let instance = |(name, broker): (String, Options)| {
            let controller = voters.contains(&name).then(|| PortSpec::any(CONTROLLER));
            InstanceSpec {
                ports: [Ports::spec(CLIENT, broker.port)].into_iter().chain(controller).collect(),
                volumes: vec![VolumeSpec::data(options.disk)],
                artifacts: artifacts.clone(),
                // A broker that comes back while the session of its former life is alive finds its id taken and ends.
                relaunch_ms: id_taken_ms(options.mode, |name| Some(broker.options.get(name)?.to_string())),
                name,
                ..broker.jvm.place()
            }
        };
        let instances = options.all().into_iter().map(instance).collect();
        Ok(Model { instances, deploy: Strategy::Parallel, ..Model::default() })
    }

    fn task(&self, config: &Config, instance: &InstanceSpec, view: &View) -> Result<TaskSpec, Wait> {
        task::task(config, &Options::of(config, &instance.name)?, &instance.name, view)
    }

    fn cluster(&self) -> Option<&dyn Cluster> {
        Some(self)
    }

    fn nodes(&self) -> Vec<Nodes> {
        vec![BROKERS]
    }

    fn contents(&self) -> &'static [&'static dyn Contents] {
        &[&Topics]
    }

    fn api(&self) -> Api {
        rest::api()
    }

    fn outputs(&self, config: &Config, view: &View) -> BTreeMap<String, String> {
        let mut outputs = BTreeMap::from([
            ("bootstrap".to_owned(), view.endpoints(CLIENT).join(",")),
            ("brokers".to_owned(), view.target.len().to_string()),
            ("names".to_owned(), view.names(CLIENT).join(",")),
        ]);
        let on_zookeeper = config.read::<Options>().is_ok_and(|o| o.mode == Mode::ZooKeeper);
        if let Some(zookeeper) = config.input("zookeeper").filter(|_| on_zookeeper) {
            outputs.insert("zookeeper".to_owned(), task::chroot(zookeeper, &view.framework));
        }
        outputs
    }
}

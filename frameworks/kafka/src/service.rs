//! Kafka as the SDK sees it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cairn_framework::kit::contents::Contents;
use cairn_framework::kit::{Cluster, Nodes, Ports};
use cairn_framework::rest::Api;
use cairn_framework::{
    Config, InstanceSpec, Model, PortSpec, Problem, Service, Strategy, View, VolumeSpec, Wait,
};
use cairn_task::TaskSpec;
use serde_json::Value;

use crate::broker::{BROKERS, Broker, broker_id, instance_name};
use crate::options::{Mode, Options};
use crate::quorum::CONTROLLER_PORT;
use crate::rest;
use crate::task::{self, CLIENT_PORT};
use crate::topics::Topics;

/// After its last heartbeat a session lives for its timeout, rounded up to a tick of ZooKeeper; with some margin.
const SESSION_MARGIN_MS: u64 = 2_000;

/// Kafka.
#[derive(Debug, Default)]
pub(crate) struct Kafka;

#[async_trait]
impl Service for Kafka {
    fn name(&self) -> &str {
        "kafka"
    }

    fn model(&self, config: &Config) -> Result<Model, Vec<Problem>> {
        let options = config.read::<Options>()?;
        let archive = config.archive(options.version())?;
        let instance = |id| {
            let broker = Broker::of(&options, id);
            InstanceSpec {
                name: instance_name(id),
                cpus: broker.cpus,
                mem: mib(broker.mem.mib()),
                ports: ports(&options, &broker, id),
                volumes: vec![VolumeSpec { path: "data".into(), size: options.disk.mib() }],
                constraints: broker.constraints(),
                artifacts: vec![archive.clone()],
                // A broker that comes back while the session of its former life is alive finds its id taken and ends.
                relaunch_ms: match options.mode {
                    Mode::ZooKeeper => task::session_timeout_ms(&broker) + SESSION_MARGIN_MS,
                    Mode::KRaft => 0,
                },
                ..InstanceSpec::default()
            }
        };
        let instances = options.broker_ids().into_iter().map(instance).collect();
        Ok(Model { instances, deploy: Strategy::Parallel, ..Model::default() })
    }

    fn task(&self, config: &Config, instance: &InstanceSpec, view: &View) -> Result<TaskSpec, Wait> {
        let options = config.read::<Options>()?;
        let id =
            broker_id(&instance.name).ok_or_else(|| Wait::For(format!("{} is no broker", instance.name)))?;
        let place =
            view.placement(&instance.name).ok_or_else(|| Wait::Peers("it has no place yet".into()))?;
        task::task(config, &options, id, place, view)
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

    async fn describe(&self, config: &Config, view: &View) -> BTreeMap<String, Value> {
        rest::describe(config, view).await
    }

    fn api(&self) -> Api {
        rest::api()
    }

    fn outputs(&self, config: &Config, view: &View) -> BTreeMap<String, String> {
        let mut outputs = BTreeMap::from([
            ("bootstrap".to_owned(), view.endpoints(CLIENT_PORT).join(",")),
            ("brokers".to_owned(), view.target.len().to_string()),
            ("names".to_owned(), view.names(CLIENT_PORT).join(",")),
        ]);
        let on_zookeeper = config.read::<Options>().is_ok_and(|o| o.mode == Mode::ZooKeeper);
        if let Some(zookeeper) = config.inputs.get("zookeeper").filter(|_| on_zookeeper) {
            outputs.insert("zookeeper".to_owned(), task::chroot(zookeeper, &view.framework));
        }
        outputs
    }
}

fn ports(options: &Options, broker: &Broker, id: u32) -> Vec<PortSpec> {
    let client = Ports::spec(CLIENT_PORT, broker.port);
    let controls = options.mode == Mode::KRaft && options.controller_ids().contains(&id);
    if controls { vec![client, PortSpec::any(CONTROLLER_PORT)] } else { vec![client] }
}

#[allow(clippy::cast_precision_loss, reason = "amounts of memory are far below 2^52 MiB")]
fn mib(mib: u64) -> f64 {
    mib as f64
}

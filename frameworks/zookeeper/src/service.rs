//! The service, as the SDK drives it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use async_trait::async_trait;
use cairn_framework::kit::{Decision, Nodes, watch};
use cairn_framework::rest::Resource;
use cairn_framework::{
    Ask, Config, Handle, InstanceSpec, Model, PortSpec, Problem, Service, Strategy, Verdict, View,
    VolumeSpec, Wait,
};
use cairn_task::TaskSpec;
use cairn_zookeeper_admin::{Ensemble, Members, reconfigure};
use serde_json::Value;

use crate::formation::{MEMBERS, initial_members};
use crate::gate::{self, Act};
use crate::names::{CLIENT, ELECTION, QUORUM, SERVERS, id_of, name_of};
use crate::options::Options;
use crate::{rest, secret, survey, task};

/// ZooKeeper ensembles.
#[derive(Debug, Default)]
pub(crate) struct ZooKeeper {
    handle: OnceLock<Handle>,
}

#[async_trait]
impl Service for ZooKeeper {
    fn name(&self) -> &'static str {
        "zookeeper"
    }

    fn model(&self, config: &Config) -> Result<Model, Vec<Problem>> {
        let options = Options::read(config)?;
        let server = InstanceSpec {
            ports: [CLIENT, QUORUM, ELECTION].map(PortSpec::any).to_vec(),
            volumes: vec![VolumeSpec::data(options.disk)],
            ..options.jvm.instance(config)?
        };
        let instances = (1..=options.nodes).map(|id| InstanceSpec { name: name_of(id), ..server.clone() });
        Ok(Model { instances: instances.collect(), deploy: Strategy::Parallel, ..Model::default() })
    }

    fn task(&self, config: &Config, instance: &InstanceSpec, view: &View) -> Result<TaskSpec, Wait> {
        let options = Options::read(config)?;
        let id = id_of(&instance.name).ok_or_else(|| Wait::For("it is no server of an ensemble".into()))?;
        let members = initial_members(id, view)?;
        let place = view.placement(&instance.name).ok_or_else(|| Wait::Peers("a place of its own".into()))?;
        Ok(task::server(&options, id, place, &members))
    }

    fn outputs(&self, _: &Config, view: &View) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("connect".to_owned(), view.endpoints(CLIENT).join(",")),
            ("names".to_owned(), view.names(CLIENT).join(",")),
        ])
    }

    async fn gate(&self, ask: &Ask) -> Verdict {
        self.carry_out(&ask.config, &ask.view, |ensemble| gate::decide(ask, ensemble)).await
    }

    async fn settle(&self, config: &Config, view: &View) -> Verdict {
        self.carry_out(config, view, |ensemble| gate::settle(view, ensemble)).await
    }

    fn routes(&self, handle: Handle) -> axum::Router {
        rest::routes(handle)
    }

    fn resources(&self) -> Vec<Resource> {
        rest::resources()
    }

    fn nodes(&self) -> Vec<Nodes> {
        vec![SERVERS]
    }

    async fn describe(&self, _: &Config, view: &View) -> BTreeMap<String, Value> {
        rest::describe(&survey::take(view).await)
    }

    fn secrets(&self) -> &'static [&'static str] {
        &["superPassword"]
    }

    fn start(&self, handle: Handle) {
        if self.handle.set(handle.clone()).is_ok() {
            tokio::spawn(watch(handle, survey::note));
        }
    }
}

impl ZooKeeper {
    /// Looks at the ensemble, decides, and does what the decision asks for. A change of membership is looked at again at
    /// once, as that is usually all that was missing.
    async fn carry_out(
        &self,
        config: &Config,
        view: &View,
        decide: impl Fn(&Ensemble) -> Decision<Act>,
    ) -> Verdict {
        let (change, version, via) = match decide(&survey::take(view).await) {
            Decision::Say(verdict) => return verdict,
            Decision::Do(Act::Note(members)) => return self.note(&members).await,
            Decision::Do(Act::Change { change, version, via }) => (change, version, via),
        };
        let options = match Options::read(config) {
            Ok(options) => options,
            Err(problems) => return problems.into(),
        };
        let place = view.placement(&name_of(via)).cloned().unwrap_or_default();
        let (endpoint, password) =
            (place.endpoint(CLIENT).unwrap_or_default(), secret::password(&options, &place));
        if let Err(error) = reconfigure(&endpoint, &password, &change, version).await {
            return Verdict::Wait(format!("{change}: {error}"));
        }
        tracing::info!(%change, "membership changed");
        match decide(&survey::take(view).await) {
            Decision::Say(verdict) => verdict,
            Decision::Do(_) => Verdict::Wait(format!("{change}: waits for the ensemble to take it up")),
        }
    }

    async fn note(&self, members: &Members) -> Verdict {
        if let (Some(handle), Ok(value)) = (self.handle.get(), serde_json::to_value(members)) {
            handle.observe(MEMBERS, value).await;
        }
        Verdict::Wait("the present membership is being noted".into())
    }
}

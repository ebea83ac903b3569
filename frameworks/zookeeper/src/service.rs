//! The service, as the SDK drives it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cairn_framework::kit::{self, Clustered, Decision, Nodes, Performed, Site, watch};
use cairn_framework::rest::Api;
use cairn_framework::{
    Ask, Config, Handle, InstanceSpec, Model, PortSpec, Problem, Service, Verdict, View, VolumeSpec, Wait,
};
use cairn_task::TaskSpec;
use cairn_zookeeper_admin::{Ensemble, reconfigure};
use serde_json::{Value, json};

use crate::formation::{MEMBERS, initial_members};
use crate::gate::{self, Act};
use crate::names::{CLIENT, ELECTION, QUORUM, SERVERS, id_of, name_of};
use crate::options::Options;
use crate::{rest, secret, survey, task};

/// ZooKeeper ensembles.
#[derive(Debug)]
pub(crate) struct ZooKeeper;

#[async_trait]
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

    async fn gate(&self, handle: &Handle, ask: &Ask) -> Verdict {
        kit::judge(self, handle, ask).await
    }

    async fn settle(&self, handle: &Handle, config: &Config, view: &View) -> Verdict {
        kit::settle(self, handle, config, view).await
    }

    fn api(&self) -> Api {
        rest::api()
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
        tokio::spawn(watch(handle, survey::note));
    }
}

#[async_trait]
impl Clustered for ZooKeeper {
    type Options = Options;
    type Survey = Ensemble;
    type Act = Act;

    async fn survey(&self, view: &View) -> Ensemble {
        survey::take(view).await
    }

    fn judge(&self, ask: &Ask, _: &Options, ensemble: &Ensemble) -> Decision<Act> {
        gate::decide(ask, ensemble)
    }

    fn settled(&self, _: &Options, view: &View, ensemble: &Ensemble) -> Decision<Act> {
        gate::settle(view, ensemble)
    }

    async fn perform(&self, site: Site<'_, Self>, act: Act) -> Performed {
        match act {
            Act::Note(members) => {
                site.handle.observe(MEMBERS, json!(members)).await;
                Err("the present membership is being noted".into())
            }
            Act::Change { change, version, via } => {
                let place = site.view.placement(&name_of(via)).cloned().unwrap_or_default();
                let password = secret::password(site.options, &place);
                let endpoint = place.endpoint(CLIENT).unwrap_or_default();
                let changed = reconfigure(&endpoint, &password, &change, version).await;
                changed.map(|()| None).map_err(|error| format!("{change}: {error}"))
            }
        }
    }
}

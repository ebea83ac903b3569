//! What is safe when. Pure: from what was seen of the cluster to a verdict, or to what has to be done first; and the doing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use cairn_framework::kit::{Clustered, Decided, Decision, Performed, ask_all};
use cairn_framework::{Action, Ask, Handle, InstanceStatus, Moment, Verdict, View};
use cairn_kafka_client::reassign::TooFew;
use cairn_kafka_client::{
    Client, ClientError, Cluster, Evacuation, MinIsr, Ongoing, Quorum, evacuation, listed,
};

use crate::broker::{broker_id, instance_name};
use crate::options::{Mode, Options};
use crate::service::Kafka;
use crate::task::CLIENT_PORT;

/// How long a broker may take to say whom it lists.
const PATIENCE: Duration = Duration::from_secs(2);

/// The cluster as one of its brokers knows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Survey {
    cluster: Cluster,
    ongoing: Vec<Ongoing>,
    min_isr: MinIsr,
    /// With KRaft.
    quorum: Option<Quorum>,
    /// Whom each broker that serves lists, asked itself, by instance; or why it does not say.
    lists: BTreeMap<String, Result<BTreeSet<i32>, String>>,
}

/// What has to be done first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// The broker gives its partitions to these.
    Evacuate(i32, BTreeSet<i32>),
    /// The broker leads again what it led. Kafka would leave that to the others for up to five minutes.
    Lead(BTreeMap<String, Vec<i32>>),
    /// The cluster forgets the broker.
    Unregister(i32),
}

const GO: Decision<Act> = Decision::GO;

type Look<'a> = cairn_framework::kit::Look<'a, Kafka>;

#[async_trait]
impl Clustered for Kafka {
    type Options = Options;
    type Survey = Survey;
    type Act = Act;

    async fn survey(&self, view: &View, options: &Options) -> Result<Survey, String> {
        look_at(view, options).await.map_err(|error| error.to_string())
    }

    /// While nobody serves, whatever a start or a restart brings can only be better.
    fn unasked(&self, ask: &Ask, why: String) -> Verdict {
        let nobody = !ask.view.instances.values().any(InstanceStatus::is_ready);
        match (ask.moment, ask.action) {
            (Moment::Before, Action::Launch | Action::Restart | Action::Stop) if nobody => Verdict::Go,
            (Moment::After, Action::Stop) => Verdict::Go,
            _ => Verdict::Wait(format!("the cluster cannot be asked: {why}")),
        }
    }

    /// Its id must be free, and with KRaft it must not bring a quorum of its own.
    fn launch(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        if let Some(node) = look.survey.cluster.brokers.get(&id(me)) {
            return Err(format!("its id is still taken by the broker at {}", node.endpoint));
        }
        Ok(other_voters(look).unwrap_or(GO))
    }

    /// It is listed, also by itself, and has caught up.
    fn arrived(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        let endpoint = look.view.placement(me).and_then(|place| place.endpoint(CLIENT_PORT));
        let endpoint = endpoint.ok_or("it has no address yet")?;
        look.survey.lists.get(me).ok_or("it does not serve")?.as_ref().map_err(Clone::clone)?;
        look.survey.cluster.has_back(id(me), &endpoint)?;
        let led = look.survey.cluster.led_by_others(id(me));
        Ok(if led.is_empty() { GO } else { Decision::Do(Act::Lead(led)) })
    }

    /// The active controller goes last, so that the role moves once only.
    fn restart(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        if !look.survey.cluster.brokers.contains_key(&id(me)) {
            return Ok(GO);
        }
        if let Some(refused) = other_voters(look) {
            return Ok(refused);
        }
        available(me, look)?;
        let leader = look.survey.quorum.as_ref().map_or(look.survey.cluster.controller, |q| q.leader);
        let mut others = look.view.others(me).filter(|name| look.view.restarts(name));
        if let Some(first) = others.find(|name| leader == Some(id(me)) && look.view.serves(name)) {
            return Err(format!("it is the active controller and goes last: {first} first"));
        }
        controls(me, look).map(|()| GO)
    }

    fn stop(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        if !look.survey.cluster.brokers.contains_key(&id(me)) {
            return Ok(GO);
        }
        available(me, look)?;
        controls(me, look).map(|()| GO)
    }

    /// Its partitions are on others then.
    fn leave(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        let id = id(me);
        if look.survey.quorum.as_ref().is_some_and(|quorum| quorum.voters.contains_key(&id)) {
            let reason = format!("broker {id} is a controller; only brokers that are none can be removed");
            return Ok(Decision::refuse(reason));
        }
        evacuate(me, look)
    }

    /// A partition may have been created on it between the last look and its end, or it was stopped beforehand.
    fn gone(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        if let Some(node) = look.survey.cluster.brokers.get(&id(me)) {
            return Err(format!("the cluster still lists it at {}", node.endpoint));
        }
        match evacuate(me, look)? {
            GO if look.survey.quorum.is_some() => Ok(Decision::Do(Act::Unregister(id(me)))),
            GO => whole(look, id(me)).map(|()| GO),
            other => Ok(other),
        }
    }

    /// Every broker lists all brokers of the target: only then any of them can be given to clients.
    fn settled(&self, look: &Look<'_>) -> Decided<Act> {
        let wanted: BTreeSet<i32> = look.view.target.iter().map(|name| id(name)).collect();
        for (name, lists) in look.survey.lists.iter().filter(|(name, _)| look.view.stays(name)) {
            let members = lists.as_ref().map_err(Clone::clone)?;
            let missing: Vec<String> = wanted.difference(members).map(ToString::to_string).collect();
            if !missing.is_empty() {
                return Err(format!("{name} does not list {} yet", listed(&missing)));
            }
        }
        Ok(GO)
    }

    async fn perform(&self, _: &Handle, look: &Look<'_>, act: Act) -> Performed {
        let told = |error: ClientError| error.to_string();
        let mut client = Client::connect(&serving_endpoints(look.view)).await.map_err(told)?;
        match act {
            Act::Evacuate(id, staying) => match client.evacuate(id, &staying).await.map_err(told)? {
                None => Err("partitions are being moved".into()),
                Some(Evacuation::Done) => Ok(None),
                Some(Evacuation::Wait(reason) | Evacuation::Move(_, reason)) => Err(reason),
                Some(Evacuation::Refuse(reason)) => Ok(Some(Verdict::Refuse(reason))),
                Some(Evacuation::TooFew(few)) => Ok(Some(Verdict::Refuse(too_few(&few)))),
            },
            // Only a matter of even load, so that it fails is not told to anybody but the log.
            Act::Lead(led) => {
                if let Err(error) = client.elect_preferred(&led).await {
                    tracing::debug!(%error, "leaderships stay where they are for now");
                }
                Ok(Some(Verdict::Go))
            }
            Act::Unregister(id) => {
                client.unregister(id).await.map_err(told)?;
                whole(look, id).map(|()| Some(Verdict::Go))
            }
        }
    }
}

/// The id of a broker; none that there is for another instance.
fn id(instance: &str) -> i32 {
    broker_id(instance).and_then(|id| i32::try_from(id).ok()).unwrap_or(i32::MAX)
}

/// Client endpoints of the target's brokers that serve, or of those that are to go, if no other does.
pub(crate) fn serving_endpoints(view: &View) -> Vec<String> {
    let serving = |which: &dyn Fn(&str) -> bool| -> Vec<String> {
        let ready = view.instances.iter().filter(|(name, i)| i.is_ready() && which(name));
        ready.filter_map(|(_, i)| i.placement.as_ref()?.endpoint(CLIENT_PORT)).collect()
    };
    let target = serving(&|name| view.stays(name));
    if target.is_empty() { serving(&|_| true) } else { target }
}

async fn look_at(view: &View, options: &Options) -> Result<Survey, ClientError> {
    let asked = ask_all(view, |instance| {
        let endpoint = instance.placement.as_ref().filter(|_| instance.is_ready())?.endpoint(CLIENT_PORT)?;
        Some(async move {
            let ask = async { Client::connect(std::slice::from_ref(&endpoint)).await?.members().await };
            let answer = tokio::time::timeout(PATIENCE, ask).await;
            answer.map_or_else(|_| Err(format!("{endpoint}: no answer")), |a| a.map_err(|e| e.to_string()))
        })
    });
    let (client, lists) = tokio::join!(async { Client::connect(&serving_endpoints(view)).await }, asked);
    let mut client = client?;
    let cluster = client.cluster().await?;
    Ok(Survey {
        ongoing: client.reassignments().await?,
        min_isr: client.min_isr(&cluster.topics.keys().cloned().collect()).await?,
        quorum: if options.mode == Mode::KRaft { Some(client.quorum().await?) } else { None },
        cluster,
        lists,
    })
}

/// The voters of a running quorum are not changed by restarts: new ones with empty logs could outvote the old.
fn other_voters(look: &Look<'_>) -> Option<Decision<Act>> {
    let there = look.survey.quorum.as_ref()?.ids();
    let wanted: BTreeSet<i32> =
        look.options.controller_ids().into_iter().filter_map(|id| i32::try_from(id).ok()).collect();
    let n = there.len();
    (wanted != there).then(|| {
        Decision::refuse(format!(
            "the controllers of this cluster are {there:?}, and the configuration makes them {wanted:?}, which a running \
             cluster cannot take over; set `controllers: {n}` and keep those brokers"
        ))
    })
}

fn available(me: &str, look: &Look<'_>) -> Result<(), String> {
    let Survey { cluster, min_isr, .. } = look.survey;
    cluster.can_miss(id(me), min_isr)?;
    let weak = cluster.unavailable_without(id(me), min_isr);
    if !weak.is_empty() {
        tracing::warn!(broker = me, partitions = %listed(&weak), "unavailable meanwhile: no more copies than the minimum in sync");
    }
    Ok(())
}

fn controls(me: &str, look: &Look<'_>) -> Result<(), String> {
    look.survey.quorum.as_ref().map_or(Ok(()), |quorum| quorum.can_miss(id(me)))
}

fn whole(look: &Look<'_>, left: i32) -> Result<(), String> {
    let name = u32::try_from(left).map(instance_name).unwrap_or_default();
    look.survey.cluster.is_whole().map_err(|why| format!("{name} is gone; {why}"))
}

/// Brokers that stay may inherit.
fn evacuate(me: &str, look: &Look<'_>) -> Decided<Act> {
    let staying: BTreeSet<i32> = look.view.others(me).map(|name| id(name)).collect();
    match evacuation(&look.survey.cluster, &look.survey.ongoing, id(me), &staying) {
        Evacuation::Done => Ok(GO),
        Evacuation::Wait(reason) => Err(reason),
        _ => Ok(Decision::Do(Act::Evacuate(id(me), staying))),
    }
}

fn too_few(error: &TooFew) -> String {
    let TooFew { topic, replication, brokers } = error;
    format!(
        "{error}; keep {replication} brokers, or lower its replication first: \
         PATCH /v1/topics/{topic} {{\"replication\": {brokers}}}"
    )
}

#[cfg(test)]
mod tests;

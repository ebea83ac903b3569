//! Asks the cluster, then decides.

use std::collections::{BTreeMap, BTreeSet};

use cairn_framework::{Action, Ask, Moment, Verdict, View};

use super::restart::{availability, back, controller_last, exempt};
use super::{Evacuation, evacuation, listed, quorum};
use crate::broker::{broker_id, instance_name};
use crate::options::{Mode, Options};
use crate::task::CLIENT_PORT;
use cairn_kafka_client::{Client, ClientError, Cluster};

/// What a gate says. What cannot be asked is closed.
pub(crate) async fn ask(ask: &Ask) -> Verdict {
    let Some(broker) = broker_id(&ask.instance) else { return Verdict::Go };
    let Ok(options) = ask.config.read::<Options>() else {
        return Verdict::Wait("the configuration cannot be read".into());
    };
    let question = Question { ask, broker, options };
    let verdict = match (ask.action, ask.moment) {
        (Action::Launch, Moment::Before) => question.before_launch().await,
        (Action::Restart | Action::Stop, Moment::Before) => question.before_stop().await,
        (Action::Remove, Moment::Before) => question.before_remove().await,
        (Action::Launch | Action::Restart, Moment::After) => question.after_start().await,
        (Action::Remove, Moment::After) => question.after_remove().await,
        (Action::Stop, Moment::After) => Ok(Verdict::Go),
    };
    verdict.unwrap_or_else(|e| Verdict::Wait(format!("the cluster cannot be asked: {e}")))
}

/// Client endpoints of the target's brokers that serve.
pub(crate) fn serving_endpoints(view: &View) -> Vec<String> {
    endpoints_of(view, |name| view.target.contains(name))
}

/// Client endpoints of the serving brokers that `which` picks.
fn endpoints_of(view: &View, which: impl Fn(&String) -> bool) -> Vec<String> {
    let serving = view.instances.iter().filter(|(name, i)| i.is_ready() && which(name));
    serving.filter_map(|(_, i)| i.placement.as_ref()?.endpoint(CLIENT_PORT)).collect()
}

type Answer = Result<Verdict, ClientError>;

struct Question<'a> {
    ask: &'a Ask,
    broker: u32,
    options: Options,
}

impl Question<'_> {
    fn id(&self) -> i32 {
        i32::try_from(self.broker).unwrap_or(i32::MAX)
    }

    fn is_kraft(&self) -> bool {
        self.options.mode == Mode::KRaft
    }

    /// Endpoints of everybody who serves, those that leave too, this broker aside.
    fn others(&self) -> Vec<String> {
        endpoints_of(&self.ask.view, |name| *name != self.ask.instance)
    }

    fn own_endpoint(&self) -> Option<String> {
        self.ask.view.placement(&self.ask.instance)?.endpoint(CLIENT_PORT)
    }

    /// Its id must be free, and with KRaft it must not bring a quorum of its own.
    async fn before_launch(&self) -> Answer {
        let others = self.others();
        if others.is_empty() {
            return Ok(Verdict::Go);
        }
        let mut client = Client::connect(&others).await?;
        if let Some(node) = client.cluster().await?.brokers.get(&self.id()) {
            return Ok(Verdict::Wait(format!("its id is still taken by the broker at {}", node.endpoint)));
        }
        if self.is_kraft() {
            return Ok(quorum::same_voters(&client.quorum().await?, &self.options.controller_ids()));
        }
        Ok(Verdict::Go)
    }

    async fn before_stop(&self) -> Answer {
        let me = self.ask.view.instances.get(&self.ask.instance);
        let serves = me.is_some_and(cairn_framework::InstanceStatus::is_ready);
        let mut endpoints = self.others();
        endpoints.extend(self.own_endpoint().filter(|_| serves));
        if endpoints.is_empty() && !serves {
            // Nobody serves: whatever the restart brings can only be better.
            return Ok(Verdict::Go);
        }
        let mut client = Client::connect(&endpoints).await?;
        let cluster = client.cluster().await?;
        if !cluster.brokers.contains_key(&self.id()) {
            return Ok(Verdict::Go);
        }
        let restarts = self.ask.action == Action::Restart;
        let mut checks = vec![self.availability(&mut client, &cluster).await?];
        if self.is_kraft() {
            let quorum = client.quorum().await?;
            if restarts {
                checks.insert(0, quorum::same_voters(&quorum, &self.options.controller_ids()));
                checks.push(controller_last(&self.ask.view, self.broker, quorum.leader));
            }
            checks.push(quorum::controller(&quorum, self.id()));
        } else if restarts {
            checks.push(controller_last(&self.ask.view, self.broker, cluster.controller));
        }
        Ok(checks.into_iter().find(|v| *v != Verdict::Go).unwrap_or(Verdict::Go))
    }

    async fn availability(&self, client: &mut Client, cluster: &Cluster) -> Answer {
        let min_isr = client.min_isr(&cluster.topics_on(self.id())).await?;
        let verdict = availability(cluster, &min_isr, self.id());
        let weak = exempt(cluster, &min_isr, self.id());
        if verdict == Verdict::Go && !weak.is_empty() {
            let broker = self.broker;
            tracing::warn!(broker, partitions = %listed(&weak), "unavailable meanwhile: no more copies than the minimum in sync");
        }
        Ok(verdict)
    }

    async fn after_start(&self) -> Answer {
        let Some(endpoint) = self.own_endpoint() else {
            return Ok(Verdict::Wait("it has no address yet".into()));
        };
        let mut client = Client::connect(std::slice::from_ref(&endpoint)).await?;
        let cluster = client.cluster().await?;
        let verdict = back(&cluster, self.id(), &endpoint);
        if verdict == Verdict::Go {
            self.lead_again(&mut client, &cluster).await;
        }
        Ok(verdict)
    }

    /// Gives the broker back what it led: Kafka would leave that to the others for up to five minutes. Only a matter of
    /// even load, so that it fails is not told to anybody but the log.
    async fn lead_again(&self, client: &mut Client, cluster: &Cluster) {
        let mut led: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for (topic, number, p) in cluster.partitions_on(self.id()) {
            if p.replicas.first() == Some(&self.id()) && p.leader != Some(self.id()) {
                led.entry(topic.to_owned()).or_default().push(number);
            }
        }
        if led.is_empty() {
            return;
        }
        if let Err(error) = client.elect_preferred(&led).await {
            tracing::debug!(broker = self.broker, %error, "leaderships stay where they are for now");
        }
    }

    /// Brokers that stay, and may inherit.
    fn staying(&self) -> BTreeSet<i32> {
        let ids = self.ask.view.target.iter().filter_map(|name| broker_id(name));
        ids.filter(|id| *id != self.broker).filter_map(|id| i32::try_from(id).ok()).collect()
    }

    async fn before_remove(&self) -> Answer {
        let mut endpoints = serving_endpoints(&self.ask.view);
        endpoints.extend(self.own_endpoint().filter(|_| endpoints.is_empty()));
        let mut client = Client::connect(&endpoints).await?;
        if self.is_kraft() {
            let verdict = quorum::not_a_voter(&client.quorum().await?, self.id());
            if verdict != Verdict::Go {
                return Ok(verdict);
            }
        }
        self.evacuate(&mut client).await
    }

    async fn evacuate(&self, client: &mut Client) -> Answer {
        let cluster = client.cluster().await?;
        let ongoing = client.reassignments().await?;
        match evacuation(&cluster, &ongoing, self.id(), &self.staying()) {
            Evacuation::Done => return Ok(Verdict::Go),
            Evacuation::Wait(reason) => return Ok(Verdict::Wait(reason)),
            Evacuation::Move(..) | Evacuation::Refuse(_) => {}
        }
        let Some((cluster, ongoing)) = client.steady().await? else {
            return Ok(Verdict::Wait("partitions are being moved".into()));
        };
        Ok(match evacuation(&cluster, &ongoing, self.id(), &self.staying()) {
            Evacuation::Done => Verdict::Go,
            Evacuation::Wait(reason) => Verdict::Wait(reason),
            Evacuation::Refuse(reason) => Verdict::Refuse(reason),
            Evacuation::Move(moves, reason) => {
                client.reassign(&moves).await?;
                Verdict::Wait(reason)
            }
        })
    }

    async fn after_remove(&self) -> Answer {
        let endpoints = serving_endpoints(&self.ask.view);
        if endpoints.is_empty() && self.ask.view.target.is_empty() {
            return Ok(Verdict::Go);
        }
        let mut client = Client::connect(&endpoints).await?;
        let cluster = client.cluster().await?;
        if let Some(node) = cluster.brokers.get(&self.id()) {
            return Ok(Verdict::Wait(format!("the cluster still lists it at {}", node.endpoint)));
        }
        // A partition may have been created on it between the last look and its end, or it was stopped beforehand.
        let verdict = self.evacuate(&mut client).await?;
        if verdict != Verdict::Go {
            return Ok(verdict);
        }
        if self.is_kraft() {
            client.unregister(self.id()).await?;
        }
        Ok(whole(&cluster, &instance_name(self.broker)))
    }
}

/// All replicas on live brokers are in sync.
fn whole(cluster: &Cluster, left: &str) -> Verdict {
    let lags = |id: &i32, isr: &[i32]| cluster.brokers.contains_key(id) && !isr.contains(id);
    let lagging: Vec<String> = cluster
        .partitions()
        .filter(|(_, _, p)| p.replicas.iter().any(|id| lags(id, &p.isr)))
        .map(|(topic, number, _)| format!("{topic}-{number}"))
        .collect();
    match lagging.len() {
        0 => Verdict::Go,
        n => Verdict::Wait(format!("{left} is gone; {n} partitions are catching up: {}", listed(&lagging))),
    }
}

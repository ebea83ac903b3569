//! How a cluster stands, and what can be said of its brokers by that: which of them can be missed, is back, holds nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use crate::{
    Act, Client, ClientError, Cluster, Evacuation, MinIsr, Mode, Ongoing, Quorum, evacuation, listed,
};

/// How long a broker may take to say whom it lists.
const PATIENCE: Duration = Duration::from_secs(2);

/// The cluster as one of its brokers knows it.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Brokers, topics and partitions.
    pub cluster: Cluster,
    /// Moves under way.
    pub ongoing: Vec<Ongoing>,
    /// `min.insync.replicas` by topic.
    pub min_isr: MinIsr,
    /// With KRaft.
    pub quorum: Option<Quorum>,
    /// Whom each broker lists, asked itself, by whatever it is called; or why it does not say.
    pub lists: BTreeMap<String, Result<BTreeSet<i32>, String>>,
}

/// What is next for a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing has to be done before.
    Go,
    /// This has to be done first.
    Do(Act),
    /// It cannot be, for this reason.
    Never(String),
}

/// A step, or what has to be waited for.
pub type Next = Result<Step, String>;

impl Survey {
    /// Asks a cluster through any of these endpoints, and each of these brokers, by name, whom it lists.
    ///
    /// # Errors
    /// The cluster cannot be asked.
    pub async fn take(
        through: &[String],
        brokers: BTreeMap<String, String>,
        mode: Mode,
    ) -> Result<Self, ClientError> {
        let listing = brokers.into_iter().map(async |(name, endpoint)| (name, members(&endpoint).await));
        let (client, lists) = tokio::join!(Client::connect(through), join_all(listing));
        let mut client = client?;
        let cluster = client.cluster().await?;
        Ok(Self {
            ongoing: client.reassignments().await?,
            min_isr: client.min_isr(&cluster.topics.keys().cloned().collect()).await?,
            quorum: if mode == Mode::KRaft { Some(client.quorum().await?) } else { None },
            cluster,
            lists: lists.into_iter().collect(),
        })
    }

    fn knows(&self, broker: i32) -> bool {
        self.cluster.brokers.contains_key(&broker)
    }

    /// Who directs the cluster: the leader of the quorum with KRaft.
    pub fn controller(&self) -> Option<i32> {
        self.quorum.as_ref().map_or(self.cluster.controller, |quorum| quorum.leader)
    }

    /// A broker may start for the first time: its id is free, and where `voters` are to be controllers they are those that are.
    ///
    /// # Errors
    /// Its id is taken.
    pub fn may_join(&self, broker: i32, voters: &BTreeSet<i32>) -> Next {
        match self.cluster.brokers.get(&broker) {
            Some(node) => Err(format!("its id is still taken by the broker at {}", node.endpoint)),
            None => Ok(self.other_voters(voters).unwrap_or(Step::Go)),
        }
    }

    /// A broker may be away for a while, as far as its partitions and its vote go. What nobody could wait for is logged.
    ///
    /// # Errors
    /// What needs it.
    pub fn may_stop(&self, broker: i32) -> Next {
        if !self.knows(broker) {
            return Ok(Step::Go);
        }
        self.cluster.can_miss(broker, &self.min_isr)?;
        self.quorum.as_ref().map_or(Ok(()), |quorum| quorum.can_miss(broker))?;
        let weak = self.cluster.unavailable_without(broker, &self.min_isr);
        if !weak.is_empty() {
            tracing::warn!(broker, partitions = %listed(&weak), "unavailable meanwhile: no more copies than the minimum in sync");
        }
        Ok(Step::Go)
    }

    /// The same where it comes back with another configuration, in which these are to be controllers.
    ///
    /// # Errors
    /// What needs it.
    pub fn may_restart(&self, broker: i32, voters: &BTreeSet<i32>) -> Next {
        match self.other_voters(voters).filter(|_| self.knows(broker)) {
            Some(never) => Ok(never),
            None => self.may_stop(broker),
        }
    }

    /// A broker of this name is listed at its place, also by itself, and has caught up; then it leads again what it led.
    ///
    /// # Errors
    /// What is not so yet.
    pub fn is_back(&self, name: &str, broker: i32, endpoint: &str) -> Next {
        self.lists.get(name).ok_or("it does not serve")?.as_ref().map_err(Clone::clone)?;
        self.cluster.has_back(broker, endpoint)?;
        let led = self.cluster.led_by_others(broker);
        Ok(if led.is_empty() { Step::Go } else { Step::Do(Act::Lead(led)) })
    }

    /// A broker may stop for good: it has no vote and holds nothing any more. `staying` may inherit.
    ///
    /// # Errors
    /// What has to be waited for.
    pub fn may_leave(&self, broker: i32, staying: BTreeSet<i32>) -> Next {
        if self.quorum.as_ref().is_some_and(|quorum| quorum.voters.contains_key(&broker)) {
            let why = format!("broker {broker} is a controller; only brokers that are none can be removed");
            return Ok(Step::Never(why));
        }
        self.is_empty(broker, staying)
    }

    fn is_empty(&self, broker: i32, staying: BTreeSet<i32>) -> Next {
        match evacuation(&self.cluster, &self.ongoing, broker, &staying) {
            Evacuation::Done => Ok(Step::Go),
            Evacuation::Wait(reason) => Err(reason),
            // What cannot be moved is told by the act itself.
            Evacuation::Move(..) | Evacuation::TooFew(_) | Evacuation::Refuse(_) => {
                Ok(Step::Do(Act::Evacuate(broker, staying)))
            }
        }
    }

    /// A broker that has stopped for good has left nothing behind: a partition may have been created on it between the last look
    /// and its end, or it was stopped beforehand.
    ///
    /// # Errors
    /// What has to be waited for.
    pub fn is_gone(&self, name: &str, broker: i32, staying: BTreeSet<i32>) -> Next {
        if let Some(node) = self.cluster.brokers.get(&broker) {
            return Err(format!("the cluster still lists it at {}", node.endpoint));
        }
        match self.is_empty(broker, staying)? {
            Step::Go => {
                self.cluster.is_whole().map_err(|why| format!("{name} is gone; {why}"))?;
                Ok(if self.quorum.is_some() { Step::Do(Act::Unregister(broker)) } else { Step::Go })
            }
            other => Ok(other),
        }
    }

    /// The voters of a running quorum are not changed by restarts: new ones with empty logs could outvote the old.
    fn other_voters(&self, wanted: &BTreeSet<i32>) -> Option<Step> {
        let there = self.quorum.as_ref()?.ids();
        let n = there.len();
        (there != *wanted).then(|| {
            Step::Never(format!(
                "the controllers of this cluster are {there:?}, and the configuration makes them {wanted:?}, which a running \
                 cluster cannot take over; set `controllers: {n}` and keep those brokers"
            ))
        })
    }

    /// Every broker that `counts`, by name, lists all that are wanted: only then any of them can be given to clients.
    ///
    /// # Errors
    /// Who does not list whom.
    pub fn all_list(&self, wanted: &BTreeSet<i32>, counts: impl Fn(&str) -> bool) -> Result<(), String> {
        for (name, lists) in self.lists.iter().filter(|(name, _)| counts(name)) {
            let members = lists.as_ref().map_err(Clone::clone)?;
            let missing: Vec<String> = wanted.difference(members).map(ToString::to_string).collect();
            if !missing.is_empty() {
                return Err(format!("{name} does not list {} yet", listed(&missing)));
            }
        }
        Ok(())
    }
}

async fn members(endpoint: &str) -> Result<BTreeSet<i32>, String> {
    let ask = async { Client::connect(&[endpoint.to_owned()]).await?.members().await };
    match timeout(PATIENCE, ask).await {
        Ok(answer) => answer.map_err(|error: ClientError| error.to_string()),
        Err(_) => Err(format!("{endpoint}: no answer")),
    }
}

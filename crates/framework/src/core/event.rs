//! What comes in and what goes out.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_mesos::v1;
use serde_json::Value;

use super::Millis;
use crate::driver::Cluster;
use crate::store::Change;
use crate::{Ask, Config, InstanceSpec, Master, Operate, Progress, Verdict, View};

/// What the core needs to know about its surroundings once.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Name on the cluster, and the role.
    pub framework: String,
    /// The master, as this scheduler was told.
    pub master: Master,
    /// Where agents fetch the executor.
    pub executor_uri: String,
    /// How long an instance of a cluster waits for an agent with fewer of its peers than those that are offered,
    /// milliseconds. 0 takes what comes.
    pub room_ms: Millis,
}

/// Something has happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The master has accepted the subscription.
    Subscribed {
        /// Framework id.
        framework_id: String,
    },
    /// The subscription is gone; the driver tries again.
    Disconnected,
    /// Offers. Each is answered in the same step.
    Offers(Vec<v1::Offer>),
    /// A task's status.
    Update(Box<v1::TaskStatus>),
    /// The master refuses this framework for good.
    Refused(String),
    /// A call did not get through; what it was about has to be asked.
    CallFailed,
    /// The master has taken that this framework leaves.
    Left,
    /// What the master knows, before there is an id to subscribe with.
    Cluster(Box<Cluster>),
    /// What the agents have in all.
    Capacities(Vec<Capacity>),
    /// A fact from the service's watchers.
    Observe(String, Value),
    /// A fact that is to be known again after a restart; null forgets it.
    Remember(String, Value),
    /// An answer to a question.
    Verdict(u64, Verdict),
    /// An answer to a question about a step of an operation.
    Progress(u64, Progress),
    /// Time has passed.
    Tick,
}

/// Total resources of an agent, whoever uses them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Capacity {
    /// Agent id.
    pub agent_id: String,
    /// Host name.
    pub hostname: String,
    /// Attributes as text.
    pub attributes: BTreeMap<String, String>,
    /// CPU shares.
    pub cpus: f64,
    /// Memory, MiB.
    pub mem: f64,
    /// Disk, MiB.
    pub disk: f64,
}

impl Capacity {
    /// The agent would be large enough, if nobody else were there.
    pub(crate) fn holds(&self, spec: &InstanceSpec) -> bool {
        self.cpus >= spec.cpus && self.mem >= spec.mem && self.disk >= spec.disk()
    }
}

/// A question that the driver puts to the service.
#[derive(Debug, Clone)]
pub enum Question {
    /// [`crate::Service::gate`].
    Gate(Ask),
    /// [`crate::Service::settle`].
    Settle(Config, Arc<View>),
    /// [`crate::Service::operate`].
    Operate(Box<Operate>),
    /// [`crate::Service::farewell`].
    Farewell(Config, Arc<View>),
}

/// Something to do.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Store this, durably, before anything that follows.
    Store(Vec<Change>),
    /// Send this to the master.
    Call(Box<v1::scheduler::Call>),
    /// Ask, and bring the answer with this number.
    Ask(u64, Box<Question>),
    /// Come back at this time at the latest.
    WakeAt(Millis),
}

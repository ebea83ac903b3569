//! The pure state machine: `step(event, now) -> effects`. No I/O, no clock, no randomness, no hash order.
//!
//! One file a decision: `next` what an instance needs, `matching` which offers do, `updates` what a status means,
//! `steps` which change may go on, `operations` which work inside instances does, `report` what people see.

mod admission;
mod agents;
mod asks;
mod backoff;
mod commands;
mod company;
mod doubt;
mod event;
mod gang;
mod identity;
mod job;
mod leave;
mod live;
mod matching;
mod next;
mod offers;
mod operations;
mod planted;
mod reconcile;
mod render;
mod report;
mod state;
mod steps;
mod task;
mod updates;

#[cfg(test)]
mod tests;

use cairn_planted::planted;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::store::Change;
use crate::{Config, Model, Problem, Secrets, Service, Verdict};

pub use event::{Capacity, Effect, Event, Question, Setup};
pub(crate) use live::is_over;
pub use matching::Refusal;
pub use planted::Bug;
pub(crate) use report::WAITS_FOR_OFFER;
pub(crate) use state::reveal;
pub(crate) use task::attributes;

use admission::Admission;
use asks::Asks;
use live::Live;
use offers::Wants;
use reconcile::Reconcile;
use render::{Rendered, Stale};
use state::State;

/// Milliseconds since the epoch, as the driver's clock has them.
pub type Millis = u64;

/// Settled inner things are looked at again after so long, to undo what others changed.
const SETTLE_EVERY: Millis = 30_000;
/// How many refusals are kept for people to read.
const REFUSALS: usize = 100;

/// How the scheduler stands with the master.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Link {
    Connecting,
    Registered,
    Failed(String),
}

/// The scheduler's decisions and all they rest on.
pub struct Core {
    service: Arc<dyn Service>,
    setup: Setup,
    ids: Box<dyn FnMut() -> String + Send>,
    state: State,
    /// What the store holds once the effects of the last step are carried out.
    stored: State,
    model: Model,
    /// Names of the instances in it.
    target: BTreeSet<String>,
    problems: Vec<Problem>,
    /// What is wrong with the configuration that was given last. It holds in no part: the one before goes on.
    refused: Vec<Problem>,
    live: BTreeMap<String, Live>,
    link: Link,
    /// Before there is an id.
    admission: Admission,
    asks: Asks,
    wants: Wants,
    reconcile: Reconcile,
    observed: BTreeMap<String, Arc<Value>>,
    capacities: Vec<Capacity>,
    /// Instances whose agent is not there at present, where the target follows the agents.
    away: BTreeSet<String>,
    rendered: BTreeMap<String, Rendered>,
    stale: Stale,
    settled: bool,
    settle_at: Millis,
    /// Generation of the configuration that the question about inner things was put with.
    settles: u64,
    refusals: Vec<Value>,
    /// Ports by agent that something else listens on, as executors have told.
    taken: BTreeMap<String, BTreeSet<u16>>,
    /// Offers are asked for anew then: a gang did not fit into the last ones and needs all of them together, or a call
    /// got lost, which may have asked for them.
    revive_at: Option<Millis>,
    /// The time of the last step.
    seen: Millis,
    doubt: doubt::Doubt,
    /// What a destroyed service has brought about elsewhere is gone.
    farewell: bool,
    /// The master is told then, again, that this framework leaves.
    leave_at: Millis,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("state", &self.state).field("live", &self.live).finish_non_exhaustive()
    }
}

/// Effects of one step, in the order in which they must happen: intent first.
#[derive(Default)]
pub(crate) struct Out {
    calls: Vec<cairn_mesos::v1::scheduler::Call>,
    asks: Vec<(u64, Question)>,
    wake: Option<Millis>,
}

impl Out {
    /// Nothing else is said or asked.
    fn only_acknowledges(&self) -> bool {
        self.asks.is_empty() && self.calls.iter().all(|call| call.acknowledge.is_some())
    }

    fn wake_at(&mut self, at: Millis) {
        self.wake = Some(self.wake.map_or(at, |w| w.min(at)));
    }
}

impl Core {
    /// A core over what a store holds. `ids` gives unique ids.
    ///
    /// # Errors
    /// The key that cannot be read.
    pub fn new(
        service: Arc<dyn Service>,
        setup: Setup,
        entries: &BTreeMap<String, Vec<u8>>,
        ids: Box<dyn FnMut() -> String + Send>,
    ) -> Result<Self, Problem> {
        let state = State::load(entries)?;
        let mut core = Self {
            service,
            setup,
            ids,
            stored: state.clone(),
            live: updates::unknown(&state),
            state,
            model: Model::default(),
            target: BTreeSet::new(),
            problems: Vec::new(),
            refused: Vec::new(),
            link: Link::Connecting,
            admission: Admission::default(),
            asks: Asks::default(),
            wants: Wants::default(),
            reconcile: Reconcile::default(),
            observed: BTreeMap::new(),
            capacities: Vec::new(),
            away: BTreeSet::new(),
            rendered: BTreeMap::new(),
            stale: Stale::Everybody,
            settled: false,
            settle_at: 0,
            settles: 0,
            refusals: Vec::new(),
            taken: BTreeMap::new(),
            revive_at: None,
            seen: 0,
            doubt: doubt::Doubt::default(),
            farewell: false,
            leave_at: 0,
        };
        core.remodel();
        Ok(core)
    }

    /// Whether a core can be made of these entries.
    ///
    /// # Errors
    /// The key that cannot be read.
    pub fn readable(entries: &crate::store::Entries) -> Result<(), Problem> {
        let bytes =
            entries.iter().map(|(key, value)| (key.clone(), value.to_string().into_bytes())).collect();
        State::load(&bytes).map(|_| ())
    }

    /// Framework id to subscribe with, if there is one.
    pub fn framework_id(&self) -> Option<&str> {
        self.state.identity.id.as_deref()
    }

    /// Whether `destroy` has been carried out and nothing new was asked for.
    pub fn destroyed(&self) -> bool {
        self.state.target.destroyed
    }

    /// The master refuses this framework for good.
    pub fn refused(&self) -> bool {
        matches!(self.link, Link::Failed(_))
    }

    /// A configuration is stored.
    pub fn configured(&self) -> bool {
        self.state.target.config.is_some()
    }

    /// Some instance that has never been placed waits for an offer: the driver should ask for agents' capacities.
    pub fn hungry(&self) -> bool {
        self.wants.placing()
    }

    /// Takes the values of the configuration file that are secrets for such, wherever they turn up.
    pub fn note_secrets(&mut self, file: &Config) {
        self.state.target.secrets = Secrets::of(file, self.service.secrets());
    }

    /// Values of the configuration that are secrets.
    pub fn secrets(&self) -> &Secrets {
        &self.state.target.secrets
    }

    /// Effective configuration.
    pub fn config(&self) -> Config {
        self.state.target.config.clone().unwrap_or_default()
    }

    /// Takes one event and says what is to be done about it, in order.
    pub fn step(&mut self, event: Event, now: Millis) -> Vec<Effect> {
        self.steps([event], now)
    }

    /// The same for several events that have come in this order; what follows from them is looked at once.
    pub fn steps(&mut self, events: impl IntoIterator<Item = Event>, now: Millis) -> Vec<Effect> {
        let mut out = Out::default();
        self.pass(now);
        for event in events {
            self.take(event, now, &mut out);
        }
        self.advance(now, &mut out);
        self.effects(out)
    }

    /// It is `now`, however that came. Clocks are set back, too: what was to happen in a minute is still to happen in a
    /// minute then, not when the clock shows again what it showed.
    fn pass(&mut self, now: Millis) {
        self.doubt.pass(now);
        let back = self.seen.saturating_sub(now);
        self.seen = now;
        if back == 0 {
            return;
        }
        self.live.values_mut().for_each(|live| live.set_back(back));
        self.asks.set_back(back);
        self.reconcile.set_back(back);
        self.admission.set_back(back);
        self.settle_at = self.settle_at.saturating_sub(back);
        self.revive_at = self.revive_at.map(|at| at.saturating_sub(back));
        self.leave_at = self.leave_at.saturating_sub(back);
    }

    fn take(&mut self, event: Event, now: Millis, out: &mut Out) {
        match event {
            // It has left: this is the last that a connection says which is about to be closed.
            Event::Subscribed { .. } | Event::Refused(_) if self.destroyed() => {}
            Event::Subscribed { framework_id } => self.subscribed(framework_id, now),
            Event::Disconnected => self.disconnected(),
            Event::Offers(offers) => {
                // What an event before has changed counts for what is launched.
                self.render_stale();
                self.offers(&offers, now, out);
            }
            Event::Update(status) => self.update(&status, now, out),
            Event::Refused(reason) => self.refuse(reason),
            Event::Left => self.left(),
            Event::CallFailed => self.call_failed(now),
            Event::Cluster(cluster) => self.consider(&cluster, now),
            Event::Capacities(agents) => self.know_agents(agents, now),
            Event::Observe(key, value) => {
                if note(&mut self.observed, &key, known(value).map(Arc::new)) {
                    self.touch_and_hurry(&key);
                }
            }
            Event::Remember(key, value) => {
                if note(&mut self.state.facts, &key, known(value)) {
                    self.stale = Stale::Everybody;
                    self.asks.hurry(None);
                }
            }
            Event::Verdict(number, verdict) => self.verdict(number, &verdict, now, out),
            Event::Progress(number, progress) => self.progressed(number, progress, now),
            Event::Tick => {}
        }
    }

    fn subscribed(&mut self, framework_id: String, now: Millis) {
        if self.state.identity.id.as_ref() != Some(&framework_id) {
            self.state.identity.id = Some(framework_id);
        }
        self.link = Link::Registered;
        self.leave_at = 0;
        self.wants.fresh();
        self.doubt.end();
        self.reconcile.start(now);
    }

    fn disconnected(&mut self) {
        if self.link == Link::Registered {
            self.link = Link::Connecting;
        }
    }

    /// What it was about is asked again, after a pause: the next call may fail as well.
    fn call_failed(&mut self, now: Millis) {
        self.reconcile.soon(now);
        self.revive_at.get_or_insert(now + offers::REVIVE_AGAIN);
        self.doubt.begin(now);
    }

    fn verdict(&mut self, number: u64, verdict: &Verdict, now: Millis, out: &mut Out) {
        let verdict = if planted(Bug::GateErrorIsGo) { &Verdict::Go } else { verdict };
        let Some(topic) = self.asks.answer(number, verdict, now) else { return };
        match topic {
            asks::Topic::Settle => {
                // What was true of the configuration before says nothing of this one: it is asked again at once.
                self.settled = *verdict == Verdict::Go && self.settles == self.state.target.generation;
                self.settle_at = now + SETTLE_EVERY;
            }
            asks::Topic::Farewell => self.farewell = *verdict == Verdict::Go,
            asks::Topic::Gate(instance, action, moment) if *verdict == Verdict::Go => {
                self.go(&instance, action, moment, now, out);
            }
            asks::Topic::Gate(..) | asks::Topic::Operate(..) => {}
        }
    }

    /// Everything that follows from the state as it is now.
    fn advance(&mut self, now: Millis, out: &mut Out) {
        self.follow_agents();
        self.render_stale();
        self.keep_time(now);
        if self.link == Link::Registered {
            self.take_steps(now, out);
            self.operate(now, out);
            self.want_offers(now, out);
            self.reconcile_due(now, out);
            self.finish_destroy(now, out);
        }
        self.refresh_outputs();
        self.wake(now, out);
    }

    fn wake(&self, now: Millis, out: &mut Out) {
        if let Some(at) = self.asks.wake_after(now) {
            out.wake_at(at);
        }
        for live in self.live.values().filter(|l| l.retry_at > now) {
            out.wake_at(live.retry_at);
        }
        if let Some(at) = self.next_time().filter(|at| *at > now) {
            out.wake_at(at);
        }
        if let Some(at) = self.revive_at.filter(|at| *at > now) {
            out.wake_at(at);
        }
        if self.settled && self.settle_at > now {
            out.wake_at(self.settle_at);
        }
        if self.leaves() && self.leave_at > now {
            out.wake_at(self.leave_at);
        }
        if let Some(at) = self.reconcile.wake_at().filter(|at| *at > now) {
            out.wake_at(at);
        }
        if let Some(at) = self.silent_at().filter(|at| *at > now) {
            out.wake_at(at);
        }
    }

    /// Intent before effect: what is stored comes first, always.
    fn effects(&mut self, out: Out) -> Vec<Effect> {
        let later = planted(Bug::StoreLater) && out.only_acknowledges();
        let changes: Vec<Change> = if later { Vec::new() } else { self.state.changes_since(&self.stored) };
        let mut effects = Vec::new();
        if !changes.is_empty() {
            self.stored.clone_from(&self.state);
            effects.push(Effect::Store(changes));
        }
        effects.extend(out.calls.into_iter().map(|c| Effect::Call(Box::new(c))));
        effects.extend(out.asks.into_iter().map(|(n, q)| Effect::Ask(n, Box::new(q))));
        effects.extend(out.wake.map(Effect::WakeAt));
        if planted(Bug::ActFirst) && matches!(effects.first(), Some(Effect::Store(_))) {
            effects.rotate_left(1);
        }
        effects
    }

    fn live_mut(&mut self, instance: &str) -> &mut Live {
        self.live.entry(instance.to_owned()).or_default()
    }

    fn destroying(&self) -> bool {
        self.state.target.destroy.is_some()
    }

    fn in_target(&self, instance: &str) -> bool {
        self.target.contains(instance)
    }

    /// The model has other instances now.
    fn note_target(&mut self) {
        self.target = self.model.instances.iter().map(|i| i.name.clone()).collect();
    }
}

/// Whether the value is another one than before; none takes it away.
fn note<T: PartialEq>(values: &mut BTreeMap<String, T>, key: &str, value: Option<T>) -> bool {
    let Some(value) = value else { return values.remove(key).is_some() };
    let changed = values.get(key) != Some(&value);
    if changed {
        values.insert(key.to_owned(), value);
    }
    changed
}

/// Null is what nobody knows.
fn known(value: Value) -> Option<Value> {
    Some(value).filter(|value| !value.is_null())
}

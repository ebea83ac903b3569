//! What a scheduler has told the master over its subscription: whether it wants offers, and what it asks about its tasks. It
//! is held against what its store says that it has to do.

use std::collections::{BTreeMap, BTreeSet};

use cairn_framework::core::{Effect, Event};
use cairn_framework::{Phase, simulation};
use cairn_mesos::v1::Offer;
use cairn_mesos::v1::offer::operation::Type;
use cairn_mesos::v1::scheduler::{Call, call};

use crate::acts::label;
use crate::controller::CONTROLLER;
use crate::ledger::Known;
use crate::world::World;

/// A filter that ends later than this keeps away what may be wanted meanwhile, seconds.
const LONG: f64 = 60.0;
/// What is declined when nothing is wanted stays away for longer than this, seconds.
const IDLE: f64 = 3_600.0;
/// Offers that were under way when no more were wanted have come after so long, milliseconds.
const UNDER_WAY: u64 = 60_000;

/// What one offer holds: of which agent, and by instance the thousandths of CPUs and MiB that are reserved for it.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) agent: String,
    pub(crate) reserved: BTreeMap<String, (u64, u64)>,
}

impl Held {
    fn of(offer: &Offer) -> Self {
        let mut held = Self { agent: offer.agent_id.value.clone(), ..Self::default() };
        for resource in &offer.resources {
            let Some(instance) = label(resource, "instance") else { continue };
            let (cpus, mem) = held.reserved.entry(instance.to_owned()).or_default();
            let amount = thousandths(resource.scalar.as_ref().map_or(0.0, |s| s.value));
            match resource.name.as_str() {
                "cpus" => *cpus += amount,
                "mem" => *mem += amount,
                _ => {}
            }
        }
        held
    }
}

/// An amount as Mesos counts it.
pub(crate) fn thousandths(amount: f64) -> u64 {
    // Amounts are small and not negative; the cast saturates.
    (amount * 1_000.0).round() as u64
}

/// Of the subscription that stands.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The process that has it; others have not subscribed yet.
    life: u64,
    subscribed: bool,
    /// Since when it wants no offers.
    suppressed: Option<u64>,
    /// It has kept an offer away for long since it last asked for all.
    filtered: bool,
    /// For how many seconds offers were declined since it was last at rest.
    declined: Vec<f64>,
    /// The offers that came last, by id.
    pub(crate) offered: BTreeMap<String, Held>,
}

impl Told {
    fn note(&mut self, call: &Call, now: u64) {
        match call.r#type() {
            call::Type::Suppress => {
                self.suppressed.get_or_insert(now);
            }
            call::Type::Revive => (self.suppressed, self.filtered) = (None, false),
            call::Type::Decline => {
                let filters = call.decline.as_ref().and_then(|d| d.filters.as_ref());
                let seconds = filters.and_then(|f| f.refuse_seconds).unwrap_or_default();
                self.filtered |= seconds > LONG;
                self.declined.push(seconds);
            }
            call::Type::Accept => {
                let filters = call.accept.as_ref().and_then(|a| a.filters.as_ref());
                self.filtered |= filters.and_then(|f| f.refuse_seconds).is_some_and(|s| s > LONG);
            }
            _ => {}
        }
    }
}

/// An instance needs no offer, as its record has it. False: it may need one.
fn needs_none(known: &Known, destroying: bool) -> bool {
    known.task.is_some()
        || match known.retired {
            true => known.agent.is_none() || known.keeps_data(),
            false => known.to_stop || destroying,
        }
}

/// Its record has it that its place is to be given back, which takes an offer.
fn is_to_be_freed(known: &Known) -> bool {
    known.task.is_none() && known.retired && known.agent.is_some() && !known.keeps_data()
}

/// One that has served is to run, by its record, and does not.
fn is_down(known: &Known) -> bool {
    known.task.is_none() && known.deployed && !known.to_stop && !known.retired && !known.gang
}

impl World {
    /// A scheduler takes an event.
    pub(crate) fn note_heard(&mut self, index: usize, event: &Event) {
        let (life, now) = (self.schedulers[index].life, self.now);
        let told = self.ledger.told.entry(index).or_default();
        match event {
            Event::Subscribed { .. } => *told = Told { life, subscribed: true, ..Told::default() },
            Event::Disconnected | Event::Refused(_) => told.subscribed = false,
            Event::Offers(offers) => {
                told.offered = offers.iter().map(|o| (o.id.value.clone(), Held::of(o))).collect();
                let since = told.suppressed.filter(|since| now - since > UNDER_WAY);
                if let Some(since) = since.filter(|_| told.life == life && told.subscribed) {
                    self.violate("who wants no offers gets none", || {
                        format!("scheduler {index} gets offers, and wants none for {} ms", now - since)
                    });
                }
            }
            Event::Observe(key, fact) if index == CONTROLLER => {
                if let Some(stack) = &mut self.stack {
                    stack.said.note_fact(key, fact);
                }
            }
            _ => {}
        }
    }

    /// A scheduler makes a call.
    pub(crate) fn note_told(&mut self, index: usize, call: &Call) {
        let now = self.now;
        self.ledger.told.entry(index).or_default().note(call, now);
    }

    /// All that a step has decided is done: what the master was told of offers is what the store has to be done.
    pub(crate) fn check_at_rest(&mut self, index: usize) {
        let life = self.schedulers[index].life;
        let Some(told) = self.ledger.told.get_mut(&index).filter(|t| t.subscribed && t.life == life) else {
            return;
        };
        let declined = std::mem::take(&mut told.declined);
        let (suppressed, filtered) = (told.suppressed.is_some(), told.filtered);
        if self.ledger.targets.get(&index).is_some_and(|t| t["destroyed"] == true) {
            return;
        }
        let destroying = self.ledger.destroying(index);
        let idle = self.ledger.all_of(index).all(|(_, known)| needs_none(known, destroying));
        if idle && !suppressed {
            self.violate("no offers are wanted when there is nothing to do", || {
                format!("scheduler {index} has nothing to do and has not said that it wants no offers")
            });
        }
        if let Some(seconds) = declined.iter().find(|seconds| idle && **seconds < IDLE) {
            self.violate("offers are declined for long when there is nothing to do", || {
                format!("scheduler {index} has nothing to do and declines an offer for {seconds} s")
            });
        }
        if suppressed || filtered {
            self.check_not_waiting(index, suppressed);
        }
    }

    /// Nobody waits for offers that it has told the master not to make.
    fn check_not_waiting(&mut self, index: usize, suppressed: bool) {
        let freed = self.ledger.all_of(index).find(|(_, known)| is_to_be_freed(known));
        let mut waits = freed.map(|(name, _)| name.to_owned());
        if waits.is_none() && !self.ledger.destroying(index) {
            let down: Vec<&str> =
                self.ledger.all_of(index).filter(|(_, known)| is_down(known)).map(|(name, _)| name).collect();
            let core = self.schedulers[index].core.as_ref().filter(|_| !down.is_empty());
            let view = core.map(cairn_framework::core::Core::view).unwrap_or_default();
            let lacks_offer = |name: &&str| {
                let status = view.instances.get(*name);
                view.target.iter().any(|n| n == name)
                    && status.is_some_and(|s| {
                        s.phase == Phase::Waiting && s.message == simulation::WAITS_FOR_OFFER
                    })
            };
            waits = down.into_iter().find(lacks_offer).map(str::to_owned);
        }
        if let Some(name) = waits {
            let how = if suppressed { "wants none" } else { "has refused some for long" };
            self.violate("offers are asked for when there is something to do", || {
                format!("scheduler {index} needs an offer for {name} and {how}")
            });
        }
    }

    /// Why a scheduler goes on getting offers, when all is as it should be.
    pub(crate) fn still_wants_offers(&self, index: usize) -> Option<String> {
        let scheduler = &self.schedulers[index];
        let core = scheduler.core.as_ref().filter(|core| !core.destroyed())?;
        let told = self.ledger.told.get(&index).filter(|t| t.subscribed && t.life == scheduler.life);
        let wants = told.is_none_or(|told| told.suppressed.is_none());
        wants.then(|| format!("scheduler {index} ({}) still wants offers", core.view().framework))
    }

    /// With a new subscription everything is asked for: each task on record, and all others; nothing is launched before.
    pub(crate) fn check_reconciles(&mut self, index: usize, effects: &[Effect]) {
        let recorded = self.ledger.all_of(index).filter_map(|(_, known)| Some(&known.task.as_ref()?.0));
        let mut unasked: BTreeSet<String> = recorded.cloned().collect();
        let mut others = false;
        for effect in effects {
            let Effect::Call(call) = effect else { continue };
            if let Some(reconcile) = &call.reconcile {
                others |= reconcile.tasks.is_empty();
                reconcile.tasks.iter().for_each(|task| {
                    unasked.remove(&task.task_id.value);
                });
            }
            let mut operations = call.accept.iter().flat_map(|accept| &accept.operations);
            if operations.any(|o| o.r#type() == Type::Launch) && !(others && unasked.is_empty()) {
                break;
            }
        }
        if !others || !unasked.is_empty() {
            self.violate("after each subscription everything is reconciled", || {
                let implicit = if others { "" } else { " and about all others" };
                format!("scheduler {index} does not ask about {unasked:?}{implicit}")
            });
        }
    }
}

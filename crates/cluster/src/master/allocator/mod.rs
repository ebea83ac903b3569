//! Who is offered what. It runs after every event that may have freed something, not on a tick, and looks only at the
//! agents where something has changed, and at those with something to spare for whoever wants more than before. What is
//! known to be [`unwanted`] is not asked about again.
//!
//! An offer is the whole free rest of an agent for one role of one framework, as far as quota lets it. Whose turn it is
//! says the [`sorter`].

mod amounts;
mod quota;
mod seekers;
mod sorter;
mod unwanted;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cairn_mesos::v1::Offer;

pub(crate) use self::amounts::{Amounts, thousandths, whole};
use self::quota::Ledger;
pub(crate) use self::quota::Quota;
use self::seekers::Seeker;
pub(crate) use self::seekers::{Moment, Seekers};
pub(crate) use self::sorter::{Leaf, Sorter};
use self::unwanted::Who;
pub(crate) use self::unwanted::{Answer, Unwanted};
use super::agent::Agent;
use super::attention::Attention;
use super::core::Master;
use super::event::Time;
use super::filters::Refusals;
use super::pool::Pool;

/// Below both of these nothing is offered, unless some of it is reserved for the role.
const MIN_CPUS: f64 = 0.01;
const MIN_MEM: f64 = 32.0;

/// An agent in a round of offers, what is left of it, and whom it is shown to.
struct Stall<'a> {
    agent: &'a Agent,
    left: Pool,
    who: Who,
    /// What is not wanted of it.
    refusals: Refusals<'a>,
}

/// What somebody is to be offered.
pub(crate) struct Grant {
    pub(crate) framework: Arc<str>,
    pub(crate) role: String,
    pub(crate) agent: Arc<str>,
    pub(crate) resources: Pool,
}

/// The order in a round of offers.
struct Round<'a> {
    sorter: &'a mut Sorter,
    /// What roles may still have.
    ledger: Ledger,
    /// Everybody is to be asked about everything.
    ask_all: bool,
    now: Time,
}

impl Round<'_> {
    /// The first in order of whom `wants` holds.
    fn first(&self, who: &Who, wants: impl FnMut(Leaf) -> bool) -> Option<Leaf> {
        match who {
            Who::All => self.sorter.first(wants),
            Who::These(these) => self.sorter.first_of(these, wants),
        }
    }
}

/// What comes of looking at an agent.
struct Seen {
    grants: Vec<Grant>,
    /// Whether it has something left that nobody wants.
    spare: bool,
    answer: Answer,
}

impl Master {
    /// Offer what is free to whoever is next and wants it.
    pub(crate) fn allocate(&mut self, now: Time) {
        let attention = std::mem::take(&mut self.attention);
        let mut sorter = std::mem::take(&mut self.sorter);
        let changed = self.agents.settle(&mut sorter);
        sorter.set_weights(&self.sharing.weights);
        let agents = self.to_be_shown(changed, attention);
        if !agents.is_empty() {
            self.counters.add("allocator/mesos/allocation_runs");
            let ledger = self.ledger(&sorter);
            // What is unwanted because of quotas may be wanted as soon as something happens anywhere.
            let ask_all = attention.is_for_everybody() || !ledger.is_empty();
            let offers = self.offer(agents, Round { sorter: &mut sorter, ledger, ask_all, now });
            self.send_offers(offers);
        }
        self.sorter = sorter;
    }

    /// Whether an allocation would find anything new.
    pub(crate) fn wants_allocation(&mut self) -> bool {
        self.attention.is_wanted() || self.agents.is_changed()
    }

    /// The agents that are worth looking at. With quotas, what one role may have depends on what the others have, so
    /// whoever's wishes change, all are considered.
    fn to_be_shown(&self, changed: BTreeSet<Arc<str>>, attention: Attention) -> Vec<Arc<str>> {
        if attention.is_for_everybody() || (attention.is_wanted() && !self.sharing.quotas.is_empty()) {
            return self.agents.ids();
        }
        if attention.is_wanted() {
            return changed.union(self.agents.spare()).cloned().collect();
        }
        changed.into_iter().collect()
    }

    /// Make offers of these agents: one after the other, as there may be too many to have what is known of all of them at hand.
    fn offer(&mut self, agents: Vec<Arc<str>>, mut round: Round<'_>) -> BTreeMap<Arc<str>, Vec<Offer>> {
        if !self.seekers.is_empty() {
            round.sorter.refresh();
        }
        let mut offers: BTreeMap<Arc<str>, Vec<Offer>> = BTreeMap::new();
        for id in agents {
            let Some(seen) = self.consider(&id, &mut round) else { continue };
            self.agents.saw(&id, seen.spare, seen.answer, self.seekers.now());
            for grant in seen.grants {
                let framework = Arc::clone(&grant.framework);
                if let Some(offer) = self.make_offer(grant, round.now) {
                    offers.entry(framework).or_default().push(offer);
                }
            }
        }
        offers
    }

    /// Who gets what of this agent, if it can be used. Nothing but the round changes.
    fn consider(&self, id: &Arc<str>, round: &mut Round<'_>) -> Option<Seen> {
        let agent = self.agents.get(id).filter(|agent| agent.is_open() && self.in_use(id))?;
        let left = agent.free();
        if !worth_offering(&left) {
            let answer = if round.ask_all { Answer::Void } else { Answer::NotAsked };
            return Some(Seen { grants: Vec::new(), spare: false, answer });
        }
        let who = if round.ask_all { Who::All } else { agent.unwanted().whom_to_ask(&left, &self.seekers) };
        let mut stall = Stall { agent, left, who, refusals: self.filters.on(id) };
        let grants = self.deal(id, &mut stall, round);
        let Stall { left, who, .. } = stall;
        let spare = worth_offering(&left);
        let answer = if round.ledger.is_empty() {
            Answer::Asked { who, left, granted: !grants.is_empty() }
        } else {
            Answer::Void
        };
        Some(Seen { grants, spare, answer })
    }

    /// Grant what there is of an agent to whoever is next, until nobody wants what is left.
    fn deal(&self, id: &Arc<str>, stall: &mut Stall<'_>, round: &mut Round<'_>) -> Vec<Grant> {
        let mut grants = Vec::new();
        while let Some((leaf, part)) = self.next(round, stall) {
            let Some(Seeker { framework, role, .. }) = self.seekers.get(leaf) else { break };
            let resources = match part {
                Some(part) => {
                    stall.left.subtract(&part);
                    part
                }
                None => std::mem::take(&mut stall.left),
            };
            round.sorter.serve(leaf, &resources.amounts());
            round.ledger.spend(role, &resources.unreserved_amounts());
            let (framework, role) = (Arc::clone(framework), role.clone());
            grants.push(Grant { framework, role, agent: Arc::clone(id), resources });
        }
        grants
    }

    /// The framework has come, gone, woken up or fallen asleep in some role.
    pub(crate) fn place_seekers(&mut self, id: &str) {
        match self.frameworks.get(id).filter(|framework| framework.stream().is_some()) {
            Some(framework) => {
                self.seekers.place(id, &framework.info, framework.wishes(), &mut self.sorter);
            }
            None => self.seekers.remove(id),
        }
    }

    /// The framework may want what it did not want before.
    pub(crate) fn wake(&mut self, id: &str) {
        self.place_seekers(id);
        self.attention.somebody();
    }

    fn ledger(&self, sorter: &Sorter) -> Ledger {
        if self.sharing.quotas.is_empty() {
            return Ledger::default();
        }
        let (mut free, mut reserved) = (Amounts::default(), Vec::new());
        let usable = self.agents.iter().filter(|(id, agent)| agent.link().is_some() && self.in_use(id));
        for (_, agent) in usable {
            let pool = agent.free();
            free.add(&pool.unreserved_amounts());
            reserved.extend(pool.reserved_roles());
        }
        Ledger::new(&self.sharing.quotas, free, |role| {
            let mut consumed = sorter.taken_by(role);
            let below = format!("{role}/");
            for (_, amounts) in
                reserved.iter().filter(|(owner, _)| owner == role || owner.starts_with(&below))
            {
                consumed.add(amounts);
            }
            consumed
        })
    }

    /// Who is next on an agent, and with what; `None`: with all that is left. Who has not got what it was promised comes first.
    fn next(&self, round: &Round<'_>, stall: &Stall<'_>) -> Option<(Leaf, Option<Pool>)> {
        let (Stall { agent, who, left, refusals }, ledger) = (stall, &round.ledger);
        if self.seekers.is_empty() || !worth_offering(left) {
            return None;
        }
        let foreign = self.identity.is_foreign(agent.info.domain.as_ref());
        let gpus = agent.total().scalar("gpus") > 0.0;
        let reserved = left.has_reserved();
        let blocked = |leaf, offer: &Pool| refusals.block(leaf, offer, round.now);
        let mut found = None;
        let mut wants = |leaf, only_owed: bool| {
            let Some(seeker) = self.seekers.get(leaf) else { return false };
            let barred = (foreign && !seeker.region_aware)
                || (gpus && !seeker.uses_gpus)
                || seeker.agents.as_ref().is_some_and(|groups| !groups.admit(&agent.info));
            if barred || (only_owed && !ledger.is_owed(&seeker.role)) {
                return false;
            }
            if !reserved && ledger.is_empty() {
                // The frequent case: everybody would be offered the same.
                return !blocked(leaf, left);
            }
            let mut offer = left.available_to(&seeker.role);
            if !ledger.is_empty() {
                offer = offer.limited(ledger.allowed(&seeker.role));
            }
            let good = worth_offering(&offer) && !blocked(leaf, &offer);
            if good {
                found = Some(offer);
            }
            good
        };
        let owed = if ledger.is_empty() { None } else { round.first(who, |leaf| wants(leaf, true)) };
        let leaf = owed.or_else(|| round.first(who, |leaf| wants(leaf, false)))?;
        Some((leaf, found))
    }

    /// Offers to roles that have more than their quota allows, or that hold what others are promised.
    pub(crate) fn rescind_offers_beyond_quota(&mut self) {
        let quotas: BTreeSet<String> = self.sharing.quotas.keys().cloned().collect();
        let promised = self.sharing.quotas.values().any(|quota| !quota.guarantees.is_empty());
        let limited =
            |role: &str| quotas.iter().any(|quota| role == quota || role.starts_with(&format!("{quota}/")));
        let held = self.offers.ids_where(|offer| promised || limited(&offer.role));
        self.rescind(held);
    }
}

/// Whether there is enough for a task, or something of the role's own to use or give back.
fn worth_offering(offer: &Pool) -> bool {
    offer.scalar("cpus") >= MIN_CPUS || offer.scalar("mem") >= MIN_MEM || offer.has_reserved()
}

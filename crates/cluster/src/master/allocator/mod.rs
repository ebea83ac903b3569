//! Who is offered what. It runs after every event that may have freed something, not on a tick, and looks only at the
//! agents where something has changed, unless the event concerns all.
//!
//! An offer is the whole free rest of an agent for one role of one framework, as far as quota lets it. Whose turn it is
//! says the [`sorter`].

mod amounts;
mod quota;
mod sorter;

use std::collections::{BTreeMap, BTreeSet};

use cairn_mesos::v1::Offer;
use cairn_mesos::v1::framework_info::capability::Type as Capability;

pub(crate) use self::amounts::{Amounts, thousandths, whole};
use self::quota::Ledger;
pub(crate) use self::quota::Quota;
pub(crate) use self::sorter::Sorter;
use super::agent::Agent;
use super::core::Master;
use super::event::Time;
use super::framework::RoleState;
use super::pool::Pool;

/// Below both of these nothing is offered, unless some of it is reserved for the role.
const MIN_CPUS: f64 = 0.01;
const MIN_MEM: f64 = 32.0;

/// A framework in a role that may be offered something.
struct Seeker<'a> {
    framework: &'a str,
    role: &'a str,
    state: &'a RoleState,
    region_aware: bool,
    uses_gpus: bool,
}

/// What somebody is to be offered.
struct Grant {
    framework: String,
    role: String,
    agent: String,
    resources: Pool,
}

impl Master {
    /// Offer what is free to whoever is next and wants it.
    pub(crate) fn allocate(&mut self, now: Time) {
        let everywhere = std::mem::take(&mut self.allocation_wanted);
        let mut sorter = std::mem::take(&mut self.sorter);
        let changed = self.settle(&mut sorter);
        let agents = if everywhere { self.agents.keys().cloned().collect() } else { changed };
        let grants = if agents.is_empty() { Vec::new() } else { self.plan(&mut sorter, &agents, now) };
        self.sorter = sorter;
        let mut offers: BTreeMap<String, Vec<Offer>> = BTreeMap::new();
        for Grant { framework, role, agent, resources } in grants {
            if let Some(offer) = self.make_offer(&framework, &role, &agent, &resources, now) {
                offers.entry(framework).or_default().push(offer);
            }
        }
        self.send_offers(offers);
    }

    /// Whether an allocation would find anything new.
    pub(crate) fn wants_allocation(&self) -> bool {
        self.allocation_wanted || self.agents.values().any(Agent::is_changed)
    }

    /// Tell the sorter what has been taken and given back since the last time; the agents where that was.
    fn settle(&mut self, sorter: &mut Sorter) -> Vec<String> {
        let mut changed = Vec::new();
        for (id, agent) in self.agents.iter_mut().filter(|(_, agent)| agent.is_changed()) {
            agent.settle(sorter);
            changed.push(id.clone());
        }
        sorter.set_weights(&self.sharing.weights);
        changed
    }

    /// Who gets what of these agents. Nothing but the sorter changes.
    fn plan(&mut self, sorter: &mut Sorter, agents: &[String], now: Time) -> Vec<Grant> {
        self.counters.add("allocator/mesos/allocation_runs");
        let seekers = self.seekers(sorter);
        sorter.refresh();
        let mut ledger = self.ledger(sorter);
        let mut grants = Vec::new();
        for id in agents {
            let Some(agent) = self.agents.get(id).filter(|agent| agent.link().is_some()) else { continue };
            if !self.in_use(id) {
                continue;
            }
            let mut left = agent.free();
            while let Some((leaf, resources)) = self.next(sorter, &seekers, &ledger, (id, agent, &left), now)
            {
                let Some(seeker) = &seekers[Sorter::index(leaf)] else { break };
                sorter.serve(leaf, &resources.amounts());
                ledger.spend(seeker.role, &resources.unreserved_amounts());
                left.subtract(&resources);
                grants.push(Grant {
                    framework: seeker.framework.to_owned(),
                    role: seeker.role.to_owned(),
                    agent: id.clone(),
                    resources,
                });
            }
        }
        grants
    }

    /// Everybody who is connected and awake, by the number of its leaf.
    fn seekers(&self, sorter: &mut Sorter) -> Vec<Option<Seeker<'_>>> {
        let mut seekers = Vec::new();
        for (id, framework) in self.frameworks.iter().filter(|(_, framework)| framework.stream().is_some()) {
            for (role, state) in framework.roles.iter().filter(|(_, state)| !state.suppressed) {
                let leaf = Sorter::index(sorter.leaf(role, id));
                if leaf >= seekers.len() {
                    seekers.resize_with(sorter.size(), || None);
                }
                seekers[leaf] = Some(Seeker {
                    framework: id,
                    role,
                    state,
                    region_aware: framework.can(Capability::RegionAware),
                    uses_gpus: framework.can(Capability::GpuResources),
                });
            }
        }
        seekers.resize_with(sorter.size(), || None);
        seekers
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

    /// Who is next on an agent, and with what. Who has not got what it was promised comes first.
    fn next(
        &self,
        sorter: &Sorter,
        seekers: &[Option<Seeker<'_>>],
        ledger: &Ledger,
        (id, agent, left): (&str, &Agent, &Pool),
        now: Time,
    ) -> Option<(sorter::Leaf, Pool)> {
        if !worth_offering(left) {
            return None;
        }
        let foreign = self.identity.is_foreign(agent.info.domain.as_ref());
        let gpus = agent.total().scalar("gpus") > 0.0;
        let reserved = left.has_reserved();
        let mut found = None;
        let mut wants = |leaf, only_owed: bool| {
            let Some(seeker) = &seekers[Sorter::index(leaf)] else { return false };
            let barred = (foreign && !seeker.region_aware) || (gpus && !seeker.uses_gpus);
            if barred || (only_owed && !ledger.is_owed(seeker.role)) {
                return false;
            }
            if !reserved && ledger.is_empty() {
                // The frequent case: everybody would be offered the same.
                return !seeker.state.filters.blocks(id, left, now);
            }
            let mut offer = left.available_to(seeker.role);
            if !ledger.is_empty() {
                offer = offer.limited(ledger.allowed(seeker.role));
            }
            let good = worth_offering(&offer) && !seeker.state.filters.blocks(id, &offer, now);
            if good {
                found = Some(offer);
            }
            good
        };
        let first = if ledger.is_empty() { None } else { sorter.first(|leaf| wants(leaf, true)) };
        let leaf = first.or_else(|| sorter.first(|leaf| wants(leaf, false)))?;
        Some((leaf, found.unwrap_or_else(|| left.clone())))
    }

    /// Offers to roles that have more than their quota allows, or that hold what others are promised.
    pub(crate) fn rescind_offers_beyond_quota(&mut self) {
        let quotas: BTreeSet<String> = self.sharing.quotas.keys().cloned().collect();
        let promised = self.sharing.quotas.values().any(|quota| !quota.guarantees.is_empty());
        let limited =
            |role: &str| quotas.iter().any(|quota| role == quota || role.starts_with(&format!("{quota}/")));
        let held = self.offers.iter().filter(|(_, offer)| promised || limited(&offer.role));
        let held = held.map(|(id, _)| id.clone()).collect();
        self.rescind(held);
    }
}

/// Whether there is enough for a task, or something of the role's own to use or give back.
fn worth_offering(offer: &Pool) -> bool {
    offer.scalar("cpus") >= MIN_CPUS || offer.scalar("mem") >= MIN_MEM || offer.has_reserved()
}

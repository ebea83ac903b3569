//! Who is offered what. It runs after every event that may have freed something, not on a tick.
//!
//! An offer is the whole free rest of an agent for one role of one framework. Roles take turns by dominant
//! share (the larger of their shares of all cpus, memory and disk), then the frameworks of a role, then whoever has been
//! made fewer offers.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use cairn_mesos::v1::Offer;

use super::core::Master;
use super::event::Time;
use super::pool::Pool;

/// The scalars that count for shares.
const SHARED: [&str; 3] = ["cpus", "mem", "disk"];

/// Below both of these nothing is offered, unless some of it is reserved for the role.
const MIN_CPUS: f64 = 0.01;
const MIN_MEM: f64 = 32.0;

/// One framework in one role, and its place in the queue.
struct Candidate {
    framework: String,
    role: String,
    role_share: f64,
    framework_share: f64,
    offers_made: u64,
}

impl Candidate {
    fn order(&self, other: &Self) -> Ordering {
        self.role_share
            .total_cmp(&other.role_share)
            .then_with(|| self.framework_share.total_cmp(&other.framework_share))
            .then_with(|| self.offers_made.cmp(&other.offers_made))
            .then_with(|| self.framework.cmp(&other.framework))
            .then_with(|| self.role.cmp(&other.role))
    }
}

impl Master {
    /// Offer what is free to whoever is next and wants it.
    pub(crate) fn allocate(&mut self, now: Time) {
        if !self.anyone_waits() {
            return;
        }
        let mut offers: BTreeMap<String, Vec<Offer>> = BTreeMap::new();
        let connected = self.agents.iter().filter(|(_, agent)| agent.link().is_some());
        for agent in connected.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            while let Some((framework, role, resources)) = self.next_offer_on(&agent, now) {
                match self.make_offer(&framework, &role, &agent, &resources, now) {
                    Some(offer) => offers.entry(framework).or_default().push(offer),
                    None => break,
                }
            }
        }
        self.send_offers(offers);
    }

    fn anyone_waits(&self) -> bool {
        self.frameworks.values().any(|framework| {
            framework.stream().is_some() && framework.roles.values().any(|role| !role.suppressed)
        })
    }

    fn next_offer_on(&self, agent_id: &str, now: Time) -> Option<(String, String, Pool)> {
        let free = self.agents.get(agent_id)?.free();
        if free.is_empty() {
            return None;
        }
        let mut candidates = self.candidates(agent_id, &free, now);
        if candidates.len() > 1 {
            self.rank(&mut candidates);
        }
        candidates.into_iter().next().map(|(candidate, offer)| (candidate.framework, candidate.role, offer))
    }

    /// Every framework and role that would take something of what is free.
    fn candidates(&self, agent_id: &str, free: &Pool, now: Time) -> Vec<(Candidate, Pool)> {
        let mut candidates = Vec::new();
        for (id, framework) in self.frameworks.iter().filter(|(_, framework)| framework.stream().is_some()) {
            for (role, state) in framework.roles.iter().filter(|(_, state)| !state.suppressed) {
                let offer = free.available_to(role);
                if !worth_offering(&offer) || state.filters.blocks(agent_id, &offer, now) {
                    continue;
                }
                let candidate = Candidate {
                    framework: id.clone(),
                    role: role.clone(),
                    role_share: 0.0,
                    framework_share: 0.0,
                    offers_made: framework.offers_made,
                };
                candidates.push((candidate, offer));
            }
        }
        candidates
    }

    fn rank(&self, candidates: &mut [(Candidate, Pool)]) {
        let shares = Shares::new(self);
        for (candidate, _) in candidates.iter_mut() {
            candidate.role_share = shares.of_role(&candidate.role);
            candidate.framework_share = shares.of_framework(&candidate.role, &candidate.framework);
        }
        candidates.sort_by(|(left, _), (right, _)| left.order(right));
    }
}

/// Whether there is enough for a task, or something of the role's own to use or give back.
fn worth_offering(offer: &Pool) -> bool {
    offer.scalar("cpus") >= MIN_CPUS || offer.scalar("mem") >= MIN_MEM || offer.has_reserved()
}

/// How much of the cluster everybody has, used or on offer.
struct Shares {
    total: [f64; SHARED.len()],
    taken: BTreeMap<(String, String), [f64; SHARED.len()]>,
}

impl Shares {
    fn new(master: &Master) -> Self {
        let mut shares = Self { total: [0.0; SHARED.len()], taken: BTreeMap::new() };
        for agent in master.agents.values() {
            for (sum, name) in shares.total.iter_mut().zip(SHARED) {
                *sum += agent.total.scalar(name);
            }
            for (framework, taken) in agent.used.iter().chain(&agent.offered) {
                for (role, amounts) in taken.scalars_by_role(SHARED) {
                    let sums = shares.taken.entry((role, framework.clone())).or_default();
                    sums.iter_mut().zip(amounts).for_each(|(sum, amount)| *sum += amount);
                }
            }
        }
        shares
    }

    fn of_framework(&self, role: &str, framework: &str) -> f64 {
        self.taken.get(&(role.to_owned(), framework.to_owned())).map_or(0.0, |taken| self.dominant(taken))
    }

    fn of_role(&self, role: &str) -> f64 {
        let mut sum = [0.0; SHARED.len()];
        for ((_, _), taken) in self.taken.iter().filter(|((owner, _), _)| owner == role) {
            sum.iter_mut().zip(taken).for_each(|(sum, amount)| *sum += amount);
        }
        self.dominant(&sum)
    }

    fn dominant(&self, taken: &[f64; SHARED.len()]) -> f64 {
        let share = |(taken, total): (&f64, &f64)| if *total > 0.0 { taken / total } else { 0.0 };
        taken.iter().zip(&self.total).map(share).fold(0.0, f64::max)
    }
}

//! Answers every offer at once, and tells the master whether offers are wanted.

use std::collections::{BTreeMap, BTreeSet};

use cairn_mesos::v1;
use cairn_planted::planted;
use serde_json::json;

use super::company::peers_on;
use super::matching::{Demand, Fit, Refusal, Supply, fit};
use super::next::Next;
use super::planted::Bug;
use super::render::Stale;
use super::state::{Record, TaskRecord};
use super::{Core, Millis, Out, REFUSALS, job, live::Live, task};
use crate::{Phase, Placement, Wait};

/// Seconds for which a declined offer stays away while something is still wanted.
const SOON: f64 = 2.0;
/// While nothing is.
const LONG: f64 = 86_400.0;
/// After resources were given back: the next offer tells whether they are really gone.
const NOW: f64 = 0.1;

/// One that roams gives up its place when no offer has done for so long.
const ROAMS_AFTER: Millis = 30_000;

/// Pause before offers are asked for anew that did not hold a whole gang, or that may not have been asked for.
pub(crate) const REVIVE_AGAIN: Millis = 2_000;

/// What offers are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A task, with a place if there is none yet.
    Launch { placed: bool },
    /// Giving resources back.
    CleanUp,
}

/// What the master was last told.
#[derive(Debug, Default)]
pub(crate) struct Wants {
    wanted: BTreeMap<String, Purpose>,
    suppressed: bool,
    /// The next look is the first after a subscription: offers come without asking.
    fresh: bool,
}

impl Wants {
    /// A new subscription starts unsuppressed and without filters.
    pub(crate) fn fresh(&mut self) {
        *self = Self { fresh: true, ..Self::default() };
    }

    /// Some instance looks for a place.
    pub(crate) fn placing(&self) -> bool {
        self.wanted.values().any(|p| *p == Purpose::Launch { placed: false })
    }
}

/// What one offer is used for.
#[derive(Clone, Default)]
struct Use {
    fits: Vec<(String, Fit, Option<String>)>,
    cleanups: Vec<String>,
}

impl Core {
    /// Revives when something new is wanted, suppresses when nothing is.
    pub(crate) fn want_offers(&mut self, now: Millis, out: &mut Out) {
        let wanted: BTreeMap<String, Purpose> = self.purposes(now).into_iter().collect();
        let news = wanted.iter().any(|(name, purpose)| self.wants.wanted.get(name) != Some(purpose));
        let news = news && !(planted(Bug::NoRevive) && self.wants.suppressed);
        // Before offers are asked for, so that those that come are certain to show what is left.
        let leaving = wanted.iter().filter(|(_, purpose)| **purpose == Purpose::CleanUp);
        let records = leaving.filter_map(|(name, _)| self.state.instances.get(name)?.placement.as_ref());
        let question = self.doubt.question(records.map(|place| place.agent_id.as_str()));
        if !question.is_empty() {
            out.calls.push(task::reconcile(&question));
        }
        let again = self.revive_at.take_if(|at| *at <= now).is_some();
        self.wants.suppressed &= !again;
        if (news || again && !wanted.is_empty()) && !self.wants.fresh {
            out.calls.push(task::revive());
            self.wants.suppressed = false;
        } else if wanted.is_empty() && !self.wants.suppressed && !planted(Bug::NoSuppress) {
            out.calls.push(task::suppress());
            self.wants.suppressed = true;
        }
        self.wants.fresh = false;
        self.wants.wanted = wanted;
    }

    fn purposes(&self, now: Millis) -> Vec<(String, Purpose)> {
        let all: Vec<_> = self
            .names()
            .into_iter()
            .filter_map(|name| Some((name.clone(), self.purpose(&name, now)?)))
            .collect();
        self.whole_gangs(all)
    }

    fn purpose(&self, name: &str, now: Millis) -> Option<Purpose> {
        match self.need(name, now) {
            Next::CleanUp => Some(Purpose::CleanUp),
            // Its gate is asked first.
            Next::Launch if self.first_launch(name) => None,
            Next::Launch => {
                let placed = self.state.instances.get(name).is_some_and(Record::is_placed);
                match self.rendered.get(name)? {
                    Ok(_) => Some(Purpose::Launch { placed }),
                    Err(Wait::Peers(_)) if !placed => Some(Purpose::Launch { placed }),
                    Err(_) => None,
                }
            }
            Next::Nothing
            | Next::BackOff(_)
            | Next::Busy
            | Next::Verify(_)
            | Next::Disrupt(_)
            | Next::GivenUp
            | Next::Retire => None,
        }
    }

    /// Every offer gets its answer in this very step.
    pub(crate) fn offers(&mut self, offers: &[v1::Offer], now: Millis, out: &mut Out) {
        let mut supplies: Vec<Supply> = offers.iter().map(|offer| self.supply(offer)).collect();
        let holding: Vec<bool> = supplies.iter().map(|s| !s.own.is_empty()).collect();
        let mut uses: Vec<Use> = supplies.iter().map(|_| Use::default()).collect();
        self.give_up(&supplies, &mut uses);
        self.place_all(&mut supplies, &mut uses, now);
        self.render_stale();
        self.launch_placed(&mut uses, now);
        let idle = self.purposes(now).is_empty();
        for ((offer, used), holds) in offers.iter().zip(&uses).zip(holding) {
            if holds || !used.fits.is_empty() {
                self.doubt.answered(&offer.agent_id.value);
            }
            if planted(Bug::KeepOffers) && used.fits.is_empty() && used.cleanups.is_empty() {
                continue;
            }
            let refuse_seconds = match used.cleanups.is_empty() {
                false => NOW,
                true if planted(Bug::ShortFilters) => SOON,
                true if idle || planted(Bug::LongFilters) => LONG,
                true => SOON,
            };
            out.calls.push(self.answer(offer, used, refuse_seconds));
        }
    }

    fn supply(&self, offer: &v1::Offer) -> Supply {
        let mut supply = task::supply(offer, &self.setup.framework);
        supply.taken = self.taken.get(&supply.agent_id).cloned().unwrap_or_default();
        supply
    }

    /// Says for each offer what it is used for.
    fn place_all(&mut self, supplies: &mut Vec<Supply>, uses: &mut Vec<Use>, now: Millis) {
        let mut placed = BTreeSet::new();
        for (name, purpose) in self.purposes(now) {
            match purpose {
                Purpose::CleanUp => self.clean_up(&name, supplies, uses),
                Purpose::Launch { .. } if placed.contains(&name) => {}
                Purpose::Launch { .. } => match self.gang_to_launch(&name) {
                    None => {
                        self.place(&name, supplies, uses, now);
                    }
                    Some(gang) => {
                        self.place_gang(&gang, supplies, uses, now);
                        placed.extend(gang);
                    }
                },
            }
        }
    }

    /// Gives each placed instance its task, if it can be launched now.
    fn launch_placed(&mut self, uses: &mut [Use], now: Millis) {
        for used in uses {
            for (name, _, task_id) in &mut used.fits {
                if self.gang_is_rendered(name) {
                    *task_id = self.launch(name, now);
                }
            }
        }
    }

    /// Gives back what replaced instances have left on their former agents. Of a service that goes with its data, all
    /// that no record knows any more too: a master that failed may have forgotten that it was given back.
    fn give_up(&self, supplies: &[Supply], uses: &mut [Use]) {
        let all_goes = self.state.target.destroy == Some(true);
        for (supply, used) in supplies.iter().zip(uses) {
            let left = |name: &&String| {
                self.state.instances.get(*name).map_or(all_goes, |record| {
                    let lives_there =
                        record.placement.as_ref().is_some_and(|p| p.agent_id == supply.agent_id);
                    record.given_up.contains(&supply.agent_id) && !lives_there
                })
            };
            used.cleanups.extend(supply.own.keys().filter(left).cloned());
        }
    }

    fn clean_up(&mut self, name: &str, supplies: &[Supply], uses: &mut [Use]) {
        let Some(agent) =
            self.state.instances.get(name).and_then(|r| Some(r.placement.as_ref()?.agent_id.clone()))
        else {
            return;
        };
        let of_agent = || supplies.iter().zip(0..).filter(|(supply, _)| supply.agent_id == agent);
        let holding: Vec<usize> =
            of_agent().filter(|(s, _)| s.own.contains_key(name)).map(|(_, index)| index).collect();
        for index in &holding {
            uses[*index].cleanups.push(name.to_owned());
        }
        // What no offer of its agent holds, and no executor, is not reserved any more: nothing is left to give back.
        let bare = holding.is_empty() && of_agent().any(|(supply, _)| !supply.runs(name));
        if bare && self.doubt.is_over(&agent) {
            if let Some(record) = self.state.instances.get_mut(name) {
                record.placement = None;
            }
            self.forget_if_empty(name);
        }
    }

    /// All of a gang or none of it.
    fn place_gang(&mut self, gang: &[String], supplies: &mut Vec<Supply>, uses: &mut Vec<Use>, now: Millis) {
        let before = (supplies.clone(), uses.clone());
        let places: Vec<_> =
            gang.iter().map(|n| self.state.instances.get(n).and_then(|r| r.placement.clone())).collect();
        if gang.iter().all(|name| self.place(name, supplies, uses, now)) {
            return;
        }
        (*supplies, *uses) = before;
        for (name, place) in gang.iter().zip(places) {
            if let Some(record) = self.state.instances.get_mut(name) {
                record.placement = place;
            }
        }
        self.stale = Stale::Everybody;
        self.revive_at.get_or_insert(now + REVIVE_AGAIN);
    }

    /// Whether a place was found.
    fn place(&mut self, name: &str, supplies: &mut [Supply], uses: &mut [Use], now: Millis) -> bool {
        let Some(record) = self.state.instances.get(name) else { return false };
        let record = record.clone();
        let peers = self.peers(name);
        let peers: Vec<&Placement> = peers.iter().collect();
        let placement = record.placement.as_ref().filter(|_| !self.roams(name, now));
        let demand = Demand {
            spec: &record.spec,
            placement,
            deployed: record.deployed,
            peers: &peers,
            replaces: record.replaces.as_ref(),
        };
        let mut refusals = Vec::new();
        let mut order = by_load(supplies, &peers);
        // Where it was replaced, something was wrong: that agent only if no other will do. One that roams stays if it can.
        let (former, own) = (record.replaces.as_ref(), record.placement.as_ref());
        let is = |place: Option<&Placement>, index: usize| {
            place.is_some_and(|place| place.agent_id == supplies[index].agent_id)
        };
        order.sort_by_key(|index| (is(former, *index), !is(own, *index)));
        for index in order {
            if uses[index].cleanups.iter().any(|n| n == name) {
                continue;
            }
            let ids = &mut self.ids;
            match fit(&supplies[index], &demand, &mut |path| {
                format!("{name}.{}.{}", path.replace('/', "-"), ids())
            }) {
                Ok(found) => {
                    let company = peers_on(&supplies[index].agent_id, &peers);
                    if self.waits_for_room(&demand, company, supplies, now) {
                        refusals
                            .push((supplies[index].hostname.clone(), Refusal::Crowded { peers: company }));
                        break;
                    }
                    supplies[index].take(name, &found);
                    self.settle_down(name, &found);
                    uses[index].fits.push((name.to_owned(), found, None));
                    return true;
                }
                Err(refusal) => refusals.push((supplies[index].hostname.clone(), refusal)),
            }
        }
        self.note_refusals(name, &refusals, now);
        false
    }

    /// It waits for its place in vain, and any other will do.
    fn roams(&self, name: &str, now: Millis) -> bool {
        let spec = self.state.instances.get(name).map(|record| &record.spec);
        let since = self.live.get(name).and_then(|live| live.refused_since);
        spec.is_some_and(|spec| spec.roams && spec.volumes.is_empty())
            && since.is_some_and(|since| now.saturating_sub(since) >= ROAMS_AFTER)
    }

    fn settle_down(&mut self, name: &str, found: &Fit) {
        if let Some(record) = self.state.instances.get_mut(name)
            && record.placement.as_ref() != Some(&found.placement)
        {
            let left = record.placement.replace(found.placement.clone());
            record.given_up.extend(left.map(|place| place.agent_id));
            record.given_up.remove(&found.placement.agent_id);
            self.touch(name);
        }
        let live = self.live_mut(name);
        (live.refusal, live.refused_since) = (None, None);
    }

    fn peers(&self, name: &str) -> Vec<Placement> {
        let group = self.state.instances.get(name).map(|r| &r.spec.rolling.group);
        self.model
            .instances
            .iter()
            .filter(|i| i.name != name && Some(&i.rolling.group) == group)
            .filter_map(|i| self.state.instances.get(&i.name)?.placement.clone())
            .collect()
    }

    /// Records the task, if the instance can be launched now; the ACCEPT that carries it goes out after that is stored.
    fn launch(&mut self, name: &str, now: Millis) -> Option<String> {
        let fingerprint = match self.rendered.get(name)? {
            Ok(ready) => ready.fingerprint.clone(),
            Err(_) => return None,
        };
        let id = format!("{name}.{}", (self.ids)());
        let record = self.state.instances.get_mut(name)?;
        record.task = Some(TaskRecord {
            id: id.clone(),
            fingerprint,
            restart: record.restart,
            first: !record.deployed,
            ..TaskRecord::default()
        });
        if record.is_job() {
            job::note_start(record, &id, now);
        }
        self.touch(name);
        let live = self.live_mut(name);
        let (failures, last_task) = (live.failures, live.last_task.take());
        *live = Live { phase: Phase::Staging, heard: now, failures, last_task, ..Live::default() };
        Some(id)
    }

    fn answer(&self, offer: &v1::Offer, used: &Use, refuse_seconds: f64) -> v1::scheduler::Call {
        let mut operations = Vec::new();
        for name in &used.cleanups {
            operations.extend(task::give_back(offer, name));
        }
        for (name, found, _) in &used.fits {
            operations.extend(task::prepare(offer, &self.setup, name, found));
        }
        let launches: Vec<v1::TaskInfo> = used
            .fits
            .iter()
            .filter_map(|(name, found, id)| self.task_info(offer, name, found, id.as_deref()?))
            .collect();
        if !launches.is_empty() {
            operations.push(task::launch(launches));
        }
        if operations.is_empty() {
            task::decline(offer, refuse_seconds)
        } else {
            task::accept(offer, operations, refuse_seconds)
        }
    }

    fn task_info(&self, offer: &v1::Offer, name: &str, found: &Fit, id: &str) -> Option<v1::TaskInfo> {
        let spec = &self.state.instances.get(name)?.spec;
        let ready = self.rendered.get(name)?.as_ref().ok()?;
        Some(task::info(offer, &self.setup, spec, found, id, &ready.task))
    }

    fn note_refusals(&mut self, name: &str, refusals: &[(String, Refusal)], now: Millis) {
        if refusals.is_empty() {
            return;
        }
        let mut words: Vec<String> = refusals.iter().map(|(_, r)| r.to_string()).collect();
        words.dedup();
        let live = self.live_mut(name);
        live.refusal = Some(words.join("; "));
        live.refused_since.get_or_insert(now);
        for (hostname, refusal) in refusals {
            self.refusals.push(json!({
                "at_ms": now, "instance": name, "agent": hostname, "refusal": refusal, "text": refusal.to_string(),
            }));
        }
        let surplus = self.refusals.len().saturating_sub(REFUSALS);
        self.refusals.drain(..surplus);
    }
}

/// Agents with few of the peers first: instances spread by themselves.
fn by_load(supplies: &[Supply], peers: &[&Placement]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..supplies.len()).collect();
    order.sort_by(|a, b| {
        let key = |i: usize| (peers_on(&supplies[i].agent_id, peers), supplies[i].agent_id.clone());
        key(*a).cmp(&key(*b))
    });
    order
}

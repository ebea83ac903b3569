//! What frameworks do not want to be offered again for a while. There may be one for each framework on each agent, so they are
//! small, and stand where they are looked at: by agent. Whoever takes back what it has refused begins a new [`Lives`]; what is left of
//! the old one goes by and by, so that nobody has to look for it on all agents.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::allocator::{Leaf, Sorter};
use super::event::Time;
use super::pool::Pool;

/// How many filters of one seeker are kept for one agent; the oldest goes first.
const MAX_FILTERS: usize = 16;

/// How often a seeker has taken back all that it had refused, and whether it has refused anything since.
#[derive(Debug, Clone, Copy, Default)]
struct Life {
    number: u32,
    has_refused: bool,
}

#[derive(Debug, Clone, Default)]
struct Lives(Vec<Life>);

impl Lives {
    fn of(&self, seeker: Leaf) -> Life {
        self.0.get(Sorter::index(seeker)).copied().unwrap_or_default()
    }

    fn of_mut(&mut self, seeker: Leaf) -> &mut Life {
        let index = Sorter::index(seeker);
        if index >= self.0.len() {
            self.0.resize(index + 1, Life::default());
        }
        &mut self.0[index]
    }

    fn begin_another(&mut self, seeker: Leaf) {
        let life = self.of_mut(seeker);
        *life = Life { number: life.number.wrapping_add(1), has_refused: false };
    }
}

#[derive(Debug, Clone)]
struct Filter {
    /// The framework in a role that has refused.
    seeker: Leaf,
    /// In which of its lives that was.
    life: u32,
    refused: Arc<Pool>,
    until: Time,
}

impl Filter {
    fn counts(&self, lives: &Lives) -> bool {
        self.life == lives.of(self.seeker).number
    }
}

/// The filters on one agent.
#[derive(Debug, Clone, Default)]
struct OnAgent {
    /// By seeker, those of one seeker as they came; also some that do not count any more.
    filters: Vec<Filter>,
    /// What was refused last: most refuse the same, and share it.
    latest: Option<Arc<Pool>>,
    /// No filter ends before.
    next: Option<Time>,
}

impl OnAgent {
    fn place(&self, seeker: Leaf) -> std::ops::Range<usize> {
        let start = self.filters.partition_point(|filter| filter.seeker < seeker);
        let count = self.filters[start..].partition_point(|filter| filter.seeker == seeker);
        start..start + count
    }

    fn share(&mut self, refused: Pool) -> Arc<Pool> {
        match &self.latest {
            Some(latest) if **latest == refused => Arc::clone(latest),
            _ => Arc::clone(self.latest.insert(Arc::new(refused))),
        }
    }

    fn add(&mut self, seeker: Leaf, refused: Pool, until: Time, lives: &Lives) {
        self.make_room(lives);
        let place = self.place(seeker);
        let mut kept = self.filters[place.clone()].to_vec();
        kept.retain(|old| old.counts(lives) && (old.until > until || !refused.contains(&old.refused)));
        let oldest = kept.len().saturating_sub(MAX_FILTERS - 1);
        kept.drain(..oldest);
        kept.push(Filter { seeker, life: lives.of(seeker).number, refused: self.share(refused), until });
        drop(self.filters.splice(place, kept));
        self.next = Some(self.next.map_or(until, |next| next.min(until)));
    }

    /// Before more memory is taken, what does not count any more goes.
    fn make_room(&mut self, lives: &Lives) {
        if self.filters.len() == self.filters.capacity() {
            self.filters.retain(|filter| filter.counts(lives));
            self.filters.reserve_exact(1 + self.filters.len() / 8);
        }
    }

    /// Drop what has expired; of whom that was, as far as it counted.
    fn expire(&mut self, now: Time, lives: &Lives) -> Vec<Leaf> {
        let mut expired = Vec::new();
        self.filters.retain(|filter| {
            let counts = filter.counts(lives);
            if counts && filter.until <= now {
                expired.push(filter.seeker);
            }
            counts && filter.until > now
        });
        self.next = self.filters.iter().map(|filter| filter.until).min();
        expired
    }
}

/// What is refused on one agent, which is looked for as soon as it matters.
pub(crate) struct Refusals<'a> {
    filters: &'a Filters,
    agent: &'a str,
    here: OnceCell<Option<&'a OnAgent>>,
}

impl Refusals<'_> {
    /// Whether an offer of this would be no more than what the seeker has refused.
    pub(crate) fn block(&self, seeker: Leaf, offer: &Pool, now: Time) -> bool {
        let lives = &self.filters.lives;
        if !lives.of(seeker).has_refused {
            return false;
        }
        let Some(here) = self.here.get_or_init(|| self.filters.agents.get(self.agent)) else { return false };
        let filters = &here.filters[here.place(seeker)];
        let mut standing = filters.iter().filter(|filter| filter.until > now && filter.counts(lives));
        standing.any(|filter| filter.refused.contains(offer))
    }
}

/// All filters of all frameworks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filters {
    agents: HashMap<Arc<str>, OnAgent>,
    /// When to look at which agent; each that has filters is in it once.
    due: BTreeSet<(Time, Arc<str>)>,
    lives: Lives,
}

impl Filters {
    pub(crate) fn refuse(&mut self, seeker: Leaf, agent: &Arc<str>, refused: Pool, until: Time) {
        self.lives.of_mut(seeker).has_refused = true;
        let filters = self.agents.entry(Arc::clone(agent)).or_default();
        let before = filters.next;
        filters.add(seeker, refused, until, &self.lives);
        let after = filters.next;
        if before != after {
            self.postpone(agent, before, after);
        }
    }

    fn postpone(&mut self, agent: &Arc<str>, before: Option<Time>, after: Option<Time>) {
        if let Some(before) = before {
            self.due.remove(&(before, Arc::clone(agent)));
        }
        if let Some(after) = after {
            self.due.insert((after, Arc::clone(agent)));
        }
    }

    pub(crate) fn on<'a>(&'a self, agent: &'a str) -> Refusals<'a> {
        Refusals { filters: self, agent, here: OnceCell::new() }
    }

    /// Drop what has expired; the agents where that was, and of whom.
    pub(crate) fn expire(&mut self, now: Time) -> Vec<(Arc<str>, Vec<Leaf>)> {
        let mut expired = Vec::new();
        while let Some((due, agent)) = self.due.pop_first() {
            if due > now {
                self.due.insert((due, agent));
                break;
            }
            let Some(filters) = self.agents.get_mut(&agent) else { continue };
            let seekers = filters.expire(now, &self.lives);
            if !seekers.is_empty() {
                expired.push((Arc::clone(&agent), seekers));
            }
            match filters.next {
                Some(next) => drop(self.due.insert((next, agent))),
                None => drop(self.agents.remove(&agent)),
            }
        }
        expired.sort_unstable();
        expired
    }

    /// What the framework has refused in this role does not count any more.
    pub(crate) fn clear_of(&mut self, sorter: &Sorter, role: &str, framework: &str) {
        if let Some(seeker) = sorter.find(role, framework) {
            self.lives.begin_another(seeker);
        }
    }

    /// How many filters count, by who has refused.
    pub(crate) fn active(&self) -> BTreeMap<Leaf, usize> {
        let mut active = BTreeMap::new();
        let all = self.agents.values().flat_map(|here| &here.filters);
        for filter in all.filter(|filter| filter.counts(&self.lives)) {
            *active.entry(filter.seeker).or_default() += 1;
        }
        active
    }

    pub(crate) fn forget_agent(&mut self, agent: &str) {
        if let Some((agent, filters)) = self.agents.remove_entry(agent) {
            self.postpone(&agent, filters.next, None);
        }
    }

    pub(crate) fn next_expiry(&self) -> Option<Time> {
        self.due.first().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cairn_mesos::resources::Resources;

    use super::*;

    fn blocks(filters: &Filters, seeker: Leaf, agent: &str, offer: &Pool, now: Time) -> bool {
        filters.on(agent).block(seeker, offer, now)
    }

    fn cpus(cores: f64) -> Pool {
        Pool::from_list(Resources::cpus(cores).to_vec())
    }

    fn at(seconds: u64) -> Time {
        Duration::from_secs(seconds)
    }

    fn two() -> [Leaf; 2] {
        let mut sorter = Sorter::default();
        ["f", "g"].map(|framework| sorter.leaf("r", framework))
    }

    #[test]
    fn no_more_than_what_was_refused_is_blocked_for_whoever_refused_it() {
        let [one, other] = two();
        let agent: Arc<str> = "a".into();
        let mut filters = Filters::default();
        filters.refuse(one, &agent, cpus(2.0), at(5));
        assert!(
            blocks(&filters, one, "a", &cpus(2.0), at(4)) && !blocks(&filters, one, "a", &cpus(2.5), at(4))
        );
        assert!(
            !blocks(&filters, other, "a", &cpus(1.0), at(4))
                && !blocks(&filters, one, "b", &cpus(1.0), at(4))
        );
        filters.refuse(other, &agent, cpus(2.0), at(9));
        filters.lives.begin_another(one);
        assert!(
            !blocks(&filters, one, "a", &cpus(1.0), at(4)) && blocks(&filters, other, "a", &cpus(1.0), at(4))
        );
        filters.forget_agent("a");
        assert!(!blocks(&filters, other, "a", &cpus(1.0), at(4)) && filters.next_expiry().is_none());
    }

    #[test]
    fn filters_end_when_they_said_and_their_agents_are_named() {
        let [one, other] = two();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let mut filters = Filters::default();
        filters.refuse(one, &b, cpus(1.0), at(5));
        filters.refuse(other, &b, cpus(1.0), at(7));
        filters.refuse(one, &a, cpus(1.0), at(6));
        assert_eq!((filters.next_expiry(), filters.expire(at(4))), (Some(at(5)), vec![]));
        assert_eq!(filters.expire(at(6)), [(a, vec![one]), (Arc::clone(&b), vec![one])]);
        assert!(
            !blocks(&filters, one, "b", &cpus(1.0), at(5)) && blocks(&filters, other, "b", &cpus(1.0), at(6))
        );
        assert_eq!((filters.next_expiry(), filters.expire(at(7))), (Some(at(7)), vec![(b, vec![other])]));
        assert_eq!(filters.next_expiry(), None);
    }

    #[test]
    fn what_was_refused_before_it_was_taken_back_neither_counts_nor_expires() {
        let [one, other] = two();
        let agent: Arc<str> = "a".into();
        let mut filters = Filters::default();
        filters.refuse(one, &agent, cpus(2.0), at(5));
        filters.refuse(other, &agent, cpus(2.0), at(6));
        filters.lives.begin_another(one);
        filters.refuse(one, &agent, cpus(1.0), at(9));
        let block = |cores| blocks(&filters, one, "a", &cpus(cores), at(4));
        assert!(block(1.0) && !block(2.0));
        filters.lives.begin_another(other);
        assert_eq!(filters.expire(at(8)), []);
        assert_eq!(filters.expire(at(9)), [(agent, vec![one])]);
        assert!(filters.agents.is_empty());
    }

    #[test]
    fn what_does_not_count_any_more_does_not_pile_up() {
        let mut sorter = Sorter::default();
        let agent: Arc<str> = "a".into();
        let mut filters = Filters::default();
        for come in 0..1000 {
            let seeker = sorter.leaf("r", &format!("f{come}"));
            filters.refuse(seeker, &agent, cpus(1.0), at(1_000_000));
            filters.lives.begin_another(seeker);
        }
        assert!(filters.agents["a"].filters.capacity() < 10);
    }

    #[test]
    fn a_larger_and_longer_refusal_takes_the_place_of_a_smaller_one() {
        let [one, _] = two();
        let agent: Arc<str> = "a".into();
        let mut filters = Filters::default();
        let count = |filters: &Filters| filters.agents["a"].filters.len();
        filters.refuse(one, &agent, cpus(1.0), at(5));
        filters.refuse(one, &agent, cpus(2.0), at(6));
        assert_eq!(count(&filters), 1);
        filters.refuse(one, &agent, cpus(3.0), at(4));
        assert_eq!(count(&filters), 2);
        for more in 0..100 {
            filters.refuse(one, &agent, cpus(10.0 + f64::from(more)), at(100 - more as u64));
        }
        assert_eq!(count(&filters), MAX_FILTERS);
    }

    #[test]
    fn who_refuses_the_same_shares_it() {
        let [one, other] = two();
        let agent: Arc<str> = "a".into();
        let mut filters = Filters::default();
        filters.refuse(one, &agent, cpus(1.0), at(5));
        filters.refuse(other, &agent, cpus(1.0), at(5));
        let kept = &filters.agents["a"].filters;
        assert!(Arc::ptr_eq(&kept[0].refused, &kept[1].refused));
    }
}

//! The offers that are not answered yet, to be found by whom they were made to and where.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::event::Time;
use super::pool::Pool;

/// An offer that is not answered yet.
#[derive(Debug, Clone)]
pub(crate) struct OpenOffer {
    pub(crate) framework: Arc<str>,
    pub(crate) agent: Arc<str>,
    pub(crate) role: String,
    /// What is in it, without allocation.
    pub(crate) resources: Pool,
    pub(crate) expires: Option<Time>,
}

impl OpenOffer {
    /// What is in it, as allocated to the role.
    pub(crate) fn allocated(&self) -> Pool {
        self.resources.allocated_to(&self.role)
    }
}

/// Ids of offers by something that they have in common.
type Index = BTreeMap<Arc<str>, BTreeSet<Arc<str>>>;

/// All of them, by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenOffers {
    by_id: BTreeMap<Arc<str>, OpenOffer>,
    by_framework: Index,
    by_agent: Index,
    expiries: BTreeSet<(Time, Arc<str>)>,
}

impl OpenOffers {
    pub(crate) fn get(&self, id: &str) -> Option<&OpenOffer> {
        self.by_id.get(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn insert(&mut self, id: &str, offer: OpenOffer) {
        let id: Arc<str> = id.into();
        if let Some(expires) = offer.expires {
            self.expiries.insert((expires, Arc::clone(&id)));
        }
        self.by_framework.entry(Arc::clone(&offer.framework)).or_default().insert(Arc::clone(&id));
        self.by_agent.entry(Arc::clone(&offer.agent)).or_default().insert(Arc::clone(&id));
        self.by_id.insert(id, offer);
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<OpenOffer> {
        let (id, offer) = self.by_id.remove_entry(id)?;
        drop_from(&mut self.by_framework, &offer.framework, &id);
        drop_from(&mut self.by_agent, &offer.agent, &id);
        if let Some(expires) = offer.expires {
            self.expiries.remove(&(expires, id));
        }
        Some(offer)
    }

    /// The ids of those of which `matches` holds.
    pub(crate) fn ids_where(&self, matches: impl Fn(&OpenOffer) -> bool) -> Vec<Arc<str>> {
        self.by_id.iter().filter(|(_, offer)| matches(offer)).map(|(id, _)| Arc::clone(id)).collect()
    }

    pub(crate) fn ids_of(&self, framework: &str) -> Vec<Arc<str>> {
        self.by_framework.get(framework).into_iter().flatten().cloned().collect()
    }

    pub(crate) fn ids_on(&self, agent: &str) -> Vec<Arc<str>> {
        self.by_agent.get(agent).into_iter().flatten().cloned().collect()
    }

    /// What the framework is offered, with the ids.
    pub(crate) fn of(&self, framework: &str) -> impl Iterator<Item = (&Arc<str>, &OpenOffer)> {
        let ids = self.by_framework.get(framework).into_iter().flatten();
        ids.filter_map(|id| Some((id, self.by_id.get(id)?)))
    }

    /// What is offered of the agent.
    pub(crate) fn on(&self, agent: &str) -> impl Iterator<Item = &OpenOffer> {
        self.by_agent.get(agent).into_iter().flatten().filter_map(|id| self.by_id.get(id))
    }

    /// All, in the order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &OpenOffer> {
        self.by_id.values()
    }

    /// The ids of those that were not answered in time.
    pub(crate) fn ids_expired(&self, now: Time) -> Vec<Arc<str>> {
        let late = self.expiries.iter().take_while(|(expires, _)| *expires <= now);
        late.map(|(_, id)| Arc::clone(id)).collect()
    }

    pub(crate) fn next_expiry(&self) -> Option<Time> {
        self.expiries.first().map(|(expires, _)| *expires)
    }
}

fn drop_from(index: &mut Index, key: &str, id: &str) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn offer(framework: &str, agent: &str, expires: Option<u64>) -> OpenOffer {
        OpenOffer {
            framework: framework.into(),
            agent: agent.into(),
            role: "r".to_owned(),
            resources: Pool::default(),
            expires: expires.map(Duration::from_secs),
        }
    }

    #[test]
    fn an_offer_is_found_from_all_sides_until_it_is_answered() {
        let mut offers = OpenOffers::default();
        offers.insert("1", offer("f", "a", Some(5)));
        offers.insert("2", offer("g", "a", None));
        assert_eq!(
            (offers.ids_of("f"), offers.ids_on("a")),
            (vec!["1".into()], vec!["1".into(), "2".into()])
        );
        assert_eq!(offers.next_expiry(), Some(Duration::from_secs(5)));
        assert_eq!(offers.ids_expired(Duration::from_secs(5)), ["1".into()]);
        assert!(offers.remove("1").is_some() && offers.remove("1").is_none());
        assert_eq!((offers.ids_of("f"), offers.ids_on("a")), (vec![], vec!["2".into()]));
        assert_eq!((offers.of("f").count(), offers.of("g").count(), offers.on("a").count()), (0, 1, 1));
        assert_eq!((offers.next_expiry(), offers.len()), (None, 1));
    }
}

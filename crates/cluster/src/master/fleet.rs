//! The registered agents, and which of them are worth looking at when offers are made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::agent::Agent;
use super::allocator::{Answer, Moment, Sorter};
use super::pool::Pool;

/// An agent, and which of the lists below it is in.
#[derive(Debug, Clone)]
struct Berth {
    id: Arc<str>,
    agent: Agent,
    touched: bool,
    /// Whether it had something left when offers were last made.
    spare: bool,
}

/// Agents by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fleet {
    by_id: BTreeMap<Arc<str>, Berth>,
    /// Those that may have changed since the last time offers were made.
    touched: Vec<Arc<str>>,
    /// Those that had something left to offer then, which nobody wanted.
    spare: BTreeSet<Arc<str>>,
}

impl Fleet {
    pub(crate) fn get(&self, id: &str) -> Option<&Agent> {
        self.by_id.get(id).map(|berth| &berth.agent)
    }

    /// The agent, to be changed.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Agent> {
        let berth = self.by_id.get_mut(id)?;
        if !std::mem::replace(&mut berth.touched, true) {
            self.touched.push(Arc::clone(&berth.id));
        }
        Some(&mut berth.agent)
    }

    /// Take this off an agent for an offer, which is no reason to look at the agent again.
    pub(crate) fn offer(&mut self, id: &str, resources: &Pool) {
        if let Some(berth) = self.by_id.get_mut(id) {
            berth.agent.offer_more(resources);
        }
    }

    pub(crate) fn contains_key(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    /// The id as it is shared by those who refer to the agent.
    pub(crate) fn key(&self, id: &str) -> Option<Arc<str>> {
        self.by_id.get_key_value(id).map(|(id, _)| Arc::clone(id))
    }

    pub(crate) fn insert(&mut self, id: &str, agent: Agent) {
        let id: Arc<str> = id.into();
        self.touched.push(Arc::clone(&id));
        self.by_id.insert(Arc::clone(&id), Berth { id, agent, touched: true, spare: false });
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Agent> {
        self.spare.remove(id);
        self.by_id.remove(id).map(|berth| berth.agent)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Agent)> {
        self.by_id.iter().map(|(id, berth)| (id, &berth.agent))
    }

    pub(crate) fn ids(&self) -> Vec<Arc<str>> {
        self.by_id.keys().cloned().collect()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Agent> {
        self.by_id.values().map(|berth| &berth.agent)
    }

    /// Whether something has become free or taken since the last time offers were made.
    pub(crate) fn is_changed(&mut self) -> bool {
        let by_id = &mut self.by_id;
        self.touched.retain(|id| {
            by_id.get_mut(id).is_some_and(|berth| {
                berth.touched = berth.agent.is_changed();
                berth.touched
            })
        });
        !self.touched.is_empty()
    }

    /// Tell the sorter what has been taken and given back since the last time; the agents where that was.
    pub(crate) fn settle(&mut self, sorter: &mut Sorter) -> BTreeSet<Arc<str>> {
        let mut changed = BTreeSet::new();
        for id in std::mem::take(&mut self.touched) {
            let Some(berth) = self.by_id.get_mut(&id) else { continue };
            berth.touched = false;
            if berth.agent.is_changed() {
                berth.agent.settle(sorter);
                changed.insert(id);
            }
        }
        changed
    }

    /// The same, of what frameworks have taken and given back only; the agents still count as changed.
    pub(crate) fn settle_moves(&mut self, sorter: &mut Sorter) {
        for id in &self.touched {
            if let Some(berth) = self.by_id.get_mut(id) {
                berth.agent.settle_moves(sorter);
            }
        }
    }

    /// Those that have something to offer to whoever wants it now and did not before.
    pub(crate) fn spare(&self) -> &BTreeSet<Arc<str>> {
        &self.spare
    }

    /// The agent has been shown, and has something left that nobody wants, or not.
    pub(crate) fn saw(&mut self, id: &Arc<str>, spare: bool, answer: Answer, now: Moment) {
        let Some(berth) = self.by_id.get_mut(id) else { return };
        berth.agent.learn(answer, now);
        if std::mem::replace(&mut berth.spare, spare) == spare {
            return;
        }
        if spare {
            self.spare.insert(Arc::clone(id));
        } else {
            self.spare.remove(id);
        }
    }
}

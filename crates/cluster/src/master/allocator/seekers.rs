//! Who may be offered something: frameworks that are connected, in the roles in which they are awake.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use cairn_mesos::v1::FrameworkInfo;
use cairn_mesos::v1::framework_info::capability::Type as Capability;

use super::sorter::{Leaf, Sorter};
use crate::master::constraints::Groups;
use crate::master::framework::has_capability;

/// A point in the order of changes of wishes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// A framework in a role.
#[derive(Debug, Clone)]
pub(crate) struct Seeker {
    pub(crate) framework: Arc<str>,
    pub(crate) role: String,
    /// It can use agents of other regions.
    pub(crate) region_aware: bool,
    /// It can use agents with GPUs.
    pub(crate) uses_gpus: bool,
    /// Of which agents it wants to hear; `None`: of all.
    pub(crate) agents: Option<Arc<Groups>>,
    /// When its wishes may have changed last.
    changed: Moment,
}

/// All seekers, to be found by their places in the order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seekers {
    by_leaf: Vec<Option<Seeker>>,
    by_framework: BTreeMap<Arc<str>, Vec<Leaf>>,
    /// In the order in which their wishes have changed last.
    by_change: BTreeMap<Moment, Leaf>,
    now: Moment,
}

impl Seekers {
    /// The framework seeks offers in these roles and no others; each has its place in the order from now on. Its wishes may be
    /// others than before.
    pub(crate) fn place<'a>(
        &mut self,
        framework: &str,
        info: &FrameworkInfo,
        roles: impl Iterator<Item = (&'a String, Option<Arc<Groups>>)>,
        sorter: &mut Sorter,
    ) {
        self.remove(framework);
        let id: Arc<str> = framework.into();
        let mut leaves = Vec::new();
        for (role, agents) in roles {
            let leaf = sorter.leaf(role, framework);
            self.now.0 += 1;
            self.by_change.insert(self.now, leaf);
            let seeker = Seeker {
                framework: Arc::clone(&id),
                role: role.clone(),
                region_aware: has_capability(info, Capability::RegionAware),
                uses_gpus: has_capability(info, Capability::GpuResources),
                agents,
                changed: self.now,
            };
            let index = Sorter::index(leaf);
            if index >= self.by_leaf.len() {
                self.by_leaf.resize_with(index + 1, || None);
            }
            self.by_leaf[index] = Some(seeker);
            leaves.push(leaf);
        }
        if !leaves.is_empty() {
            self.by_framework.insert(id, leaves);
        }
    }

    /// The framework seeks nothing.
    pub(crate) fn remove(&mut self, framework: &str) {
        for leaf in self.by_framework.remove(framework).into_iter().flatten() {
            if let Some(seeker) = self.by_leaf[Sorter::index(leaf)].take() {
                self.by_change.remove(&seeker.changed);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_framework.is_empty()
    }

    pub(crate) fn get(&self, leaf: Leaf) -> Option<&Seeker> {
        self.by_leaf.get(Sorter::index(leaf)).and_then(Option::as_ref)
    }

    pub(crate) fn now(&self) -> Moment {
        self.now
    }

    /// Those whose wishes may have changed after this.
    pub(crate) fn changed_since(&self, moment: Moment) -> impl Iterator<Item = Leaf> {
        self.by_change.range((Bound::Excluded(moment), Bound::Unbounded)).map(|(_, leaf)| *leaf)
    }
}

#[cfg(test)]
mod tests {
    use cairn_mesos::v1::framework_info::Capability as Able;

    use super::*;

    #[test]
    fn a_framework_seeks_in_the_roles_of_the_last_time_only() {
        let (mut sorter, mut seekers) = (Sorter::default(), Seekers::default());
        let able = Able { r#type: Some(Capability::GpuResources as i32) };
        let info = FrameworkInfo { capabilities: vec![able], ..FrameworkInfo::default() };
        let [a, b] = ["a".to_owned(), "b".to_owned()];
        seekers.place("f", &info, [(&a, None), (&b, None)].into_iter(), &mut sorter);
        let (first, second) = (sorter.leaf("a", "f"), sorter.leaf("b", "f"));
        assert!(seekers.changed_since(Moment::default()).eq([first, second]));
        let before = seekers.now();
        assert!(seekers.get(first).is_some_and(|seeker| seeker.uses_gpus && !seeker.region_aware));
        seekers.place("f", &info, [(&b, None)].into_iter(), &mut sorter);
        let role = |leaf| seekers.get(leaf).map(|seeker| &*seeker.role);
        assert_eq!((role(first), role(second)), (None, Some("b")));
        assert!(seekers.changed_since(before).eq([second]));
        assert_eq!(seekers.changed_since(seekers.now()).next(), None);
        seekers.remove("f");
        assert!(seekers.is_empty() && seekers.get(second).is_none());
        assert_eq!(seekers.changed_since(Moment::default()).next(), None);
    }
}

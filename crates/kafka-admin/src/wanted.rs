//! A cluster as somebody wants it: what Kafka would make of that.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Mistake, Topic};

/// Highest id that a broker can be given; Kafka's own `reserved.broker.max.id` is 1000.
const MOST_ID: u32 = 999;

/// Where a cluster keeps its metadata.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Mode {
    /// In ZooKeeper.
    #[default]
    ZooKeeper,
    /// In the brokers themselves.
    KRaft,
}

/// A cluster as it should be.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Version of Kafka.
    pub version: &'a str,
    /// Where it keeps its metadata.
    pub mode: Mode,
    /// How many brokers it has.
    pub brokers: u32,
    /// Their ids.
    pub ids: BTreeSet<u32>,
    /// Ids of brokers that it may have later.
    pub idle: &'a BTreeSet<u32>,
    /// How many of its brokers are to be controllers too.
    pub controllers: Option<u32>,
    /// Topics that it is to have.
    pub topics: &'a BTreeMap<String, Topic>,
}

impl Wanted<'_> {
    /// Everything that is wrong with it, apart from the names of topics.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if let Some(id) = self.ids.iter().chain(self.idle).find(|id| **id > MOST_ID) {
            let help = "from 1000 on Kafka gives ids by itself";
            mistakes.push(Mistake::new("ids", format!("{id} is above {MOST_ID}"), Some(help)));
        }
        mistakes.extend(self.version());
        mistakes.extend(self.controllers());
        for (name, topic) in self.topics {
            let placed =
                |mistake: Mistake| Mistake { at: format!("topics.{name}.{}", mistake.at), ..mistake };
            mistakes.extend(topic.mistakes(self.brokers).into_iter().map(placed));
        }
        mistakes
    }

    /// Ids of the brokers that are controllers too, those with the lowest; in ZooKeeper none is.
    pub fn voters(&self) -> BTreeSet<u32> {
        let count = match self.controllers {
            _ if self.mode == Mode::ZooKeeper => 0,
            Some(count) => count as usize,
            None if self.ids.len() < 3 => 1,
            None => 3,
        };
        self.ids.iter().copied().take(count).collect()
    }

    fn version(&self) -> Option<Mistake> {
        let version = self.version;
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        let (what, help) = match (self.mode, major) {
            (_, None) => (format!("`{version}` is not a version"), None),
            (Mode::ZooKeeper, Some(4..)) => {
                let help = "set `mode: kraft`, or a version below 4";
                (format!("Kafka {version} does not run on ZooKeeper"), Some(help))
            }
            // The static quorum and its tools are those of 3.3 and later; 3.9 is the oldest that was tried.
            (Mode::KRaft, Some(..3)) => (format!("Kafka {version} has no KRaft"), None),
            _ => return None,
        };
        Some(Mistake::new("version", what, help))
    }

    fn controllers(&self) -> Option<Mistake> {
        let controllers = self.controllers?;
        if self.mode == Mode::ZooKeeper {
            return Some(Mistake::new("controllers", "only has a meaning with `mode: kraft`".into(), None));
        }
        let help = "an odd number, not more than there are brokers: 1, 3 or 5";
        let what = format!("{controllers} controllers among {} brokers", self.brokers);
        let odd = controllers % 2 == 1 && controllers <= self.brokers;
        (!odd).then(|| Mistake::new("controllers", what, Some(help)))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const WANTED: Wanted<'_> = Wanted {
        version: "4.1.0",
        mode: Mode::KRaft,
        brokers: 3,
        ids: BTreeSet::new(),
        idle: &BTreeSet::new(),
        controllers: None,
        topics: &BTreeMap::new(),
    };

    fn told(wanted: &Wanted<'_>) -> Vec<String> {
        wanted.mistakes().into_iter().map(|m| format!("{}: {}", m.at, m.what)).collect()
    }

    #[test]
    fn versions_have_their_modes() {
        assert!(told(&WANTED).is_empty());
        let told = |version, mode| told(&Wanted { version, mode, ..WANTED });
        assert_eq!(told("4.1.0", Mode::ZooKeeper), ["version: Kafka 4.1.0 does not run on ZooKeeper"]);
        assert_eq!(told("2.8.1", Mode::KRaft), ["version: Kafka 2.8.1 has no KRaft"]);
        assert_eq!(told("newest", Mode::KRaft), ["version: `newest` is not a version"]);
        assert!(told("3.9.1", Mode::ZooKeeper).is_empty() && told("3.9.1", Mode::KRaft).is_empty());
    }

    #[test]
    fn a_quorum_is_odd_and_among_the_brokers() {
        let quorum = |controllers, mode| {
            let version = "3.9.1";
            told(&Wanted { controllers: Some(controllers), mode, version, ..WANTED })
        };
        assert!(quorum(3, Mode::KRaft).is_empty() && quorum(1, Mode::KRaft).is_empty());
        assert_eq!(quorum(2, Mode::KRaft), ["controllers: 2 controllers among 3 brokers"]);
        assert_eq!(quorum(5, Mode::KRaft), ["controllers: 5 controllers among 3 brokers"]);
        assert_eq!(quorum(0, Mode::KRaft), ["controllers: 0 controllers among 3 brokers"]);
        assert_eq!(quorum(1, Mode::ZooKeeper), ["controllers: only has a meaning with `mode: kraft`"]);
    }

    #[test]
    fn voters_are_the_lowest_ids() {
        let voters = |ids: &[u32], controllers, mode| {
            let ids = ids.iter().copied().collect();
            Wanted { ids, controllers, mode, ..WANTED }.voters().into_iter().collect::<Vec<_>>()
        };
        assert_eq!(voters(&[0, 1], None, Mode::KRaft), [0]);
        assert_eq!(voters(&[2, 5, 7, 9], None, Mode::KRaft), [2, 5, 7]);
        assert_eq!(voters(&[0, 1, 2, 3], Some(1), Mode::KRaft), [0]);
        assert!(voters(&[0, 1, 2], None, Mode::ZooKeeper).is_empty());
    }

    #[test]
    fn ids_and_topics_are_told_with_their_places() {
        let topics = [("a".to_owned(), Topic { partitions: 0, ..Topic::default() })].into();
        let wanted = Wanted { ids: [5, 1000].into(), topics: &topics, ..WANTED };
        assert_eq!(told(&Wanted { idle: &[1001].into(), ..WANTED }), ["ids: 1001 is above 999"]);
        assert_eq!(
            told(&wanted),
            ["ids: 1000 is above 999", "topics.a.partitions: must be from 1 to 100000"]
        );
    }
}

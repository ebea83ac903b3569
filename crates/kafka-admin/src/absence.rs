//! May a broker be away for a while, and is it back? Judged from what the cluster shows. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Cluster, PartitionState, Quorum, listed};

/// `min.insync.replicas` in effect, by topic.
pub type MinIsr = BTreeMap<String, usize>;

impl Cluster {
    /// No partition's writers would be refused, or lose data, without a broker. Partitions that never had more copies than
    /// their minimum are exempt, see [`Self::unavailable_without`].
    ///
    /// # Errors
    /// The partitions that need it.
    pub fn can_miss(&self, broker: i32, min_isr: &MinIsr) -> Result<(), String> {
        let mut blocked = Vec::new();
        for (topic, number, p) in self.partitions_on(broker) {
            let min = min_isr.get(topic).copied().unwrap_or(1);
            let in_sync = p.isr.len();
            let would_fall = in_sync < min || (in_sync == min && p.isr.contains(&broker));
            if p.replicas.len() > min && would_fall {
                blocked.push(format!("{topic}-{number} (in sync: {:?}, minimum {min})", p.isr));
            }
        }
        match blocked.as_slice() {
            [] => Ok(()),
            [one] => Err(format!("without it a partition would fall under its minimum in sync: {one}")),
            all => Err(format!(
                "without it {} partitions would fall under their minimum in sync: {}",
                all.len(),
                listed(all)
            )),
        }
    }

    /// Partitions that will be unavailable while a broker is down, because they are not replicated well enough for anybody to
    /// wait for something better.
    pub fn unavailable_without(&self, broker: i32, min_isr: &MinIsr) -> Vec<String> {
        let weak = |topic: &str, copies: usize| copies <= min_isr.get(topic).copied().unwrap_or(1);
        names(self.partitions_on(broker).filter(|(topic, _, p)| weak(topic, p.replicas.len())))
    }

    /// A broker is part of the cluster, at this place, and has caught up with all it holds.
    ///
    /// # Errors
    /// What is not so yet.
    pub fn has_back(&self, broker: i32, endpoint: &str) -> Result<(), String> {
        match self.brokers.get(&broker) {
            None => return Err("the cluster does not list it yet".into()),
            Some(node) if node.endpoint != endpoint => {
                let theirs = &node.endpoint;
                return Err(format!("the cluster still knows it at {theirs}, not at {endpoint}"));
            }
            Some(_) => {}
        }
        if self.controller.is_none() {
            return Err("the cluster has no active controller yet".into());
        }
        let lagging = names(self.partitions_on(broker).filter(|(_, _, p)| !p.isr.contains(&broker)));
        match lagging.len() {
            0 => Ok(()),
            n => Err(format!("it is catching up with {n} partitions: {}", listed(&lagging))),
        }
    }

    /// All replicas on live brokers are in sync.
    ///
    /// # Errors
    /// Partitions where that is not so.
    pub fn is_whole(&self) -> Result<(), String> {
        let lags = |id: &i32, isr: &[i32]| self.brokers.contains_key(id) && !isr.contains(id);
        let lagging = self.partitions().filter(|(_, _, p)| p.replicas.iter().any(|id| lags(id, &p.isr)));
        let lagging = names(lagging);
        match lagging.len() {
            0 => Ok(()),
            n => Err(format!("{n} partitions are catching up: {}", listed(&lagging))),
        }
    }

    /// Partitions that a broker is the preferred leader of and does not lead, by topic.
    pub fn led_by_others(&self, broker: i32) -> BTreeMap<String, Vec<i32>> {
        let mut led: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for (topic, number, p) in self.partitions_on(broker) {
            if p.replicas.first() == Some(&broker) && p.leader != Some(broker) {
                led.entry(topic.to_owned()).or_default().push(number);
            }
        }
        led
    }
}

impl Quorum {
    /// Who votes.
    pub fn ids(&self) -> BTreeSet<i32> {
        self.voters.keys().copied().collect()
    }

    /// A majority of voters has everything that is committed, this one aside. A single voter is exempt: there is nobody to
    /// wait for.
    ///
    /// # Errors
    /// How many are caught up.
    pub fn can_miss(&self, voter: i32) -> Result<(), String> {
        if !self.voters.contains_key(&voter) || self.voters.len() == 1 {
            return Ok(());
        }
        if self.leader.is_none() {
            return Err("the controllers have no leader right now".into());
        }
        let caught_up = |(id, end): (&i32, &i64)| *id != voter && *end >= self.high_watermark;
        let others = self.voters.iter().filter(|v| caught_up(*v)).count();
        let (voters, needed) = (self.voters.len(), self.voters.len() / 2 + 1);
        if others >= needed {
            return Ok(());
        }
        Err(format!("{needed} of {voters} controllers have to be caught up without it, and {others} are"))
    }
}

/// `logs-3`.
pub(crate) fn names<'a>(partitions: impl Iterator<Item = (&'a str, i32, &'a PartitionState)>) -> Vec<String> {
    partitions.map(|(topic, number, _)| format!("{topic}-{number}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::cluster;

    fn min(entries: &[(&str, usize)]) -> MinIsr {
        entries.iter().map(|(t, n)| ((*t).to_owned(), *n)).collect()
    }

    fn told(result: Result<(), String>) -> String {
        result.err().unwrap_or_else(|| "go".into())
    }

    #[test]
    fn a_broker_stays_up_while_its_partitions_need_it() {
        let min2 = min(&[("a", 2), ("b", 2)]);
        let check =
            |partitions: &[&str], broker| told(cluster(&[0, 1, 2], partitions).can_miss(broker, &min2));
        assert_eq!(check(&["a: 0,1,2/0,1,2"], 0), "go");
        assert_eq!(
            check(&["a: 0,1,2/0,1"], 0),
            "without it a partition would fall under its minimum in sync: a-0 (in sync: [0, 1], minimum 2)"
        );
        assert_eq!(check(&["a: 0,1,2/0,1"], 2), "go", "it is out of sync anyway, and the others are enough");
        assert_ne!(check(&["a: 0,1,2/1"], 0), "go", "too few already, and it is on its way back");
        assert_eq!(check(&["a: 0,1,2/0"], 3), "go", "not its business");
        assert_eq!(check(&["a: 0,1/0,1"], 0), "go", "exempt: as many copies as the minimum");
        assert!(check(&["a: 0,1,2/0,1", "b: 0,1,2/0,1"], 0).contains("2 partitions"));
    }

    #[test]
    fn what_will_be_unavailable_is_named() {
        let cluster = cluster(&[0, 1], &["a: 0/0", "a: 0,1/0,1", "b: 0,1/0,1"]);
        assert_eq!(cluster.unavailable_without(0, &min(&[("b", 2)])), ["a-0", "b-0"]);
    }

    #[test]
    fn back_means_listed_at_its_place_and_caught_up() {
        let check =
            |brokers: &[i32], partitions: &[&str]| told(cluster(brokers, partitions).has_back(0, "h:0"));
        assert_eq!(check(&[0], &["a: 0,1/0"]), "go");
        assert_eq!(check(&[1], &[]), "the cluster does not list it yet");
        assert_eq!(check(&[0, 1], &["a: 0,1/1"]), "it is catching up with 1 partitions: a-0");
        assert!(told(cluster(&[0], &[]).has_back(0, "h:9")).contains("still knows it at h:0"));
    }

    #[test]
    fn whole_means_that_who_lives_is_in_sync() {
        assert_eq!(cluster(&[0, 1], &["a: 0,1,2/0,1"]).is_whole(), Ok(()), "2 does not live");
        let lagging = cluster(&[0, 1], &["a: 0,1/0"]).is_whole();
        assert_eq!(told(lagging), "1 partitions are catching up: a-0");
        let led = cluster(&[0, 1], &["a: 1,0/0,1", "a: 0,1/0,1"]);
        assert_eq!(led.led_by_others(1), [("a".to_owned(), vec![0])].into());
        assert!(led.led_by_others(0).is_empty());
    }

    #[test]
    fn a_majority_of_controllers_is_kept() {
        let quorum = |leader: i32, voters: &[(i32, i64)]| Quorum {
            leader: Some(leader).filter(|l| *l >= 0),
            voters: voters.iter().copied().collect(),
            high_watermark: 100,
        };
        let all = quorum(0, &[(0, 110), (1, 105), (2, 100)]);
        assert_eq!(all.can_miss(0), Ok(()));
        assert_eq!(all.can_miss(7), Ok(()), "a broker that does not vote");
        let lagging = quorum(0, &[(0, 110), (1, 105), (2, 9)]);
        assert_eq!(
            told(lagging.can_miss(1)),
            "2 of 3 controllers have to be caught up without it, and 1 are"
        );
        assert_eq!(lagging.can_miss(2), Ok(()));
        assert!(told(quorum(-1, &[(0, 1), (1, 1), (2, 1)]).can_miss(0)).contains("no leader"));
        assert_eq!(quorum(0, &[(0, 100)]).can_miss(0), Ok(()), "alone");
    }
}

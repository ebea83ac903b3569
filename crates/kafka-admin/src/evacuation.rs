//! A broker leaves for good only when it holds nothing any more: what is next for that, which is pure.

use std::collections::BTreeSet;

use crate::absence::names;
use crate::reassign::{Brokers, TooFew, current, drain};
use crate::{Assignment, Cluster, Ongoing, listed};

/// Partitions that are on the move at the same time: the rest waits, so that replication does not starve the clients.
const MOVES_AT_ONCE: usize = 50;

/// What to do next so that a broker gets rid of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evacuation {
    /// It holds nothing.
    Done,
    /// Nothing to do but wait, for this.
    Wait(String),
    /// Start these moves.
    Move(Vec<Assignment>, String),
    /// The others are too few for a topic.
    TooFew(TooFew),
    /// It cannot be done.
    Refuse(String),
}

/// Decides for broker `leaving`; `staying` are those that may inherit.
pub fn evacuation(
    cluster: &Cluster,
    ongoing: &[Ongoing],
    leaving: i32,
    staying: &BTreeSet<i32>,
) -> Evacuation {
    let held = cluster.partitions_on(leaving).count();
    let live = cluster.brokers.iter().filter(|(id, _)| staying.contains(id));
    let heirs: Brokers = live.map(|(id, node)| (*id, node.rack.clone())).collect();
    if held == 0 && !ongoing.iter().any(|o| o.adding.contains(&leaving)) {
        return Evacuation::Done;
    }
    if let Some(lost) = only_there(cluster, leaving) {
        return Evacuation::Refuse(lost);
    }
    let mut moves = match drain(&current(cluster, ongoing), leaving, &heirs) {
        Ok(moves) => moves,
        // A broker that is expected back may make the difference.
        Err(e) if heirs.len() < staying.len() => {
            return Evacuation::Wait(format!("{e}; {} are down", staying.len() - heirs.len()));
        }
        Err(e) => return Evacuation::TooFew(e),
    };
    let under_way = ongoing.iter().filter(|o| o.removing.contains(&leaving)).count();
    moves.truncate(MOVES_AT_ONCE.saturating_sub(under_way));
    if moves.is_empty() {
        return Evacuation::Wait(format!("its partitions are moving away: {held} left"));
    }
    let text = format!("moving its partitions away: {held} left");
    Evacuation::Move(moves, text)
}

/// Partitions that nobody else can be given, because the only copy is on a broker that is down.
fn only_there(cluster: &Cluster, leaving: i32) -> Option<String> {
    if cluster.brokers.contains_key(&leaving) {
        return None;
    }
    let alone = |isr: &[i32]| isr.iter().all(|id| *id == leaving);
    let lost = names(cluster.partitions_on(leaving).filter(|(_, _, p)| p.leader.is_none() && alone(&p.isr)));
    (!lost.is_empty()).then(|| {
        let names = listed(&lost);
        format!(
            "the only complete copy of {names} is on broker {leaving}, which is down; start it first, or delete the topics"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::cluster;

    fn evacuate(cluster: &Cluster, ongoing: &[Ongoing]) -> Evacuation {
        evacuation(cluster, ongoing, 0, &BTreeSet::from([1, 2]))
    }

    #[test]
    fn a_broker_leaves_when_it_holds_nothing() {
        assert_eq!(evacuate(&cluster(&[0, 1, 2], &["a: 1,2/1,2"]), &[]), Evacuation::Done);
        let holding = cluster(&[0, 1, 2], &["a: 0,1/0,1", "__consumer_offsets: 0/0"]);
        let Evacuation::Move(moves, text) = evacuate(&holding, &[]) else { panic!("moves") };
        assert_eq!(text, "moving its partitions away: 2 left");
        assert_eq!(moves.len(), 2, "internal topics too");
        assert!(moves.iter().all(|m| !m.replicas.contains(&0)));
        let ongoing = Ongoing { topic: "a".into(), partition: 0, adding: vec![2], removing: vec![0] };
        let moving = cluster(&[0, 1, 2], &["a: 2,1,0/0,1"]);
        assert_eq!(
            evacuate(&moving, &[ongoing]),
            Evacuation::Wait("its partitions are moving away: 1 left".into())
        );
    }

    #[test]
    fn a_removal_that_breaks_replication_has_too_few_brokers() {
        let full = cluster(&[0, 1, 2], &["a: 0,1,2/0,1,2"]);
        let Evacuation::TooFew(why) = evacuate(&full, &[]) else { panic!("refused") };
        assert_eq!((why.topic.as_str(), why.replication, why.brokers), ("a", 3, 2));
        let one_down = cluster(&[0, 1], &["a: 0,1/0,1"]);
        assert!(matches!(evacuate(&one_down, &[]), Evacuation::Wait(_)), "broker 2 may come back");
    }

    #[test]
    fn the_only_copy_is_not_abandoned() {
        let Evacuation::Refuse(why) = evacuate(&cluster(&[1, 2], &["a: 0/0"]), &[]) else {
            panic!("refused")
        };
        assert!(why.contains("the only complete copy of a-0 is on broker 0, which is down"), "{why}");
    }

    #[test]
    fn moves_go_in_portions() {
        let partitions = vec!["a: 0/0"; 80];
        let Evacuation::Move(moves, _) = evacuate(&cluster(&[0, 1, 2], &partitions), &[]) else {
            panic!("moves")
        };
        assert_eq!(moves.len(), 50);
    }
}

//! A broker leaves for good only when it holds nothing any more.

use std::collections::BTreeSet;

use cairn_kafka_client::reassign::{self, Brokers, current, drain};
use cairn_kafka_client::{Assignment, Cluster, Ongoing};

/// Partitions that are on the move at the same time: the rest waits, so that replication does not starve the clients.
const MOVES_AT_ONCE: usize = 50;

/// What to do next so that a broker gets rid of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Evacuation {
    /// It holds nothing.
    Done,
    /// Nothing to do but wait, for this.
    Wait(String),
    /// Start these moves.
    Move(Vec<Assignment>, String),
    /// It cannot be done.
    Refuse(String),
}

/// Decides for broker `leaving`; `staying` are those that may inherit.
pub(crate) fn evacuation(
    cluster: &Cluster,
    ongoing: &[Ongoing],
    leaving: i32,
    staying: &BTreeSet<i32>,
) -> Evacuation {
    let held = cluster.partitions_on(leaving).count();
    let heirs: Brokers = cluster
        .brokers
        .iter()
        .filter(|(id, _)| staying.contains(id))
        .map(|(id, n)| (*id, n.rack.clone()))
        .collect();
    if held == 0 && !ongoing.iter().any(|o| o.adding.contains(&leaving)) {
        return Evacuation::Done;
    }
    if let Some(lost) = only_there(cluster, leaving) {
        return Evacuation::Refuse(lost);
    }
    let all = current(cluster, ongoing);
    let mut moves = match drain(&all, leaving, &heirs) {
        Ok(moves) => moves,
        // A broker that is expected back may make the difference.
        Err(e) if heirs.len() < staying.len() => {
            return Evacuation::Wait(format!("{e}; {} are down", staying.len() - heirs.len()));
        }
        Err(e) => return Evacuation::Refuse(too_few(&e)),
    };
    let under_way = ongoing.iter().filter(|o| o.removing.contains(&leaving)).count();
    moves.truncate(MOVES_AT_ONCE.saturating_sub(under_way));
    if moves.is_empty() {
        return Evacuation::Wait(format!("its partitions are moving away: {held} left"));
    }
    let text = format!("moving its partitions away: {held} left");
    Evacuation::Move(moves, text)
}

fn too_few(error: &reassign::TooFew) -> String {
    let reassign::TooFew { topic, replication, brokers } = error;
    format!(
        "{error}; keep {replication} brokers, or lower its replication first: \
         PATCH /v1/topics/{topic} {{\"replication\": {brokers}}}"
    )
}

/// Partitions that nobody else can be given, because the only copy is on a broker that is down.
fn only_there(cluster: &Cluster, leaving: i32) -> Option<String> {
    if cluster.brokers.contains_key(&leaving) {
        return None;
    }
    let lost: Vec<String> = cluster
        .partitions_on(leaving)
        .filter(|(_, _, p)| p.leader.is_none() && p.isr.iter().all(|id| *id == leaving))
        .map(|(topic, number, _)| format!("{topic}-{number}"))
        .collect();
    (!lost.is_empty()).then(|| {
        let names = super::listed(&lost);
        format!("the only complete copy of {names} is on broker {leaving}, which is down; start it first, or delete the topics")
    })
}

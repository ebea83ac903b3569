//! KRaft: may a controller go down, and does the quorum have the voters that the configuration names?

use std::collections::BTreeSet;

use cairn_framework::Verdict;

use cairn_kafka_client::Quorum;

/// A majority of voters must have everything that is committed, this one aside. A single voter is exempt: there is
/// nobody to wait for.
pub(crate) fn controller(quorum: &Quorum, broker: i32) -> Verdict {
    if !quorum.voters.contains_key(&broker) || quorum.voters.len() == 1 {
        return Verdict::Go;
    }
    if quorum.leader.is_none() {
        return Verdict::Wait("the controllers have no leader right now".into());
    }
    let caught_up = |(id, end): (&i32, &i64)| *id != broker && *end >= quorum.high_watermark;
    let others = quorum.voters.iter().filter(|v| caught_up(*v)).count();
    let needed = quorum.voters.len() / 2 + 1;
    if others >= needed {
        return Verdict::Go;
    }
    let voters = quorum.voters.len();
    Verdict::Wait(format!(
        "{needed} of {voters} controllers have to be caught up without it, and {others} are"
    ))
}

/// The voters of a running quorum are not changed by restarts: new ones with empty logs could outvote the old.
pub(crate) fn same_voters(quorum: &Quorum, configured: &BTreeSet<u32>) -> Verdict {
    let wanted: BTreeSet<i32> = configured.iter().filter_map(|id| i32::try_from(*id).ok()).collect();
    let there: BTreeSet<i32> = quorum.voters.keys().copied().collect();
    if wanted == there {
        return Verdict::Go;
    }
    let n = there.len();
    Verdict::Refuse(format!(
        "the controllers of this cluster are {there:?}, and the configuration makes them {wanted:?}, which a running \
         cluster cannot take over; set `controllers: {n}` and keep those brokers"
    ))
}

/// A broker that votes cannot be removed.
pub(crate) fn not_a_voter(quorum: &Quorum, broker: i32) -> Verdict {
    if quorum.voters.contains_key(&broker) {
        return Verdict::Refuse(format!(
            "broker {broker} is a controller; only brokers that are none can be removed"
        ));
    }
    Verdict::Go
}

//! From a run that fails to a smaller one that fails in the same way.

use crate::fault::{Fault, Plan};
use crate::run;

/// Leaves out kinds of faults, then faults, requests and time, for as long as the same rule is broken.
pub fn shrink(plan: &Plan, rule: &str) -> Plan {
    let fails = |plan: &Plan| run(plan, false).violation.is_some_and(|v| v.rule == rule);
    let mut best = plan.clone();
    let happened = run(plan, false).faults;
    for fault in Fault::ALL {
        let mut smaller = best.clone();
        smaller.without.insert(fault);
        if fails(&smaller) {
            best = smaller;
        }
    }
    best.most_faults =
        least(best.most_faults.min(happened + 1), |n| fails(&Plan { most_faults: n, ..best.clone() }));
    best.most_requests = least(best.most_requests, |n| fails(&Plan { most_requests: n, ..best.clone() }));
    let seconds = least(best.span_ms / 1_000, |n| fails(&Plan { span_ms: n * 1_000, ..best.clone() }));
    let shorter = Plan { span_ms: seconds * 1_000, ..best.clone() };
    if fails(&shorter) { shorter } else { best }
}

/// A small number that still fails, at most `most`; `most` itself is known to.
fn least(most: u64, fails: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = low + (high - low) / 2;
        if fails(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    high
}

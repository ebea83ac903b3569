//! How long it took, by kind of fault, as a table for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::decide::Fault;

/// What became of one round.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What went wrong at the same time.
    pub faults: Vec<Fault>,
    /// From the end of the fault until all was as the file says and served; none if it never was.
    pub recovery: Option<Duration>,
}

/// The table, in Markdown. A pair counts in a row of its own.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut rows: BTreeMap<String, Vec<Option<Duration>>> = BTreeMap::new();
    for Outcome { faults, recovery } in outcomes {
        let kind = match faults.as_slice() {
            [one] => one.kind(),
            _ => "two at the same time".to_owned(),
        };
        rows.entry(kind).or_default().push(*recovery);
    }
    rows.insert("**all**".to_owned(), outcomes.iter().map(|outcome| outcome.recovery).collect());
    let mut text =
        String::from("| fault | count | recovered | median, s | worst, s |\n|---|---|---|---|---|\n");
    for (kind, recoveries) in rows {
        let mut times: Vec<Duration> = recoveries.iter().flatten().copied().collect();
        times.sort_unstable();
        let seconds =
            |time: Option<&Duration>| time.map_or("–".into(), |t| format!("{:.1}", t.as_secs_f64()));
        let (median, worst) = (seconds(times.get(times.len() / 2)), seconds(times.last()));
        let _ = writeln!(text, "| {kind} | {} | {} | {median} | {worst} |", recoveries.len(), times.len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::decide::{Blow, Target};

    #[test]
    fn what_did_not_recover_counts_as_such() {
        let faults = vec![Fault { target: Target::Master, blow: Blow::Kill, lasts: Duration::ZERO }];
        let outcome = |recovery: Option<u64>| Outcome {
            faults: faults.clone(),
            recovery: recovery.map(Duration::from_secs),
        };
        let text = table(&[outcome(Some(3)), outcome(None), outcome(Some(9)), outcome(Some(5))]);
        assert!(text.contains("| SIGKILL master | 4 | 3 | 5.0 | 9.0 |"), "{text}");
    }
}

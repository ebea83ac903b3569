//! What one framework has said, been told and done, for metrics.

use std::collections::BTreeMap;

use cairn_mesos::v1::TaskState;
use cairn_mesos::v1::offer::operation;
use cairn_mesos::v1::scheduler::{call, event};

use crate::master::framework::Framework;
use crate::metric::number;
use crate::terminal::is_terminal;

/// Counts since the framework was first heard of by this master; those by kind stand under the number of the kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    calls: BTreeMap<i32, u64>,
    events: BTreeMap<i32, u64>,
    operations: BTreeMap<i32, u64>,
    ends: BTreeMap<i32, u64>,
    pub(crate) sent: u64,
    pub(crate) accepted: u64,
    pub(crate) declined: u64,
    pub(crate) rescinded: u64,
}

impl Tally {
    pub(crate) fn call(&mut self, kind: call::Type) {
        *self.calls.entry(kind as i32).or_default() += 1;
    }

    pub(crate) fn event(&mut self, kind: event::Type) {
        *self.events.entry(kind as i32).or_default() += 1;
    }

    pub(crate) fn operations(&mut self, kind: operation::Type, count: usize) {
        *self.operations.entry(kind as i32).or_default() += count as u64;
    }

    /// A task has come to this end.
    pub(crate) fn end(&mut self, state: TaskState) {
        *self.ends.entry(state as i32).or_default() += 1;
    }
}

/// The metrics of a framework: what comes after the prefix of its names, and how much.
pub(super) fn metrics_of(framework: &Framework, prefix: &str, into: &mut BTreeMap<String, f64>) {
    let tally = &framework.tally;
    let mut put = |name: String, count: u64| {
        into.insert(format!("{prefix}/{name}"), number(count));
    };
    put("subscribed".to_owned(), u64::from(framework.stream().is_some()));
    let offers = [
        ("sent", tally.sent),
        ("accepted", tally.accepted),
        ("declined", tally.declined),
        ("rescinded", tally.rescinded),
    ];
    offers.into_iter().for_each(|(name, count)| put(format!("offers/{name}"), count));
    let kinds = [
        ("calls", &tally.calls, names(|kind| call::Type::try_from(kind).ok().map(|kind| kind.as_str_name()))),
        (
            "events",
            &tally.events,
            names(|kind| event::Type::try_from(kind).ok().map(|kind| kind.as_str_name())),
        ),
        (
            "operations",
            &tally.operations,
            names(|kind| operation::Type::try_from(kind).ok().map(|kind| kind.as_str_name())),
        ),
    ];
    for (group, counts, names) in kinds {
        put(group.to_owned(), counts.values().sum());
        for (kind, name) in names.into_iter().filter(|(kind, _)| *kind != 0) {
            put(format!("{group}/{name}"), counts.get(&kind).copied().unwrap_or(0));
        }
    }
    let mut active: BTreeMap<i32, u64> = BTreeMap::new();
    framework.tasks.states().for_each(|state| *active.entry(state as i32).or_default() += 1);
    active.insert(TaskState::TaskUnreachable as i32, framework.unreachable.len() as u64);
    for (state, name) in names(|state| TaskState::try_from(state).ok().map(|state| state.as_str_name())) {
        let over = TaskState::try_from(state).is_ok_and(is_terminal);
        let (group, counts) = if over { ("terminal", &tally.ends) } else { ("active", &active) };
        put(format!("tasks/{group}/{name}"), counts.get(&state).copied().unwrap_or(0));
    }
    for (role, state) in &framework.roles {
        put(format!("roles/{role}/suppressed"), u64::from(state.suppressed));
    }
}

/// The kinds that the protocol knows, numbered from 0 with gaps, and their names in small letters.
pub(super) fn names(name: impl Fn(i32) -> Option<&'static str>) -> Vec<(i32, String)> {
    /// No enumeration that is counted goes further.
    const LAST: i32 = 64;
    (0..=LAST).filter_map(|kind| Some((kind, name(kind)?.to_lowercase()))).collect()
}

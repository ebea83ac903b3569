//! What goes together within a group, and between groups.

use std::collections::{BTreeMap, BTreeSet};

use cairn_units::{Schedule, suggest};

use super::text::Stage;
use super::{Checker, Mistake};
use crate::Job;
use crate::engine::is_template;
use crate::model::Group;

impl Checker<'_> {
    pub(super) fn after(&mut self, name: &str, group: &Group) {
        for (index, other) in group.after.iter().enumerate() {
            if !self.definition.groups.contains_key(other) {
                let index = index.to_string();
                self.unknown_group(&["groups", name, "after", &index], other);
            }
        }
    }

    pub(super) fn unknown_group(&mut self, path: &[&str], group: &str) -> &mut Mistake {
        let help = suggest::hint(group, "groups", self.definition.groups.keys().map(String::as_str));
        let mistake =
            self.tell(path, "unknown-group", format!("there is no group `{group}`"), "not under `groups`");
        mistake.help = help;
        mistake
    }

    pub(super) fn schedule(&mut self, name: &str, group: &Group) {
        let Some(schedule) = &group.schedule else { return };
        let path = ["groups", name, "schedule"];
        if !is_template(&schedule.0)
            && let Err(error) = schedule.0.parse::<Schedule>()
        {
            let message = format!("`{}` is not a schedule: {}", schedule.0, error.reason);
            self.tell(&path, "bad-schedule", message, "").help = Some(error.help);
        }
        self.text(&path, &schedule.0, Stage::Plan);
    }

    /// What does not go together.
    pub(super) fn kind(&mut self, name: &str, group: &Group) {
        let keys = [
            ("schedule", group.schedule.is_some()),
            ("overlap", group.overlap.is_some()),
            ("missed", group.missed.is_some()),
        ];
        let timing = keys.into_iter().find(|(_, set)| *set).map(|(key, _)| key);
        let mut refuse = |key: &'static str, message: &str| {
            self.tell(&["groups", name, key], "bad-combination", message.to_owned(), "");
        };
        if group.retries.is_some() && group.job.is_none() && group.gang.is_none() {
            refuse("retries", "only jobs and gangs give up: a service is started anew for ever");
        }
        if group.job.is_some() && group.max_unavailable.is_some() {
            refuse("max_unavailable", "a job is not changed one task after the other");
        }
        if let Some(key) = timing.filter(|_| group.job != Some(Job::Timed)) {
            refuse(key, "only jobs with `job: timed` have times");
        }
        if group.job == Some(Job::Timed) && group.schedule.is_none() {
            refuse("job", "a timed job needs a `schedule`, for example `0 3 * * *`");
        }
        if group.job == Some(Job::Timed) && group.gang.is_some() {
            refuse("gang", "a gang starts when it can, not at a time");
        }
        if group.external && !is_template(&group.count.0) && group.count.0 != "1" {
            refuse("count", "a scheduler of its own is one task: two would take turns at being thrown out");
        }
        if group.external && (group.job.is_some() || group.gang.is_some()) {
            refuse("external", "a scheduler of its own is neither a job nor part of a gang");
        }
    }

    /// Groups that wait for each other: by `after`, because one needs the places of the other, or because both start
    /// together. Without an `after` among them nobody waits for long.
    pub(super) fn cycles(&mut self) {
        let groups = &self.definition.groups;
        let waits: BTreeMap<&str, BTreeSet<String>> =
            groups.iter().map(|(name, group)| (name.as_str(), needed(name, group, groups))).collect();
        for (name, group) in groups {
            for (index, other) in group.after.iter().enumerate() {
                let mut seen: BTreeSet<&str> = BTreeSet::new();
                let mut next = vec![other.as_str()];
                while let Some(one) = next.pop() {
                    if seen.insert(one) {
                        next.extend(waits.get(one).into_iter().flatten().map(String::as_str));
                    }
                }
                if seen.contains(name.as_str()) {
                    let index = index.to_string();
                    let message = format!("`{name}` waits for `{other}`, which waits for `{name}`");
                    let help = "by `after`, by `peers` in a text, or because they are one gang".to_owned();
                    self.tell(&["groups", name, "after", &index], "cycle", message, "").help = Some(help);
                }
            }
        }
    }
}

/// Groups without which a group does not start.
fn needed(name: &str, group: &Group, groups: &BTreeMap<String, Group>) -> BTreeSet<String> {
    let mut needed: BTreeSet<String> = group.after.iter().cloned().collect();
    needed.extend(group.peers(groups));
    if group.gang.is_some() {
        needed.extend(
            groups.iter().filter(|(_, other)| other.gang == group.gang).map(|(name, _)| name.clone()),
        );
    }
    needed.remove(name);
    needed
}

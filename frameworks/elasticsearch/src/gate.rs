//! What is safe when. Pure: from what the cluster says of itself to a verdict, or to what must be done first.
//!
//! Each rule has a name, which stands in the reason and by which an operator can switch it off.

use std::collections::BTreeSet;

use cairn_framework::kit::Decided;
use cairn_framework::{Action, Ask, Moment, View};

use crate::options::{Options, Predicate};
use crate::survey::{Copy, Member, Survey};

/// What a gate can do about the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Only primaries are placed while a node is away, and what is in memory is written.
    HoldReplicas,
    /// All copies are placed again.
    ReleaseReplicas,
    /// Exactly these nodes get no shards.
    Exclude(BTreeSet<String>),
    /// The node gives its vote back.
    TakeVote(String),
    /// All nodes may vote again.
    GiveVotes,
    /// Tell why this copy does not leave its node, one of so many.
    Explain(Copy, usize),
}

type Decision = cairn_framework::kit::Decision<Act>;

const GO: Decision = Decision::GO;
/// Value of the setting that lets replicas wait.
const PRIMARIES: &str = "primaries";

/// One judgement: the cluster and what holds for it.
struct Judge<'a> {
    options: &'a Options,
    view: &'a View,
    survey: &'a Survey,
}

/// Judges a step. `survey` is an error while there is no elected master.
pub(crate) fn decide(ask: &Ask, options: &Options, survey: Result<&Survey, String>) -> Decision {
    let name = ask.instance.as_str();
    let survey = match survey {
        Ok(survey) => survey,
        // Nothing that could be hurt is there: a cluster that cannot come up can still be corrected.
        Err(_) if ask.moment == Moment::Before && ask.action != Action::Remove => return GO,
        Err(_) if ask.action == Action::Remove && ask.moment == Moment::After => return GO,
        Err(_) if ask.moment == Moment::After && ask.action == Action::Stop => return GO,
        Err(reason) => return Decision::wait(reason),
    };
    let judge = Judge { options, view: &ask.view, survey };
    let decided = match (ask.moment, ask.action) {
        (Moment::Before, Action::Launch) | (Moment::After, Action::Stop) => Ok(GO),
        (Moment::Before, Action::Restart) => judge.restart(name),
        (Moment::Before, Action::Stop) => judge.stop(name),
        (Moment::Before, Action::Remove) => judge.remove(name),
        (Moment::After, Action::Remove) => judge.removed(name),
        (Moment::After, Action::Launch | Action::Restart) => judge.arrived(name),
    };
    decided.into()
}

/// Whether all is well, and what was left behind by a step that was interrupted.
pub(crate) fn settle(options: &Options, view: &View, survey: Result<&Survey, String>) -> Decision {
    match survey {
        Ok(survey) => Judge { options, view, survey }.settled().into(),
        Err(reason) => Decision::wait(reason),
    }
}

impl Judge<'_> {
    /// A rule that says no, unless it is switched off, which is logged.
    fn rule(&self, rule: Predicate, holds: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
        if holds {
            return Ok(());
        }
        let name = rule.name();
        if self.options.ignore.contains(&rule) {
            tracing::warn!(rule = name, reason = reason(), "a rule that is switched off would have said no");
            return Ok(());
        }
        Err(format!("{name}: {}", reason()))
    }

    fn restart(&self, name: &str) -> Decided<Act> {
        let Some(member) = self.survey.member(name) else { return Ok(GO) };
        self.all_present(name)?;
        self.healthy()?;
        let moving = self.survey.moving();
        self.rule(Predicate::NoMoves, moving == 0, || format!("{moving} shards are on their way"))?;
        self.copies_elsewhere(name)?;
        self.master_last(member, |other| self.view.restarts(other))?;
        if self.survey.voters.len() > 2 {
            self.quorum(member)?;
        }
        // An operator who holds back more than that has his reasons.
        let held = self.survey.allocation.as_deref().is_some_and(|which| which != "all");
        Ok(if held { GO } else { Decision::Do(Act::HoldReplicas) })
    }

    /// An operator wants it stopped, and stopped it stays.
    fn stop(&self, name: &str) -> Decided<Act> {
        let Some(member) = self.survey.member(name) else { return Ok(GO) };
        if self.survey.members.len() > 1 {
            self.healthy()?;
            self.copies_elsewhere(name)?;
            self.quorum(member)?;
        }
        Ok(GO)
    }

    /// It is back, or new.
    fn arrived(&self, name: &str) -> Decided<Act> {
        self.survey.member(name).ok_or("it has not joined the cluster yet")?;
        if let Some(act) = self.left_behind(&[name]) {
            return Ok(Decision::Do(act));
        }
        self.healthy().map(|()| GO)
    }

    fn remove(&self, name: &str) -> Decided<Act> {
        if self.view.target.is_empty() {
            return Ok(GO);
        }
        let Some(member) = self.survey.member(name) else {
            self.no_red(|| "and it may hold the only copies".into())?;
            return Ok(GO);
        };
        if member.master && !self.staying().any(|m| m.master) {
            return Err("no node would be left that may be elected: add one first".into());
        }
        if let Some(waiting) = self.drained(name)? {
            return Ok(waiting);
        }
        if !member.master {
            return Ok(GO);
        }
        self.master_last(member, |other| {
            !self.view.stays(other) && self.survey.member(other).is_some_and(|m| m.master)
        })?;
        let other = self.survey.voteless.iter().find(|n| *n != name && self.survey.member(n).is_some());
        if let Some(other) = other {
            return Err(format!("{other} leaves first: one vote at a time"));
        }
        if !self.survey.voteless.contains(name) {
            return Ok(Decision::Do(Act::TakeVote(name.to_owned())));
        }
        Ok(if self.survey.voters.contains(&member.id) {
            Decision::wait("its vote is still counted")
        } else {
            GO
        })
    }

    /// Nothing on the node that is not elsewhere, and nothing comes.
    fn drained(&self, name: &str) -> Result<Option<Decision>, String> {
        let room = self.staying().filter(|m| m.data).count();
        let copies =
            |c: &Copy| self.survey.copies.iter().filter(|o| o.same_shard(c) && o.is_started()).count();
        let tight = self.survey.copies_on(name).find(|c| copies(c) > room);
        self.rule(Predicate::ReplicasFit, tight.is_none(), || {
            tight.map_or_else(String::new, |c| {
                let (index, copies) = (&c.index, copies(c));
                format!("{index} has {copies} copies and {room} nodes with data would be left: lower its number_of_replicas")
            })
        })?;
        let mut wanted: BTreeSet<String> =
            self.survey.excluded.iter().filter(|n| !self.view.target.contains(n)).cloned().collect();
        wanted
            .extend(self.survey.members.iter().filter(|m| self.view.leaves(&m.name)).map(|m| m.name.clone()));
        if wanted != self.survey.excluded {
            return Ok(Some(Decision::Do(Act::Exclude(wanted))));
        }
        // A replica that fits nowhere else, since its like are everywhere, may be lost.
        let spare = |c: &Copy| copies(c) > room && self.survey.others(c).any(|o| self.is_safe(o));
        let left: Vec<&Copy> = self.survey.copies_on(name).filter(|c| !spare(c)).collect();
        Ok(left.first().map(|first| match self.survey.moving() {
            0 => Decision::Do(Act::Explain((*first).clone(), left.len())),
            moving => Decision::wait(format!(
                "draining: {} of its shards are left, {moving} on their way",
                left.len()
            )),
        }))
    }

    fn is_safe(&self, copy: &Copy) -> bool {
        copy.is_started() && copy.node.as_deref().is_some_and(|n| self.view.stays(n))
    }

    fn removed(&self, name: &str) -> Decided<Act> {
        if self.view.target.is_empty() {
            return Ok(GO);
        }
        if self.survey.member(name).is_some() {
            return Err("the cluster still counts on it".into());
        }
        Ok(self.left_behind(&[name]).map_or(GO, Decision::Do))
    }

    fn settled(&self) -> Decided<Act> {
        if let Some(missing) = self.missing("") {
            return Err(format!("{missing} has not joined the cluster"));
        }
        let names: Vec<&str> = self.view.instances.keys().map(String::as_str).collect();
        if let Some(act) = self.left_behind(&names) {
            return Ok(Decision::Do(act));
        }
        self.no_red(String::new)?;
        Ok(GO)
    }

    /// What a step has set and nobody needs any more, for nodes that are not about to leave.
    fn left_behind(&self, names: &[&str]) -> Option<Act> {
        if self.survey.allocation.as_deref() == Some(PRIMARIES) {
            return Some(Act::ReleaseReplicas);
        }
        let over = |n: &&String| {
            names.contains(&n.as_str()) && !(self.view.leaves(n) && self.survey.member(n).is_some())
        };
        if self.survey.excluded.iter().any(|n| over(&n)) {
            return Some(Act::Exclude(self.survey.excluded.iter().filter(|n| !over(n)).cloned().collect()));
        }
        self.survey.voteless.iter().any(|n| over(&n)).then_some(Act::GiveVotes)
    }

    fn staying(&self) -> impl Iterator<Item = &Member> {
        self.survey.members.iter().filter(|m| self.view.stays(&m.name))
    }

    /// A node of the target that should be there and is not.
    fn missing(&self, except: &str) -> Option<&String> {
        let mut target = self.view.target.iter();
        target.find(|n| *n != except && !self.view.stopped(n) && self.survey.member(n).is_none())
    }

    fn all_present(&self, except: &str) -> Result<(), String> {
        let missing = self.missing(except);
        self.rule(Predicate::AllNodesPresent, missing.is_none(), || {
            format!("{} is not in the cluster", missing.map_or("a node", String::as_str))
        })
    }

    fn no_red(&self, and: impl FnOnce() -> String) -> Result<(), String> {
        let lost = self.survey.copies.iter().find(|c| c.primary && !c.is_started());
        self.rule(Predicate::ClusterHealth, lost.is_none(), || {
            let lost = lost.map_or_else(String::new, named);
            format!("red: the primary of {lost} is not there {}", and()).trim_end().to_owned()
        })
    }

    /// Green, apart from replicas that cannot be anywhere.
    fn healthy(&self) -> Result<(), String> {
        self.no_red(String::new)?;
        let open = |c: &&Copy| !c.is_started() && !self.survey.is_hopeless(c);
        let first = self.survey.copies.iter().find(open);
        self.rule(Predicate::ClusterHealth, first.is_none(), || {
            let count = self.survey.copies.iter().filter(open).count();
            format!(
                "yellow: {count} replicas are not there yet, of {} for example",
                first.map_or_else(String::new, named)
            )
        })
    }

    fn copies_elsewhere(&self, name: &str) -> Result<(), String> {
        let alone = self.survey.copies_on(name).filter(|c| c.is_started()).find(|c| {
            let others: Vec<&Copy> = self.survey.others(c).filter(|o| !self.survey.is_hopeless(o)).collect();
            // The only copy by the operator's own choice goes away for a while; nothing else could be done.
            !others.is_empty() && !others.iter().any(|o| o.is_started())
        });
        self.rule(Predicate::StartedCopyElsewhere, alone.is_none(), || {
            format!("it has the only started copy of {}", alone.map_or_else(String::new, named))
        })
    }

    /// `pending`: whether another node has the same step before it.
    fn master_last(&self, member: &Member, pending: impl Fn(&str) -> bool) -> Result<(), String> {
        let first = self.view.instances.keys().find(|n| **n != member.name && pending(n));
        let last = !member.elected || first.is_none();
        self.rule(Predicate::MasterLast, last, || {
            format!("it is the elected master: {} goes first", first.map_or("another", String::as_str))
        })
    }

    fn quorum(&self, member: &Member) -> Result<(), String> {
        let voters = &self.survey.voters;
        let stay = self.survey.members.iter().filter(|m| m.id != member.id && voters.contains(&m.id)).count();
        let enough = !voters.contains(&member.id) || stay > voters.len() / 2;
        self.rule(Predicate::Quorum, enough, || format!("{stay} of {} votes would be left", voters.len()))
    }
}

fn named(copy: &Copy) -> String {
    format!("{}[{}]", copy.index, copy.shard)
}

#[cfg(test)]
mod tests;

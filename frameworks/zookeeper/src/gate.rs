//! What is safe when. Pure: from what the servers say of themselves to a verdict or a change of membership.
//!
//! Before and after every step all members are connected, the leader broadcasts and nobody is being brought up to date;
//! one server at a time, the leader last; who leaves is out of the membership before it is stopped.

use std::fmt;

use cairn_framework::{Action, Ask, Moment, Phase, Verdict, View};

use crate::formation::Formation;
use crate::fourletter::Mode;
use crate::members::{Members, Role, server_line};
use crate::names::{ServerId, id_of, name_of};
use crate::survey::Survey;

/// What a gate comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// That is the answer.
    Say(Verdict),
    /// Change the membership, then look again.
    Change(Change),
    /// The task about to be rendered must know this membership.
    Note(Members),
}

/// A change of membership, on condition that it still has this version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) what: What,
    /// Version of the membership that was looked at.
    pub(crate) version: i64,
    /// The server to ask.
    pub(crate) via: ServerId,
}

/// One server joins or leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Add(ServerId, String),
    Remove(ServerId),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Add(id, _) => write!(f, "adding server-{id}"),
            What::Remove(id) => write!(f, "removing server-{id}"),
        }
    }
}

const GO: Decision = Decision::Say(Verdict::Go);

fn wait(reason: impl Into<String>) -> Decision {
    Decision::Say(Verdict::Wait(reason.into()))
}

/// Judges a step.
pub(crate) fn decide(ask: &Ask, survey: &Survey) -> Decision {
    let Some(id) = id_of(&ask.instance) else { return GO };
    let decided = match (ask.moment, ask.action) {
        (Moment::Before, Action::Launch) => launch(id, &ask.view, survey),
        (Moment::Before, Action::Restart) => restart(id, &ask.view, survey),
        (Moment::Before, Action::Stop) => stop(id, survey),
        (_, Action::Remove) => leave(id, &ask.view, survey),
        (Moment::After, Action::Launch) => arrived(id, &ask.view, survey),
        (Moment::After, Action::Restart) => {
            arrived(id, &ask.view, survey).and_then(|decision| match decision {
                GO => healthy(survey, None).map(|_| GO),
                other => Ok(other),
            })
        }
        (Moment::After, Action::Stop) => Ok(GO),
    };
    decided.unwrap_or_else(wait)
}

/// All members connected and in step, apart from `except`. The membership and the leader.
fn healthy(survey: &Survey, except: Option<ServerId>) -> Result<(&Members, ServerId), String> {
    let members = survey.members().ok_or("no server serves")?;
    let (leader, report) = survey.leader().ok_or("the ensemble has no leader")?;
    let voters = || members.voters().filter(|id| Some(*id) != except);
    if let Some(absent) = voters().find(|id| survey.report(*id).is_none()) {
        return Err(format!("{} does not serve, and no other may be missing meanwhile", name_of(absent)));
    }
    let monitor = &report.monitor;
    if report.mode == Mode::Leader && monitor.peer_state != "leading - broadcast" {
        return Err(format!("{} leads but is not ready yet: {}", name_of(leader), monitor.peer_state));
    }
    if monitor.pending_syncs > 0 {
        return Err(format!("{} followers are being brought up to date", monitor.pending_syncs));
    }
    let followers = voters().filter(|id| *id != leader).count();
    if (monitor.synced_followers as usize) < followers {
        return Err(format!("{} of {followers} followers are in step", monitor.synced_followers));
    }
    Ok((members, leader))
}

fn launch(id: ServerId, view: &View, survey: &Survey) -> Result<Decision, String> {
    let formation = Formation::of(view);
    let Some(members) = survey.members() else {
        return formation.admits(id, view.target.len()).map(|()| GO);
    };
    if is_member(id, view, members) {
        return Ok(GO);
    }
    let joins_first = |name: &&String| {
        let started = view.instances.get(*name).is_some_and(|i| i.task_id.is_some());
        let stopped = view.instances.get(*name).is_some_and(|i| i.phase == Phase::Stopped);
        let other = id_of(name).unwrap_or_default();
        other != id && !stopped && !is_member(other, view, members) && (started || other < id)
    };
    if let Some(first) = view.target.iter().find(joins_first) {
        return Err(format!("{first} joins first"));
    }
    healthy(survey, Some(id))?;
    let noted = matches!(&formation, Formation::Exists(noted) if noted == members);
    Ok(if noted { GO } else { Decision::Note(members.clone()) })
}

fn restart(id: ServerId, view: &View, survey: &Survey) -> Result<Decision, String> {
    if idle(id, survey) {
        return Ok(GO);
    }
    let (_, leader) = healthy(survey, None)?;
    let pending = |name: &&String| {
        id_of(name) != Some(id) && view.instances.get(*name).is_some_and(|i| i.needs_restart)
    };
    match view.target.iter().find(pending) {
        Some(first) if leader == id => Err(format!("it leads the ensemble: {first} goes first")),
        _ => Ok(GO),
    }
}

/// An operator wants it stopped, and stopped it stays: the rest must be a quorum.
fn stop(id: ServerId, survey: &Survey) -> Result<Decision, String> {
    if idle(id, survey) {
        return Ok(GO);
    }
    let voters: Vec<_> = survey.members().map(|m| m.voters().collect()).unwrap_or_default();
    let left = voters.iter().filter(|v| **v != id && survey.report(**v).is_some()).count();
    if left > voters.len() / 2 {
        return Ok(GO);
    }
    let all = voters.len();
    Err(format!("{left} of {all} servers would be left, which is no quorum; an operator may force it"))
}

/// Nobody misses it: it does not serve, has no vote, or is all there is.
fn idle(id: ServerId, survey: &Survey) -> bool {
    let voters: Vec<_> = survey.members().map(|m| m.voters().collect()).unwrap_or_default();
    survey.report(id).is_none() || !voters.contains(&id) || voters.len() == 1
}

/// Out of the membership, before it is stopped; or after, if it was not running.
fn leave(id: ServerId, view: &View, survey: &Survey) -> Result<Decision, String> {
    if view.target.is_empty() {
        return Ok(GO);
    }
    let members = survey.members().ok_or("nobody serves, so the membership cannot be changed")?;
    if !members.servers.contains_key(&id) {
        return Ok(GO);
    }
    let leader = survey.leader().map(|(leader, _)| leader);
    let leaving = members.servers.keys().copied().filter(|m| !view.target.contains(&name_of(*m)));
    let first = leaving.max_by_key(|m| (leader != Some(*m), *m));
    if let Some(first) = first.filter(|first| *first != id) {
        return Err(format!("{} leaves first", name_of(first)));
    }
    let (members, leader) = healthy(survey, Some(id))?;
    change(What::Remove(id), members, leader, survey)
}

/// It serves; is it a member?
fn arrived(id: ServerId, view: &View, survey: &Survey) -> Result<Decision, String> {
    if survey.report(id).is_none() {
        let why = survey.servers.get(&id).and_then(|s| s.report.clone().err()).unwrap_or_default();
        return Err(if why.is_empty() { "it has no task".into() } else { why });
    }
    let members = survey.members().ok_or("nobody serves")?;
    if is_member(id, view, members) {
        return Ok(GO);
    }
    let (members, leader) = healthy(survey, Some(id))?;
    let place = view.placement(&name_of(id)).ok_or("it has no place")?;
    let line = server_line(place, Role::Participant).ok_or("it lacks a port")?;
    change(What::Add(id, line), members, leader, survey)
}

/// The membership is exactly the target; what was forced past the gates is put right here, one server at a time.
pub(crate) fn settle(view: &View, survey: &Survey) -> Decision {
    let Some(members) = survey.members() else { return wait("nobody serves") };
    for id in view.target.iter().filter_map(|n| id_of(n)) {
        match arrived(id, view, survey) {
            Ok(GO) => {}
            Ok(decision) => return decision,
            Err(_) if members.servers.contains_key(&id) => {}
            Err(reason) => return wait(format!("{}: {reason}", name_of(id))),
        }
    }
    let runs = |id: ServerId| view.instances.get(&name_of(id)).is_some_and(|i| i.task_id.is_some());
    let gone = members.servers.keys().find(|id| !view.target.contains(&name_of(**id)) && !runs(**id));
    gone.map_or(GO, |id| leave(*id, view, survey).unwrap_or_else(wait))
}

fn is_member(id: ServerId, view: &View, members: &Members) -> bool {
    view.placement(&name_of(id)).is_some_and(|place| members.has(id, place))
}

/// Through the leader, unless it is the one that goes: its answer might not arrive.
fn change(what: What, members: &Members, leader: ServerId, survey: &Survey) -> Result<Decision, String> {
    let leaves = matches!(what, What::Remove(id) if id == leader);
    let other = || members.voters().find(|id| *id != leader && survey.report(*id).is_some());
    let via = if leaves { other().ok_or("no other server could confirm it")? } else { leader };
    Ok(Decision::Change(Change { what, version: members.version, via }))
}

#[cfg(test)]
mod tests;

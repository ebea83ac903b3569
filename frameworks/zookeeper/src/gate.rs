//! What is safe when. Pure: from what the servers say of themselves to a verdict or a change of membership.
//!
//! Before and after every step all members are connected, the leader broadcasts and nobody is being brought up to date;
//! one server at a time, the leader last; who leaves is out of the membership before it is stopped.

use cairn_framework::kit::{Decided, Decision};
use cairn_framework::{Action, Ask, Moment, View, Wait};
use cairn_zookeeper_admin::{Change, Ensemble, Members, Role, ServerId};

use crate::formation;
use crate::names::{id_of, is_member, name_of, server_line};

/// What has to be done first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Change the membership, on condition that it still has this version, through this server.
    Change { change: Change, version: i64, via: ServerId },
    /// The task about to be rendered must know this membership.
    Note(Members),
}

const GO: Decision<Act> = Decision::GO;

/// Judges a step.
pub(crate) fn decide(ask: &Ask, ensemble: &Ensemble) -> Decision<Act> {
    let Some(id) = id_of(&ask.instance) else { return GO };
    let decided = match (ask.moment, ask.action) {
        (Moment::Before, Action::Launch) => launch(id, &ask.view, ensemble),
        (Moment::Before, Action::Restart) => restart(id, &ask.view, ensemble),
        (Moment::Before, Action::Stop) => stop(id, ensemble),
        (_, Action::Remove) => leave(id, &ask.view, ensemble),
        (Moment::After, Action::Launch) => arrived(id, &ask.view, ensemble),
        (Moment::After, Action::Restart) => {
            arrived(id, &ask.view, ensemble).and_then(|decision| match decision {
                GO => ensemble.in_step(None).map(|_| GO),
                other => Ok(other),
            })
        }
        (Moment::After, Action::Stop) => Ok(GO),
    };
    decided.into()
}

fn launch(id: ServerId, view: &View, ensemble: &Ensemble) -> Decided<Act> {
    let Some(members) = ensemble.members() else {
        return formation::admits(id, view).map(|()| GO).map_err(Wait::reason);
    };
    if is_member(id, view, members) {
        return Ok(GO);
    }
    let joins_first = |name: &&String| {
        let other = id_of(name).unwrap_or_default();
        let earlier = view.runs(name) || other < id;
        other != id && earlier && !view.stopped(name) && !is_member(other, view, members)
    };
    if let Some(first) = view.target.iter().find(joins_first) {
        return Err(format!("{first} joins first"));
    }
    ensemble.in_step(Some(id))?;
    let noted = formation::noted(view).is_some_and(|noted| noted == *members);
    Ok(if noted { GO } else { Decision::Do(Act::Note(members.clone())) })
}

fn restart(id: ServerId, view: &View, ensemble: &Ensemble) -> Decided<Act> {
    if idle(id, ensemble) {
        return Ok(GO);
    }
    let (_, leader) = ensemble.in_step(None)?;
    match view.restarts_before(&name_of(id)) {
        Some(first) if leader == id => Err(format!("it leads the ensemble: {first} goes first")),
        _ => Ok(GO),
    }
}

/// An operator wants it stopped, and stopped it stays: the rest must be a quorum.
fn stop(id: ServerId, ensemble: &Ensemble) -> Decided<Act> {
    if idle(id, ensemble) {
        return Ok(GO);
    }
    let voters = ensemble.voters();
    let left = voters.iter().filter(|v| **v != id && ensemble.report(**v).is_some()).count();
    if left > voters.len() / 2 {
        return Ok(GO);
    }
    let all = voters.len();
    Err(format!("{left} of {all} servers would be left, which is no quorum; an operator may force it"))
}

/// Nobody misses it: it does not serve, has no vote, or is all there is.
fn idle(id: ServerId, ensemble: &Ensemble) -> bool {
    let voters = ensemble.voters();
    ensemble.report(id).is_none() || !voters.contains(&id) || voters.len() == 1
}

/// Out of the membership, before it is stopped; or after, if it was not running.
fn leave(id: ServerId, view: &View, ensemble: &Ensemble) -> Decided<Act> {
    if view.target.is_empty() {
        return Ok(GO);
    }
    let members = ensemble.members().ok_or("nobody serves, so the membership cannot be changed")?;
    if !members.servers.contains_key(&id) {
        return Ok(GO);
    }
    let leader = ensemble.leader().map(|(leader, _)| leader);
    let leaving = members.servers.keys().copied().filter(|m| !view.stays(&name_of(*m)));
    let first = leaving.max_by_key(|m| (leader != Some(*m), *m));
    if let Some(first) = first.filter(|first| *first != id) {
        return Err(format!("{} leaves first", name_of(first)));
    }
    let (members, leader) = ensemble.in_step(Some(id))?;
    change(Change::Remove(id), members, leader, ensemble)
}

/// It serves; is it a member?
fn arrived(id: ServerId, view: &View, ensemble: &Ensemble) -> Decided<Act> {
    if ensemble.report(id).is_none() {
        let why = ensemble.servers.get(&id).and_then(|report| report.clone().err());
        return Err(why.unwrap_or_else(|| "it has no task".into()));
    }
    let members = ensemble.members().ok_or("nobody serves")?;
    if is_member(id, view, members) {
        return Ok(GO);
    }
    let (members, leader) = ensemble.in_step(Some(id))?;
    let place = view.placement(&name_of(id)).ok_or("it has no place")?;
    let line = server_line(place, Role::Participant).ok_or("it lacks a port")?;
    change(Change::Add(id, line), members, leader, ensemble)
}

/// The membership is exactly the target; what was forced past the gates is put right here, one server at a time.
pub(crate) fn settle(view: &View, ensemble: &Ensemble) -> Decision<Act> {
    let Some(members) = ensemble.members() else { return Decision::wait("nobody serves") };
    for id in view.target.iter().filter_map(|n| id_of(n)) {
        match arrived(id, view, ensemble) {
            Ok(GO) => {}
            Ok(decision) => return decision,
            Err(_) if members.servers.contains_key(&id) => {}
            Err(reason) => return Decision::wait(format!("{}: {reason}", name_of(id))),
        }
    }
    let gone = |name: &str| !view.stays(name) && !view.runs(name);
    let gone = members.servers.keys().find(|id| gone(&name_of(**id)));
    gone.map_or(GO, |id| leave(*id, view, ensemble).into())
}

/// Through the leader, unless it is the one that goes: its answer might not arrive.
fn change(change: Change, members: &Members, leader: ServerId, ensemble: &Ensemble) -> Decided<Act> {
    let leaves = matches!(change, Change::Remove(id) if id == leader);
    let other = || members.voters().find(|id| *id != leader && ensemble.report(*id).is_some());
    let via = if leaves { other().ok_or("no other server could confirm it")? } else { leader };
    Ok(Decision::Do(Act::Change { change, version: members.version, via }))
}

#[cfg(test)]
mod tests;

//! What is safe when. Pure: from what the servers say of themselves to a verdict or a change of membership.
//!
//! Before and after every step all members are connected, the leader broadcasts and nobody is being brought up to date;
//! one server at a time, the leader last; who leaves is out of the membership before it is stopped.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cairn_framework::kit::{Clustered, Decided, Decision, Performed};
use cairn_framework::{Handle, View, Wait};
use cairn_zookeeper_admin::{Change, Ensemble, Members, Role, ServerId, reconfigure};
use serde_json::{Value, json};

use crate::formation::{self, MEMBERS};
use crate::names::{CLIENT, id_of, is_member, name_of, server_line};
use crate::options::Options;
use crate::service::ZooKeeper;
use crate::{secret, survey};

/// What has to be done first: a change of the membership, on condition that it still has this version, through this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Act {
    pub(crate) change: Change,
    pub(crate) version: i64,
    pub(crate) via: ServerId,
}

const GO: Decision<Act> = Decision::GO;

type Look<'a> = cairn_framework::kit::Look<'a, ZooKeeper>;

#[async_trait]
impl Clustered for ZooKeeper {
    type Options = Options;
    type Survey = Ensemble;
    type Act = Act;

    const RESOURCE: Option<(&'static str, &'static str)> =
        Some(("/v1/ensemble", "Leader, membership and its version, followers in step"));

    async fn survey(&self, view: &View, _: &Options) -> Result<Ensemble, String> {
        Ok(survey::take(view).await)
    }

    fn launch(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        launch(id(me)?, look.view, look.survey)
    }

    fn arrived(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        arrived(id(me)?, look.view, look.survey)
    }

    fn back(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        match arrived(id(me)?, look.view, look.survey)? {
            GO => look.survey.in_step(None).map(|_| GO),
            other => Ok(other),
        }
    }

    fn restart(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        restart(id(me)?, look.view, look.survey)
    }

    fn stop(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        stop(id(me)?, look.survey)
    }

    fn leave(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        leave(id(me)?, look.view, look.survey)
    }

    /// If it was not running, it is still a member.
    fn gone(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        leave(id(me)?, look.view, look.survey)
    }

    /// The membership is exactly the target; what was forced past the gates is put right here, one server at a time.
    fn settled(&self, look: &Look<'_>) -> Decided<Act> {
        settled(look.view, look.survey)
    }

    async fn perform(&self, _: &Handle, look: &Look<'_>, act: Act) -> Performed {
        let place = look.view.placement(&name_of(act.via)).cloned().unwrap_or_default();
        let password = secret::password(look.options, &place);
        let endpoint = place.endpoint(CLIENT).unwrap_or_default();
        let changed = reconfigure(&endpoint, &password, &act.change, act.version).await;
        changed.map(|()| None).map_err(|error| format!("{}: {error}", act.change))
    }

    fn whole(&self, look: &Look<'_>) -> Value {
        let members = look.survey.members().cloned().unwrap_or_default();
        let leader = look.survey.leader();
        json!({
            "serving": leader.is_some(),
            "leader": leader.map(|(id, _)| name_of(id)),
            "syncedFollowers": leader.map(|(_, r)| r.monitor.synced_followers),
            "pendingSyncs": leader.map(|(_, r)| r.monitor.pending_syncs),
            "version": format!("{:x}", members.version),
            "members": members.servers,
        })
    }

    /// The part of each server in the ensemble and the last change it knows, if it serves.
    fn members(&self, look: &Look<'_>) -> BTreeMap<String, Value> {
        let fields = |id: &u32| {
            let report = look.survey.report(*id);
            json!({ "mode": report.map(|r| r.mode), "zxid": report.map(|r| &r.zxid) })
        };
        look.survey.servers.keys().map(|id| (name_of(*id), fields(id))).collect()
    }
}

fn id(me: &str) -> Result<ServerId, String> {
    id_of(me).ok_or_else(|| format!("{me} is no server of an ensemble"))
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
    if formation::noted(view).is_some_and(|noted| noted == *members) {
        return Ok(GO);
    }
    Ok(Decision::note(MEMBERS, json!(members), "the present membership is being noted"))
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

fn settled(view: &View, ensemble: &Ensemble) -> Decided<Act> {
    let members = ensemble.members().ok_or("nobody serves")?;
    for id in view.target.iter().filter_map(|n| id_of(n)) {
        match arrived(id, view, ensemble) {
            Ok(GO) => {}
            Ok(decision) => return Ok(decision),
            Err(_) if members.servers.contains_key(&id) => {}
            Err(reason) => return Err(format!("{}: {reason}", name_of(id))),
        }
    }
    let gone = |name: &str| !view.stays(name) && !view.runs(name);
    let gone = members.servers.keys().find(|id| gone(&name_of(**id)));
    gone.map_or(Ok(GO), |id| leave(*id, view, ensemble))
}

/// Through the leader, unless it is the one that goes: its answer might not arrive.
fn change(change: Change, members: &Members, leader: ServerId, ensemble: &Ensemble) -> Decided<Act> {
    let leaves = matches!(change, Change::Remove(id) if id == leader);
    let other = || members.voters().find(|id| *id != leader && ensemble.report(*id).is_some());
    let via = if leaves { other().ok_or("no other server could confirm it")? } else { leader };
    Ok(Decision::Do(Act { change, version: members.version, via }))
}

#[cfg(test)]
mod tests;

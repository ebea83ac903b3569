//! What is safe when. Pure: from what the cluster says of itself to a verdict, or to what must be done first; and the doing.
//!
//! Each rule has a name, which stands in the reason and by which an operator can switch it off.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use axum::http::Method;
use cairn_elasticsearch_admin::{Act, Copy, FLUSH, Member, QUESTIONS, Survey};
use cairn_framework::kit::{self, Clustered, Decided, Decision, Performed};
use cairn_framework::{Action, Ask, Handle, Moment, Verdict, View};
use serde_json::{Value, json};

use crate::nodes::client;
use crate::options::{Options, Predicate};
use crate::service::{Elasticsearch, keep};

const GO: Decision<Act> = Decision::GO;

type Look<'a> = cairn_framework::kit::Look<'a, Elasticsearch>;

#[async_trait]
impl Clustered for Elasticsearch {
    type Options = Options;
    type Survey = Survey;
    type Act = Act;

    /// Through any node that answers.
    async fn survey(&self, view: &View, _: &Options) -> Result<Survey, String> {
        let answers = client(view).get_all(&QUESTIONS).await;
        answers.map(|answers| Survey::of(&answers)).map_err(|error| error.to_string())
    }

    /// There is no elected master, so nothing that could be hurt: a cluster that cannot come up can still be corrected.
    fn unasked(&self, ask: &Ask, why: String) -> Verdict {
        match (ask.moment, ask.action) {
            (Moment::Before, Action::Remove) | (Moment::After, Action::Launch | Action::Restart) => {
                Verdict::Wait(why)
            }
            _ => Verdict::Go,
        }
    }

    fn restart(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        let Some(member) = look.survey.member(me) else { return Ok(GO) };
        let missing = missing(me, look).map(|name| format!("{name} is not in the cluster"));
        rule(look, Predicate::AllNodesPresent, missing)?;
        healthy(look)?;
        let moving = Some(look.survey.moving()).filter(|moving| *moving > 0);
        rule(look, Predicate::NoMoves, moving.map(|n| format!("{n} shards are on their way")))?;
        copies_elsewhere(me, look)?;
        master_last(member, look, |other| look.view.restarts(other))?;
        if look.survey.voters.len() > 2 {
            quorum(member, look)?;
        }
        // An operator who holds back more than that has his reasons.
        let held = look.survey.allocation.as_deref().is_some_and(|which| which != "all");
        Ok(if held { GO } else { Decision::Do(Act::HoldReplicas) })
    }

    /// An operator wants it stopped, and stopped it stays.
    fn stop(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        let Some(member) = look.survey.member(me) else { return Ok(GO) };
        if look.survey.members.len() > 1 {
            healthy(look)?;
            copies_elsewhere(me, look)?;
            quorum(member, look)?;
        }
        Ok(GO)
    }

    /// It is back, or new.
    fn arrived(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        look.survey.member(me).ok_or("it has not joined the cluster yet")?;
        match left_behind(&[me], look) {
            Some(act) => Ok(Decision::Do(act)),
            None => healthy(look).map(|()| GO),
        }
    }

    /// Its shards go elsewhere, then its vote, then itself.
    fn leave(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        let Some(member) = look.survey.member(me) else {
            let red = look.survey.red().map(|why| format!("{why} and it may hold the only copies"));
            return rule(look, Predicate::ClusterHealth, red).map(|()| GO);
        };
        if member.master && !staying(look).any(|m| m.master) {
            return Err("no node would be left that may be elected: add one first".into());
        }
        if let Some(waiting) = drained(me, look)? {
            return Ok(waiting);
        }
        if !member.master {
            return Ok(GO);
        }
        master_last(member, look, |other| {
            !look.view.stays(other) && look.survey.member(other).is_some_and(|m| m.master)
        })?;
        let mut others = look.survey.voteless.iter().filter(|name| *name != me);
        if let Some(other) = others.find(|name| look.survey.member(name).is_some()) {
            return Err(format!("{other} leaves first: one vote at a time"));
        }
        if !look.survey.voteless.contains(me) {
            return Ok(Decision::Do(Act::TakeVote(me.to_owned())));
        }
        match look.survey.voters.contains(&member.id) {
            true => Err("its vote is still counted".into()),
            false => Ok(GO),
        }
    }

    fn gone(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        match look.survey.member(me) {
            Some(_) => Err("the cluster still counts on it".into()),
            None => Ok(left_behind(&[me], look).map_or(GO, Decision::Do)),
        }
    }

    /// All is well, and nothing is left behind by a step that was interrupted.
    fn settled(&self, look: &Look<'_>) -> Decided<Act> {
        if let Some(missing) = missing("", look) {
            return Err(format!("{missing} has not joined the cluster"));
        }
        let names: Vec<&str> = look.view.instances.keys().map(String::as_str).collect();
        match left_behind(&names, look) {
            Some(act) => Ok(Decision::Do(act)),
            None => rule(look, Predicate::ClusterHealth, look.survey.red()).map(|()| GO),
        }
    }

    async fn perform(&self, _: &Handle, look: &Look<'_>, act: Act) -> Performed {
        let client = client(look.view);
        let answer = client.ask(&act.request()).await;
        if act == Act::HoldReplicas {
            drop(client.call(Method::POST, FLUSH, None).await);
        }
        match (act.told(answer.as_ref().unwrap_or(&Value::Null)), answer) {
            (Some(told), _) => Err(told),
            (None, Err(error)) => Err(format!("{act:?}: {error}")),
            (None, Ok(_)) => Ok(None),
        }
    }

    async fn at_rest(&self, _: &Handle, look: &Look<'_>) -> Verdict {
        keep(look.options, &client(look.view)).await.unwrap_or_else(|error| Verdict::Wait(error.to_string()))
    }

    fn members(&self, look: &Look<'_>) -> BTreeMap<String, Value> {
        let about = |name: &String| {
            let member = look.survey.member(name);
            let about = json!({
                "member": member.is_some(),
                "elected": member.is_some_and(|m| m.elected),
                "shards": look.survey.copies_on(name).count(),
                "draining": look.survey.excluded.contains(name),
            });
            (name.clone(), about)
        };
        look.view.instances.keys().map(about).collect()
    }
}

fn rule(look: &Look<'_>, rule: Predicate, broken: Option<String>) -> Result<(), String> {
    kit::rule(&look.options.ignore, &rule, broken)
}

/// Green, apart from replicas that cannot be anywhere.
fn healthy(look: &Look<'_>) -> Result<(), String> {
    rule(look, Predicate::ClusterHealth, look.survey.red())?;
    rule(look, Predicate::ClusterHealth, look.survey.yellow())
}

fn copies_elsewhere(me: &str, look: &Look<'_>) -> Result<(), String> {
    let alone = look.survey.alone_on(me).map(|copy| format!("it has the only started copy of {copy}"));
    rule(look, Predicate::StartedCopyElsewhere, alone)
}

/// `pending`: whether another node has the same step before it.
fn master_last(member: &Member, look: &Look<'_>, pending: impl Fn(&str) -> bool) -> Result<(), String> {
    let mut others = look.view.instances.keys().filter(|name| **name != member.name);
    let first = others.find(|name| member.elected && pending(name));
    let reason = first.map(|first| format!("it is the elected master: {first} goes first"));
    rule(look, Predicate::MasterLast, reason)
}

fn quorum(member: &Member, look: &Look<'_>) -> Result<(), String> {
    let left = look.survey.too_few_votes_without(member);
    let all = look.survey.voters.len();
    rule(look, Predicate::Quorum, left.map(|left| format!("{left} of {all} votes would be left")))
}

/// Nothing is on the node that is not elsewhere, and nothing comes; otherwise what is to be done about that.
fn drained(me: &str, look: &Look<'_>) -> Result<Option<Decision<Act>>, String> {
    let room = staying(look).filter(|m| m.data).count();
    let tight = look.survey.copies_on(me).find(|copy| look.survey.started(copy) > room);
    let tight = tight.map(|copy| {
        let (index, copies) = (&copy.index, look.survey.started(copy));
        format!("{index} has {copies} copies and {room} nodes with data would be left: lower its number_of_replicas")
    });
    rule(look, Predicate::ReplicasFit, tight)?;
    let excluded = &look.survey.excluded;
    let leaving = look.survey.members.iter().map(|m| &m.name).filter(|name| look.view.leaves(name));
    let others = excluded.iter().filter(|name| !look.view.stays(name));
    let wanted: BTreeSet<String> = others.chain(leaving).cloned().collect();
    if wanted != *excluded {
        return Ok(Some(Decision::Do(Act::Exclude(wanted))));
    }
    // A replica that fits nowhere else, since its like are everywhere, may be lost.
    let safe = |copy: &Copy| copy.is_started() && copy.node.as_deref().is_some_and(|n| look.view.stays(n));
    let spare = |copy: &Copy| look.survey.started(copy) > room && look.survey.others(copy).any(safe);
    let left: Vec<&Copy> = look.survey.copies_on(me).filter(|copy| !spare(copy)).collect();
    let Some(first) = left.first() else { return Ok(None) };
    match look.survey.moving() {
        0 => Ok(Some(Decision::Do(Act::Explain((*first).clone(), left.len())))),
        moving => Err(format!("draining: {} of its shards are left, {moving} on their way", left.len())),
    }
}

/// What a step has set and nobody needs any more, for nodes that are not about to leave.
fn left_behind(names: &[&str], look: &Look<'_>) -> Option<Act> {
    if look.survey.allocation.as_deref() == Some(Act::PRIMARIES) {
        return Some(Act::ReleaseReplicas);
    }
    let leaves = |name: &str| look.view.leaves(name) && look.survey.member(name).is_some();
    let over = |name: &&String| names.contains(&name.as_str()) && !leaves(name);
    if look.survey.excluded.iter().any(|name| over(&name)) {
        let others = look.survey.excluded.iter().filter(|name| !over(name));
        return Some(Act::Exclude(others.cloned().collect()));
    }
    look.survey.voteless.iter().any(|name| over(&name)).then_some(Act::GiveVotes)
}

fn staying<'a>(look: &Look<'a>) -> impl Iterator<Item = &'a Member> {
    let view = look.view;
    look.survey.members.iter().filter(move |member| view.stays(&member.name))
}

/// A node of the target that should be there and is not.
fn missing<'a>(except: &str, look: &Look<'a>) -> Option<&'a String> {
    let mut target = look.view.target.iter();
    target.find(|n| *n != except && !look.view.stopped(n) && look.survey.member(n).is_none())
}

#[cfg(test)]
mod tests;

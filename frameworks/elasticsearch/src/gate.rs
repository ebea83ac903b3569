//! What is safe when. Pure: from what the cluster says of itself to a verdict, or to what must be done first; and the doing.
//!
//! Each rule has a name, which stands in the reason and by which an operator can switch it off.

use std::collections::BTreeMap;

use async_trait::async_trait;
use axum::http::Method;
use cairn_elasticsearch_admin::{Act, FLUSH, Member, QUESTIONS, Survey};
use cairn_framework::kit::{self, Clustered, Decided, Decision, Performed};
use cairn_framework::{Action, Ask, Handle, Moment, Verdict, View};
use serde_json::Value;

use crate::nodes::client;
use crate::options::{Options, Predicate};
use crate::service::Elasticsearch;

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
            (Moment::Before, Action::Launch | Action::Restart | Action::Stop)
            | (Moment::After, Action::Stop | Action::Remove) => Verdict::Go,
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
        let stays = |name: &str| look.view.stays(name);
        if member.master && !look.survey.members.iter().any(|m| m.master && stays(&m.name)) {
            return Err("no node would be left that may be elected: add one first".into());
        }
        rule(look, Predicate::ReplicasFit, look.survey.too_tight_without(me, stays))?;
        if let Some(act) = look.survey.emptied(me, stays, |name| look.view.leaves(name))? {
            return Ok(Decision::Do(act));
        }
        if !member.master {
            return Ok(GO);
        }
        master_last(member, look, |other| {
            !look.view.stays(other) && look.survey.member(other).is_some_and(|m| m.master)
        })?;
        Ok(look.survey.voteless(member)?.map_or(GO, Decision::Do))
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
        let answer = client.ask(&act.request()).await.map_err(|error| format!("{act:?}: {error}"))?;
        if act == Act::HoldReplicas {
            drop(client.call(Method::POST, FLUSH, None).await);
        }
        act.told(&answer).map_or(Ok(None), Err)
    }

    fn members(&self, look: &Look<'_>) -> BTreeMap<String, Value> {
        look.view.instances.keys().map(|name| (name.clone(), look.survey.about(name))).collect()
    }
}

fn rule(look: &Look<'_>, rule: Predicate, broken: Option<String>) -> Result<(), String> {
    kit::rule(&look.options.ignore, &rule, broken)
}

/// Green, apart from replicas that cannot be anywhere.
fn healthy(look: &Look<'_>) -> Result<(), String> {
    rule(look, Predicate::ClusterHealth, look.survey.red().or_else(|| look.survey.yellow()))
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
    rule(look, Predicate::Quorum, look.survey.too_few_votes_without(member))
}

/// What a step has set and nobody needs any more, for nodes that are not about to leave.
fn left_behind(names: &[&str], look: &Look<'_>) -> Option<Act> {
    let leaves = |name: &str| look.view.leaves(name) && look.survey.member(name).is_some();
    look.survey.left_behind(|name| names.contains(&name) && !leaves(name))
}

/// A node of the target that should be there and is not.
fn missing<'a>(except: &str, look: &Look<'a>) -> Option<&'a String> {
    let mut target = look.view.target.iter();
    target.find(|n| *n != except && !look.view.stopped(n) && look.survey.member(n).is_none())
}

#[cfg(test)]
mod tests;

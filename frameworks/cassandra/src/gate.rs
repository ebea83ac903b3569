//! What is safe when. Pure: from what the nodes say to a verdict, or to what has to be done first; and the doing.
//!
//! One change of the ring at a time, and only while every other node serves, sees all others as members, and agrees on the
//! schema. Restarts go rack by rack. Who leaves has handed over its data and is out of the ring before it is stopped.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cairn_cassandra_admin::{Due, Node, Report, State, Survey, major};
use cairn_framework::kit::{Clustered, Decided, Decision, IN_USE, Performed, ask_all, note_in_use};
use cairn_framework::{Handle, Verdict, View};
use serde_json::{Value, json};

use crate::options::Options;
use crate::service::{CQL, Cassandra, FOUNDERS, NODES, STORAGE};
use crate::task::site;

/// What has to be done first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// Note that the cluster is in use, also if it was never complete.
    InUse,
    /// Bring keyspaces in line.
    Change(Due),
}

/// Observed, followed by an instance's name: address of the dead member whose place it takes.
const REPLACES: &str = "replaces/";

const GO: Decision<Act> = Decision::GO;

type Look<'a> = cairn_framework::kit::Look<'a, Cassandra>;

#[async_trait]
impl Clustered for Cassandra {
    type Options = Options;
    type Survey = Survey;
    type Act = Act;

    /// The others hold rows that are now the new node's own.
    const AFTER_GROWTH: Option<&'static str> = Some("cleanup");

    const RESOURCE: Option<(&'static str, &'static str)> =
        Some(("/v1/ring", "Members of the ring as the nodes see them"));

    async fn survey(&self, view: &View, _: &Options) -> Result<Survey, String> {
        let asked = ask_all(view, |instance| {
            let place = instance.placement.as_ref()?;
            let (endpoint, cql) = (place.endpoint(STORAGE)?, place.endpoint(CQL)?);
            let runs = instance.task_id.is_some();
            Some(async move {
                let report = if runs { Report::of(&cql).await } else { Err("it does not run".into()) };
                Node { endpoint, report }
            })
        });
        Ok(Survey { nodes: asked.await })
    }

    /// It founds the cluster, joins it, or takes over the place of a dead node.
    fn launch(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        if look.view.others_deployed(me).is_empty() {
            return Ok(GO);
        }
        let in_use = look.view.facts.contains_key(IN_USE);
        look.view.joins_in_turn(me, if in_use { 1 } else { FOUNDERS })?;
        steady(me, look)?;
        look.survey.one_version(&look.options.jvm.version)?;
        if unexpected(look).is_some() {
            return Ok(Decision::Do(Act::InUse));
        }
        match orphan(me, look) {
            Some(member) if replaces(me, look.view) != Some(member.as_str()) => {
                let meanwhile = format!("it takes over the place of {member}");
                Ok(Decision::note(format!("{REPLACES}{me}"), member, meanwhile))
            }
            _ => Ok(GO),
        }
    }

    /// It serves; does everybody who serves see it, and does it see them?
    fn arrived(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        look.survey.has_joined(me)?;
        // While somebody knows the member that it has replaced, that one's ranges look as if they were to be had.
        if let Some(former) = replaces(me, look.view).map(str::to_owned).or_else(|| former(me, look))
            && let Some(by) = look.survey.remembers(&former)
        {
            return Err(format!("{by} still has {former} in its ring, whose place it has taken"));
        }
        look.survey.one_schema()?;
        match unexpected(look) {
            // It was made since this node was told that there are none, so the node has joined without its share.
            Some(keyspace) if !look.view.others_deployed(me).is_empty() => {
                let what = format!("{me} fetches its share of keyspace {keyspace}");
                Ok(Decision::run(me, "rebuild", &["nodetool.sh", "rebuild"], what))
            }
            _ => Ok(GO),
        }
    }

    /// A node that does not serve may be helped at any time.
    fn restart(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        let Some(report) = look.survey.report(me) else { return Ok(GO) };
        let (there, wanted) = (&report.version, &look.options.jvm.version);
        if major(there) > major(wanted) {
            let reason =
                format!("it runs {there}, whose data {wanted} cannot read: Cassandra has no way back");
            return Ok(Decision::refuse(reason));
        }
        steady(me, look)?;
        let rack = |name: &str| Some(site(look.options, name, look.view.placement(name)?).1.to_owned());
        let pending =
            look.view.target.iter().filter(|name| look.view.restarts(name) && look.view.serves(name));
        match pending.min_by_key(|name| rack(name)) {
            Some(first) if rack(first) < rack(me) => {
                Err(format!("rack {} first: {first}", rack(first).unwrap_or_default()))
            }
            _ => Ok(GO),
        }
    }

    fn stop(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        if look.survey.report(me).is_some() {
            steady(me, look).map_err(|why| format!("{why}; an operator may force it"))?;
        }
        Ok(GO)
    }

    /// It hands over its data and leaves the ring, and is stopped then.
    fn leave(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        let Some(mine) = look.view.endpoint(me, STORAGE).filter(|_| look.view.deployed(me)) else {
            return Ok(GO);
        };
        look.view.leaves_next(me, |name| NODES.id(name))?;
        let state = look.survey.ring().get(&mine).map(|member| member.state);
        if !matches!(state, None | Some(State::Leaving)) {
            steady(me, look)?;
            look.survey.one_version(&look.options.jvm.version)?;
            look.survey.reports().next().ok_or("no node serves")?;
            if let Some(reason) = look.survey.too_many_copies_without(&mine) {
                return Ok(Decision::refuse(format!("{reason}: lower its replication first")));
            }
            let due = look.survey.shrink_without(&mine);
            if !due.is_empty() {
                return Ok(Decision::Do(Act::Change(due)));
            }
            let room = look.survey.has_room_without(&mine, look.options.disk.mib());
            room.map_err(|why| format!("{why}: raise `disk` first"))?;
        }
        if look.survey.reports().all(|(name, _)| name == me) {
            return Err("no other node can say whether it has left".into());
        }
        // Also when it has left: that makes sure of the mark on its volume, see leave.sh.
        Ok(Decision::run(me, "leave", &["leave.sh"], format!("{me} hands over its data and leaves the ring")))
    }

    /// One that died before it could leave is taken out of the ring by another node.
    fn gone(&self, me: &str, look: &Look<'_>) -> Decided<Act> {
        let Some(mine) = look.view.endpoint(me, STORAGE) else { return Ok(GO) };
        let (on, _) = look.survey.reports().next().ok_or("no node can say whether it has left")?;
        let Some(member) = look.survey.ring().remove(&mine) else { return Ok(GO) };
        let (id, what) = (member.host_id, format!("{on} takes {mine}, which has died, out of the ring"));
        Ok(Decision::run(on, &format!("removenode-{id}"), &["nodetool.sh", "removenode", &id], what))
    }

    /// What is declared is there, and Cassandra's own data is on as many nodes as it should be. Before there are keyspaces it
    /// is noted that whoever joins from now on has to be given rows.
    fn settled(&self, look: &Look<'_>) -> Decided<Act> {
        look.survey.reports().next().ok_or("no node serves")?;
        if !look.view.facts.contains_key(IN_USE) {
            return Ok(Decision::Do(Act::InUse));
        }
        let sizes = look.survey.sizes(None);
        let due = Due::of(look.options.keyspaces(&sizes), &sizes, look.survey.keyspaces());
        Ok(if due.is_empty() { GO } else { Decision::Do(Act::Change(due)) })
    }

    async fn perform(&self, handle: &Handle, look: &Look<'_>, act: Act) -> Performed {
        match act {
            Act::InUse => {
                note_in_use(handle, look.view).await;
                Err("there are keyspaces, so who joins from now on gets a share of their rows".into())
            }
            Act::Change(due) => {
                let mut serving = look.survey.reports().filter_map(|(name, _)| look.view.endpoint(name, CQL));
                let refused = due.carry_out(&serving.next().ok_or("no node serves")?).await?;
                Ok(refused.map(Verdict::Refuse))
            }
        }
    }

    /// What `nodetool status` shows, by instance where one is known.
    fn whole(&self, look: &Look<'_>) -> Value {
        json!({ "members": look.survey.status() })
    }

    fn members(&self, look: &Look<'_>) -> BTreeMap<String, Value> {
        let ring = look.survey.ring();
        let own = |n: &String| Some((n.clone(), json!(ring.get(&look.view.endpoint(n, STORAGE)?)?)));
        look.view.instances.keys().filter_map(own).collect()
    }
}

/// The dead member whose place an instance takes.
pub(crate) fn replaces<'a>(instance: &str, view: &'a View) -> Option<&'a str> {
    view.observed.get(&format!("{REPLACES}{instance}"))?.as_str()
}

/// Where it was before an operator replaced it.
fn former(instance: &str, look: &Look<'_>) -> Option<String> {
    look.view.instances.get(instance)?.replaces.as_ref()?.endpoint(STORAGE)
}

fn steady(me: &str, look: &Look<'_>) -> Result<(), String> {
    look.survey.at_rest(&look.view.others_deployed(me), look.view.endpoint(me, STORAGE).as_deref())
}

/// A keyspace that somebody has made while the cluster is still being founded.
fn unexpected<'a>(look: &Look<'a>) -> Option<&'a str> {
    if look.view.facts.contains_key(IN_USE) { None } else { look.survey.made() }
}

/// A member that no instance runs any more: what this one was before it was replaced, what it still is, or what somebody
/// left behind who has lost his place.
fn orphan(me: &str, look: &Look<'_>) -> Option<String> {
    let ring = look.survey.ring();
    let own = [former(me, look), look.view.endpoint(me, STORAGE)].into_iter().flatten();
    let held = |e: &String| {
        look.view.instances.keys().any(|name| {
            let stays = look.view.deployed(name) || look.view.target.contains(name);
            let place = look.view.endpoint(name, STORAGE).filter(|_| stays);
            [former(name, look), place].iter().flatten().any(|place| place == e)
        })
    };
    own.into_iter().find(|e| ring.contains_key(e)).or_else(|| ring.into_keys().find(|e| !held(e)))
}

#[cfg(test)]
mod tests;

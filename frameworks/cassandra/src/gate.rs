//! What is safe when. Pure: from what the nodes say to a verdict, or to what has to be done first.
//!
//! One change of the ring at a time, and only while every other node serves, sees all others as members, and agrees on the
//! schema. Restarts go rack by rack. Who leaves has handed over its data and is out of the ring before it is stopped.

use cairn_cassandra_admin::{Report, State, Survey, shrink, statements};
use cairn_framework::kit::{Decision, Errand, IN_USE};
use cairn_framework::{Action, Ask, Moment, View};

use crate::options::Options;
use crate::service::{NODES, REPLACES, STORAGE};
use crate::task::rack_of;

/// What has to be done first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// The task about to be rendered must take over this member's place in the ring.
    TakeOver { me: String, member: String },
    /// Note that the cluster is in use, also if it was never complete.
    InUse,
    /// Carry these statements out.
    Change(Vec<String>),
    /// Have this done; it may take hours.
    Run(Errand),
}

const GO: Decision<Act> = Decision::GO;

/// A decision, or what has to be waited for.
type Decided = cairn_framework::kit::Decided<Act>;

/// Judges a step.
pub(crate) fn decide(ask: &Ask, survey: &Survey, options: &Options) -> Decision<Act> {
    let question = Question { me: &ask.instance, view: &ask.view, survey, options };
    let decided = match (ask.moment, ask.action) {
        (Moment::Before, Action::Launch) => question.launch(),
        (Moment::Before, Action::Restart) => question.restart(),
        (Moment::Before, Action::Stop) => question.stop(),
        (Moment::Before, Action::Remove) => question.leave(),
        (Moment::After, Action::Launch | Action::Restart) => question.arrived(),
        (Moment::After, Action::Remove) => question.gone(),
        (Moment::After, Action::Stop) => Ok(GO),
    };
    decided.into()
}

/// What is declared is there, and Cassandra's own data is on as many nodes as it should be. Before there are keyspaces it is
/// noted that whoever joins from now on has to be given rows.
pub(crate) fn settle(view: &View, survey: &Survey, options: &Options) -> Decision<Act> {
    let Some((_, report)) = survey.reports().next() else { return Decision::wait("no node serves") };
    if !view.facts.contains_key(IN_USE) {
        return Decision::Do(Act::InUse);
    }
    let sizes = survey.sizes(None);
    let statements = statements(options.keyspaces(&sizes), &sizes, &report.keyspaces);
    if statements.is_empty() { GO } else { Decision::Do(Act::Change(statements)) }
}

struct Question<'a> {
    me: &'a str,
    view: &'a View,
    survey: &'a Survey,
    options: &'a Options,
}

impl Question<'_> {
    fn endpoint(&self, instance: &str) -> Option<String> {
        self.view.placement(instance)?.endpoint(STORAGE)
    }

    /// Everybody else of the target who has served.
    fn others(&self) -> impl Iterator<Item = &String> {
        self.view.target.iter().filter(|name| *name != self.me && self.view.deployed(name))
    }

    /// Everybody else serves, sees everybody else, agrees on the schema, and no ranges are on their way.
    fn steady(&self) -> Result<(), String> {
        for name in self.others() {
            let node = self.survey.nodes.get(name).ok_or_else(|| format!("{name} has no place"))?;
            match &node.report {
                Ok(report) if report.bootstrapped => {}
                Ok(_) => return Err(format!("{name} has not all its data yet")),
                Err(why) => return Err(format!("{name} does not serve: {why}")),
            }
        }
        let mine = self.endpoint(self.me);
        for (by, report) in self.survey.reports() {
            for (name, endpoint) in self.others().filter_map(|name| Some((name, self.endpoint(name)?))) {
                match report.members.get(&endpoint).map(|m| m.state) {
                    Some(State::Normal) => {}
                    Some(state) => return Err(format!("{by} sees {name} as {}", state.word())),
                    None => return Err(format!("{by} does not know {name} yet")),
                }
            }
            let moving = report.members.iter().find(|(e, m)| m.state.moves() && mine.as_ref() != Some(*e));
            if let Some((endpoint, member)) = moving {
                return Err(format!(
                    "{endpoint} is {}, and only one may change the ring",
                    member.state.word()
                ));
            }
        }
        self.one_schema()
    }

    fn one_schema(&self) -> Result<(), String> {
        let mut schemas = self.survey.reports().map(|(name, report)| (name, &report.schema));
        let Some((first, schema)) = schemas.next() else { return Ok(()) };
        match schemas.find(|(_, other)| *other != schema) {
            Some((other, _)) => Err(format!("{first} and {other} do not agree on the schema yet")),
            None => Ok(()),
        }
    }

    /// First launch: it founds the cluster, joins it, or takes over the place of a dead node.
    fn launch(&self) -> Decided {
        if self.others().next().is_none() {
            return Ok(GO);
        }
        let joins = |name: &&String| *name != self.me && self.view.runs(name) && !self.view.deployed(name);
        if let Some(first) = self.view.target.iter().find(joins) {
            return Err(format!("{first} joins first"));
        }
        self.steady()?;
        self.one_version()?;
        if self.unexpected().is_some() {
            return Ok(Decision::Do(Act::InUse));
        }
        match self.orphan() {
            Some(orphan) if self.view.observed.get(&replaces(self.me)).is_none_or(|v| **v != orphan) => {
                Ok(Decision::Do(Act::TakeOver { me: self.me.to_owned(), member: orphan }))
            }
            _ => Ok(GO),
        }
    }

    /// A keyspace that somebody has made while the cluster is still being founded.
    fn unexpected(&self) -> Option<&str> {
        let founding = !self.view.facts.contains_key(IN_USE);
        let mut keyspaces = self.survey.reports().flat_map(|(_, report)| &report.keyspaces);
        keyspaces.find(|k| founding && !k.is_system()).map(|k| k.name.as_str())
    }

    /// Streams between versions break.
    fn one_version(&self) -> Result<(), String> {
        let wanted = &self.options.jvm.version;
        let old = self.survey.reports().find(|(_, r)| major(&r.version) != major(wanted));
        old.map_or(Ok(()), |(name, r)| Err(format!("{name} still runs {}: upgrades come first", r.version)))
    }

    /// A member that no instance runs any more: what this one was before it was replaced, what it still is, or what somebody
    /// left behind who has lost his place.
    fn orphan(&self) -> Option<String> {
        let ring = self.survey.ring();
        let former = self.view.instances.get(self.me).and_then(|i| i.replaces.as_ref()?.endpoint(STORAGE));
        let mine = [former, self.endpoint(self.me)].into_iter().flatten().find(|e| ring.contains_key(e));
        let held = |e: &String| {
            self.view.instances.iter().any(|(name, i)| {
                let places = [i.replaces.as_ref(), i.placement.as_ref().filter(|_| self.view.deployed(name))];
                places.into_iter().flatten().any(|p| p.endpoint(STORAGE).as_ref() == Some(e))
            })
        };
        mine.or_else(|| ring.into_keys().find(|endpoint| !held(endpoint)))
    }

    /// It serves; does everybody who serves see it, and does it see them?
    fn arrived(&self) -> Decided {
        let node = self.survey.nodes.get(self.me).ok_or("it has no place")?;
        let report = node.report.as_ref().map_err(Clone::clone)?;
        if !report.bootstrapped {
            return Err("it has not all its data yet".into());
        }
        for (by, report) in self.survey.reports() {
            match report.members.get(&node.endpoint).map(|m| m.state) {
                Some(State::Normal) => {}
                Some(state) => return Err(format!("{by} sees it as {}", state.word())),
                None => return Err(format!("{by} does not know it yet")),
            }
        }
        for (other, _) in self.survey.reports() {
            let endpoint = &self.survey.nodes[other].endpoint;
            match report.members.get(endpoint).map(|m| m.state) {
                Some(State::Normal) => {}
                Some(state) => return Err(format!("it sees {other} as {}", state.word())),
                None => return Err(format!("it does not know {other} yet")),
            }
        }
        if let Some((by, former)) = self.lingering() {
            return Err(format!("{by} still has {former} in its ring, whose place it has taken"));
        }
        self.one_schema()?;
        match self.unexpected() {
            // It was made since this node was told that there are none, so the node has joined without its share.
            Some(keyspace) if self.others().next().is_some() => {
                let what = format!("{} fetches its share of keyspace {keyspace}", self.me);
                let rebuild = Errand::script(self.me, "rebuild", &["nodetool.sh", "rebuild"], what);
                Ok(Decision::Do(Act::Run(rebuild)))
            }
            _ => Ok(GO),
        }
    }

    /// Who still knows the member that this one has replaced, and where that was. While somebody does, its ranges look as if
    /// they were to be had.
    fn lingering(&self) -> Option<(&String, String)> {
        let taken_over =
            self.view.observed.get(&replaces(self.me)).and_then(|v| v.as_str().map(str::to_owned));
        let replaced = self.view.instances.get(self.me).and_then(|i| i.replaces.as_ref()?.endpoint(STORAGE));
        let former = taken_over.or(replaced)?;
        if self.survey.nodes.values().any(|node| node.endpoint == former) {
            return None;
        }
        let known = |(by, report): (_, &Report)| {
            let state = report.members.get(&former)?.state;
            (state != State::Left).then_some(by)
        };
        self.survey.reports().find_map(known).map(|by| (by, former.clone()))
    }

    /// A node that does not serve may be helped at any time.
    fn restart(&self) -> Decided {
        let Some(report) = self.survey.report(self.me) else { return Ok(GO) };
        if major(&report.version) > major(&self.options.jvm.version) {
            let (there, wanted) = (&report.version, &self.options.jvm.version);
            let reason =
                format!("it runs {there}, whose data {wanted} cannot read: Cassandra has no way back");
            return Ok(Decision::refuse(reason));
        }
        self.steady()?;
        let rack = |name: &str| Some(rack_of(self.options, name, self.view.placement(name)?).to_owned());
        let pending =
            self.view.target.iter().filter(|name| {
                self.view.instances.get(*name).is_some_and(|i| i.needs_restart && i.is_ready())
            });
        let first = pending.min_by_key(|name| rack(name));
        match first {
            Some(first) if rack(first) < rack(self.me) => {
                Err(format!("rack {} first: {first}", rack(first).unwrap_or_default()))
            }
            _ => Ok(GO),
        }
    }

    fn stop(&self) -> Decided {
        if self.survey.report(self.me).is_some() {
            self.steady().map_err(|why| format!("{why}; an operator may force it"))?;
        }
        Ok(GO)
    }

    /// It hands over its data and leaves the ring, and is stopped then.
    fn leave(&self) -> Decided {
        let Some(mine) = self.endpoint(self.me) else { return Ok(GO) };
        if self.view.target.is_empty() || !self.view.deployed(self.me) {
            return Ok(GO);
        }
        let leaving = self.view.instances.keys().filter(|name| self.view.leaves(name));
        let last = leaving.max_by_key(|name| NODES.id(name));
        if let Some(last) = last.filter(|last| *last != self.me) {
            return Err(format!("{last} leaves first"));
        }
        let ring = self.survey.ring();
        let state = ring.get(&mine).map(|m| m.state);
        if !matches!(state, None | Some(State::Leaving)) {
            self.steady()?;
            if let Some(decision) = self.room(&mine)? {
                return Ok(decision);
            }
        }
        if self.survey.reports().all(|(name, _)| name == self.me) {
            return Err("no other node can say whether it has left".into());
        }
        // Also when it has left: that makes sure of the mark on its volume, see leave.sh.
        let what = format!("{} hands over its data and leaves the ring", self.me);
        Ok(Decision::Do(Act::Run(Errand::script(self.me, "leave", &["leave.sh"], what))))
    }

    /// Whether the others can hold what this node has, as many times as is declared.
    fn room(&self, mine: &str) -> Result<Option<Decision<Act>>, String> {
        let sizes = self.survey.sizes(Some(mine));
        let (_, report) = self.survey.reports().next().ok_or("no node serves")?;
        let too_many =
            report.keyspaces.iter().filter(|k| !k.is_system()).find_map(|k| k.too_many_for(&sizes));
        if let Some(reason) = too_many {
            let reason = format!("{reason}: lower its replication first");
            return Ok(Some(Decision::refuse(reason)));
        }
        let statements = shrink(&sizes, &report.keyspaces);
        if !statements.is_empty() {
            return Ok(Some(Decision::Do(Act::Change(statements))));
        }
        let ring = self.survey.ring();
        let load = ring.get(mine).map_or(0.0, |m| m.load);
        #[allow(clippy::cast_precision_loss, reason = "disks have far fewer than 2^52 MiB")]
        let disk = self.options.disk.mib() as f64 * 1_048_576.0;
        let free: f64 = ring.iter().filter(|(e, _)| *e != mine).map(|(_, m)| (disk - m.load).max(0.0)).sum();
        if load > free {
            return Err(format!(
                "the others have room for {free:.0} bytes, and it holds {load:.0}: raise `disk` first"
            ));
        }
        Ok(None)
    }

    /// It has stopped for good. One that died before it could leave is taken out of the ring by another node.
    fn gone(&self) -> Decided {
        let Some(mine) = self.endpoint(self.me) else { return Ok(GO) };
        if self.view.target.is_empty() {
            return Ok(GO);
        }
        let (on, _) = self.survey.reports().next().ok_or("no node can say whether it has left")?;
        let Some(member) = self.survey.ring().remove(&mine) else { return Ok(GO) };
        let id = format!("removenode-{}", member.host_id);
        let what = format!("{on} takes {mine}, which has died, out of the ring");
        Ok(Decision::Do(Act::Run(Errand::script(
            on,
            &id,
            &["nodetool.sh", "removenode", &member.host_id],
            what,
        ))))
    }
}

/// Key of the observation that an instance takes over a member's place.
pub(crate) fn replaces(instance: &str) -> String {
    format!("{REPLACES}{instance}")
}

/// `5` of `5.0.5`.
fn major(version: &str) -> u32 {
    version.split('.').next().and_then(|part| part.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;

//! Which change may go on now, and what a gate's Go brings about.

use cairn_planted::planted;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::asks::Topic;
use super::next::{Next, Want, next, want};
use super::planted::Bug;
use super::state::Record;
use super::{Core, Millis, Out, task};
use crate::core::event::Question;
use crate::{Action, Ask, Moment, Phase, Strategy};

/// A gate of an instance.
type Asked = (String, Action, Moment);

impl Core {
    /// Puts the questions that are due, and does what needs no question.
    pub(crate) fn take_steps(&mut self, now: Millis, out: &mut Out) {
        let needs = self.needs(now);
        self.drop_moot_asks(&needs);
        if self.destroying() {
            self.stop_all(&needs, out);
            return;
        }
        self.keep_gangs_whole(now, out);
        let mut questions = Vec::new();
        for (name, next) in &needs {
            if let Some((action, moment)) = self.question(name, next, &needs) {
                questions.extend(self.due(name, action, moment, now));
            }
        }
        self.ask(questions, out);
        self.settle_due(&needs, now, out);
    }

    /// What each instance needs next: the target's in its order, then those that leave.
    pub(crate) fn needs(&self, now: Millis) -> Vec<(String, Next)> {
        self.names().into_iter().map(|name| (name.clone(), self.need(&name, now))).collect()
    }

    pub(crate) fn need(&self, name: &str, now: Millis) -> Next {
        let Some(record) = self.state.instances.get(name) else { return Next::Nothing };
        let live = self.live.get(name).cloned().unwrap_or_default();
        if self.away.contains(name) && record.goal == super::state::Goal::Run {
            return Next::Nothing;
        }
        next(record, &live, self.want_of(name), self.outdated(name), self.gave_up(name), now)
    }

    pub(crate) fn want_of(&self, name: &str) -> Want {
        self.state
            .instances
            .get(name)
            .map_or(Want::Leave, |r| want(r, self.in_target(name), self.destroying(), self.done(name)))
    }

    /// Names in the target's order, then those that are not in it any more.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.model.instances.iter().map(|i| i.name.clone()).collect();
        let leaving = self.state.instances.keys().filter(|n| !self.in_target(n));
        names.extend(leaving.cloned());
        names
    }

    fn drop_moot_asks(&mut self, needs: &[(String, Next)]) {
        let (settle, destroying) = (self.all_verified(needs), self.destroying());
        let steps = &self.state.operations;
        let needs: BTreeMap<&str, &Next> = needs.iter().map(|(name, next)| (name.as_str(), next)).collect();
        self.asks.retain(|topic| match topic {
            Topic::Settle => settle,
            Topic::Farewell => destroying,
            Topic::Operate(id, instance) => steps.get(id).is_some_and(|o| o.is_on(instance)),
            Topic::Gate(name, action, moment) => match needs.get(name.as_str()) {
                Some(Next::Launch) => (*action, *moment) == (Action::Launch, Moment::Before),
                Some(Next::Verify(a)) => (a, *moment) == (action, Moment::After),
                Some(Next::Disrupt(a)) => (a, *moment) == (action, Moment::Before),
                Some(Next::Retire) => (*action, *moment) == (Action::Remove, Moment::After),
                Some(Next::Nothing | Next::BackOff(_) | Next::Busy | Next::GivenUp | Next::CleanUp)
                | None => false,
            },
        });
    }

    /// The question that an instance's next step needs answered, if it may be put now.
    fn question(&self, name: &str, next: &Next, needs: &[(String, Next)]) -> Option<(Action, Moment)> {
        let paused = self.state.target.paused;
        match next {
            Next::Launch if !paused && self.first_launch(name) && self.turn(name, needs) => {
                Some((Action::Launch, Moment::Before))
            }
            Next::Verify(action) => Some((*action, Moment::After)),
            Next::Disrupt(action) if !paused && self.may_disrupt(name, *action) => {
                Some((*action, Moment::Before))
            }
            Next::Retire => Some((Action::Remove, Moment::After)),
            Next::Launch
            | Next::Disrupt(_)
            | Next::Nothing
            | Next::BackOff(_)
            | Next::Busy
            | Next::GivenUp
            | Next::CleanUp => None,
        }
    }

    /// It has never served, so its gate is asked before its launch.
    pub(crate) fn first_launch(&self, name: &str) -> bool {
        let deployed = self.state.instances.get(name).is_some_and(|r| r.deployed);
        !deployed && !self.live.get(name).is_some_and(|l| l.admitted)
    }

    /// Everybody for whom it waits by the strategy serves.
    fn turn(&self, name: &str, needs: &[(String, Next)]) -> bool {
        let before = needs.iter().take_while(|(n, _)| n != name).count();
        let waits_for = match self.model.deploy {
            Strategy::Parallel => 0,
            Strategy::Founding(together) if before < together => before.min(1),
            Strategy::Serial | Strategy::Founding(_) => before,
        };
        needs.iter().take(waits_for).all(|(n, _)| self.serves(n) || self.done(n))
    }

    /// Ready, and its gate has said so.
    pub(crate) fn serves(&self, name: &str) -> bool {
        let verified = self
            .state
            .instances
            .get(name)
            .and_then(|r| r.task.as_ref())
            .is_some_and(|t| t.verified && !t.killing);
        verified && self.live.get(name).is_some_and(|l| l.phase == Phase::Ready)
    }

    /// A healthy member may be touched only while enough of the others serve; one that does not serve may be helped at any time.
    fn may_disrupt(&self, name: &str, action: Action) -> bool {
        if self.operated(name).is_some() && self.serves(name) {
            return false;
        }
        let is_job = self.state.instances.get(name).is_some_and(Record::is_job);
        if planted(Bug::TwoAtOnce)
            || self.model.independent
            || is_job
            || (action != Action::Remove && !self.serves(name))
        {
            return true;
        }
        let Some(own) = self.state.instances.get(name).map(|r| &r.spec.rolling) else { return true };
        let others =
            self.state.instances.iter().filter(|(n, r)| *n != name && r.spec.rolling.group == own.group);
        let down = others.filter(|(n, record)| {
            let stopping = record.task.as_ref().is_some_and(|t| t.killing);
            let counts = self.want_of(n) == Want::Run && !self.away.contains(*n);
            stopping || (counts && !self.serves(n))
        });
        down.count() < own.at_once.max(1) as usize
    }

    /// The question with its number, if it is to be put now.
    fn due(&mut self, name: &str, action: Action, moment: Moment, now: Millis) -> Option<(u64, Asked)> {
        let number = self.asks.due(&Topic::Gate(name.to_owned(), action, moment), now)?;
        Some((number, (name.to_owned(), action, moment)))
    }

    /// All of them look at the same view, which is large.
    fn ask(&self, questions: Vec<(u64, Asked)>, out: &mut Out) {
        if questions.is_empty() {
            return;
        }
        let (config, view) = (self.config(), Arc::new(self.view()));
        for (number, (instance, action, moment)) in questions {
            let ask = Ask { moment, action, instance, config: config.clone(), view: Arc::clone(&view) };
            out.asks.push((number, Question::Gate(ask)));
        }
    }

    /// A gate has said Go. The world may have changed since the question: everything is looked at again.
    pub(crate) fn go(&mut self, name: &str, action: Action, moment: Moment, now: Millis, out: &mut Out) {
        match (moment, self.need(name, now)) {
            (Moment::Before, Next::Launch) => self.live_mut(name).admitted = true,
            (Moment::Before, Next::Disrupt(a)) if a == action && self.may_disrupt(name, action) => {
                self.stop(name, out);
            }
            (Moment::After, Next::Verify(_)) => self.verified(name),
            (Moment::After, Next::Retire) => self.retire(name),
            _ => {}
        }
        self.hurry_for(name);
    }

    fn verified(&mut self, name: &str) {
        let Some(record) = self.state.instances.get_mut(name) else { return };
        let first = !std::mem::replace(&mut record.deployed, true);
        if let Some(task) = &mut record.task {
            task.verified = true;
        }
        if first {
            // Who joins later may need to know whom it can join.
            self.touch(name);
        }
    }

    /// Kills the task; the record says so first.
    pub(crate) fn stop(&mut self, name: &str, out: &mut Out) {
        let Some(record) = self.state.instances.get_mut(name) else { return };
        let Some(task) = &mut record.task else { return };
        task.killing = !planted(Bug::ForgetStopping);
        let agent = record.placement.as_ref().map(|p| p.agent_id.clone()).unwrap_or_default();
        out.calls.push(task::kill(&task.id, &agent));
        self.live_mut(name).phase = Phase::Stopping;
    }

    /// The instance is gone for good, except for what it holds on the cluster.
    fn retire(&mut self, name: &str) {
        let Some(record) = self.state.instances.get_mut(name) else { return };
        record.retired = true;
        record.deployed = false;
        self.forget_if_empty(name);
    }

    /// Drops the record of a retired instance that holds nothing.
    pub(crate) fn forget_if_empty(&mut self, name: &str) {
        let empty = self
            .state
            .instances
            .get(name)
            .is_some_and(|r| r.retired && r.placement.is_none() && r.task.is_none());
        if empty && (!self.in_target(name) || self.destroying()) {
            self.state.instances.remove(name);
            self.live.remove(name);
            // What was known of it is not true of its successor under the same name.
            self.observed.remove(name);
        }
    }

    /// Destruction asks no gates: the operator has named the verb.
    fn stop_all(&mut self, needs: &[(String, Next)], out: &mut Out) {
        for (name, next) in needs {
            match next {
                Next::Disrupt(_) => self.stop(name, out),
                Next::Retire => self.retire(name),
                Next::Nothing
                | Next::Launch
                | Next::BackOff(_)
                | Next::Busy
                | Next::Verify(_)
                | Next::GivenUp
                | Next::CleanUp => {}
            }
        }
    }

    /// Everybody in the target serves as configured and nobody is on the way out.
    pub(crate) fn all_verified(&self, needs: &[(String, Next)]) -> bool {
        self.state.target.config.is_some()
            && !self.destroying()
            && self.problems.is_empty()
            && self.refused.is_empty()
            && (self.model.each_agent.is_none() || self.knows_agents())
            && needs
                .iter()
                .all(|(name, next)| matches!(next, Next::Nothing | Next::CleanUp) || self.is_timed(name))
    }

    fn settle_due(&mut self, needs: &[(String, Next)], now: Millis, out: &mut Out) {
        let look_again = self.settled && self.settle_at > now;
        if look_again || self.state.target.paused || !self.all_verified(needs) {
            return;
        }
        if let Some(number) = self.asks.due(&Topic::Settle, now) {
            self.settles = self.state.target.generation;
            out.asks.push((number, Question::Settle(self.config(), Arc::new(self.view()))));
        }
    }
}

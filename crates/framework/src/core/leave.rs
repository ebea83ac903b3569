//! How the framework of a destroyed service leaves the cluster: it says so until the master is known to have taken it.
//! Before that it goes by its id, also after a restart: otherwise the master would keep it for as long as its failover
//! timeout says, and with it its agents the ends of tasks that nobody acknowledges any more.

use std::sync::Arc;

use super::asks::Topic;
use super::event::Question;
use super::identity::End;
use super::next::Next;
use super::state::Identity;
use super::{Admission, Core, Link, Millis, Out, task};

/// The master is told again after so long, milliseconds, when nothing has come of it.
const AGAIN: Millis = 5_000;

impl Core {
    /// It leaves, and the master may not know it yet.
    pub(super) fn leaves(&self) -> bool {
        self.state.identity.leaving
    }

    /// Leaves the cluster once nothing is left to do there, and nowhere else.
    pub(super) fn finish_destroy(&mut self, now: Millis, out: &mut Out) {
        if self.leaves() {
            return self.leave(now, out);
        }
        if self.state.target.destroy.is_none() || self.destroyed() || !self.holds_nothing() {
            return;
        }
        if self.farewell {
            self.farewell = false;
            self.state.identity.leaving = true;
            self.leave(now, out);
        } else if let Some(number) = self.asks.due(&Topic::Farewell, now) {
            out.asks.push((number, Question::Farewell(self.config(), Arc::new(self.view()))));
        }
    }

    /// Nothing runs, and nothing is to be given back.
    fn holds_nothing(&self) -> bool {
        self.state.instances.values().all(|r| r.task.is_none() && r.retired)
            && self.state.instances.keys().all(|name| self.need(name, 0) != Next::CleanUp)
    }

    fn leave(&mut self, now: Millis, out: &mut Out) {
        if self.leave_at <= now {
            self.leave_at = now + AGAIN;
            out.calls.push(task::teardown());
        }
    }

    /// The master knows that this framework leaves.
    pub(super) fn left(&mut self) {
        if !self.leaves() {
            return;
        }
        self.state.identity = Identity::default();
        self.state.target.destroyed = true;
        if self.state.instances.values().all(|r| r.placement.is_none()) {
            self.state.facts.clear();
        }
        self.admission = Admission::default();
        self.link = Link::Connecting;
    }

    /// The master ends the subscription for good. Of a framework that leaves this is how it learns that it was heard.
    pub(super) fn refuse(&mut self, reason: String) {
        if self.leaves() && End::of(&reason) == End::Removed {
            self.left();
        } else {
            self.link = Link::Failed(reason);
        }
    }
}

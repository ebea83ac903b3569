//! Asking the master what has become of tasks: after every subscription, and now and then.

use cairn_planted::planted;

use super::planted::Bug;
use super::{Core, Millis, Out, task};
use crate::Phase;

const FIRST_AGAIN: Millis = 1_000;
const AGAIN_MAX: Millis = 30_000;
/// With nothing in doubt.
const ROUTINE: Millis = 600_000;
/// A launch or a kill that nobody has reported on for so long is asked about.
const SILENT: Millis = 30_000;

/// When to ask next.
#[derive(Debug, Default)]
pub(crate) struct Reconcile {
    next: Option<Millis>,
    tries: u32,
}

impl Reconcile {
    /// A new subscription: ask now.
    pub(crate) fn start(&mut self, now: Millis) {
        *self = Self { next: Some(now), tries: 0 };
    }

    /// Something may have got lost: ask soon.
    pub(crate) fn soon(&mut self, now: Millis) {
        self.tries = 0;
        self.next = Some(self.next.map_or(now + FIRST_AGAIN, |n| n.min(now + FIRST_AGAIN)));
    }

    pub(crate) fn wake_at(&self) -> Option<Millis> {
        self.next
    }

    /// The clock has gone back by so much.
    pub(crate) fn set_back(&mut self, by: Millis) {
        self.next = self.next.map(|at| at.saturating_sub(by));
    }

    fn advance(&mut self, doubt: bool, now: Millis) {
        let pause = if doubt { (FIRST_AGAIN << self.tries.min(10)).min(AGAIN_MAX) } else { ROUTINE };
        self.tries += 1;
        self.next = Some(now + pause);
    }
}

impl Core {
    /// Explicitly about every task on record, implicitly about all others; again until nothing is in doubt.
    pub(crate) fn reconcile_due(&mut self, now: Millis, out: &mut Out) {
        let silent = self.silent_at().is_some_and(|at| at <= now);
        if silent {
            self.reconcile.soon(now);
        }
        if self.reconcile.wake_at().is_none_or(|at| at > now) {
            return;
        }
        let tasks: Vec<(String, String)> = self
            .state
            .instances
            .values()
            .filter(|r| !(planted(Bug::AskOnlySome) && r.task.as_ref().is_some_and(|t| t.killing)))
            .filter_map(|r| {
                let agent = r.placement.as_ref().map(|p| p.agent_id.clone()).unwrap_or_default();
                Some((r.task.as_ref()?.id.clone(), agent))
            })
            .collect();
        if !tasks.is_empty() {
            out.calls.push(task::reconcile(&tasks));
        }
        if !planted(Bug::AskNoOthers) {
            out.calls.push(task::reconcile(&[]));
        }
        self.repeat_kills(out);
        self.doubt.ask_again();
        let doubt = silent || self.live.values().any(|l| l.phase == Phase::Reconciling);
        for live in self.live.values_mut().filter(|l| l.phase != Phase::Reconciling) {
            live.heard = now;
        }
        self.reconcile.advance(doubt, now);
    }

    /// When a launch or a kill has first had no report for too long.
    pub(crate) fn silent_at(&self) -> Option<Millis> {
        let running = self.state.instances.iter().filter(|(_, record)| record.task.is_some());
        let under_way = running
            .filter_map(|(name, _)| self.live.get(name))
            .filter(|live| matches!(live.phase, Phase::Staging | Phase::Stopping));
        under_way.map(|live| live.heard + SILENT).min()
    }

    /// A KILL may have been lost with its connection; killing twice is harmless.
    fn repeat_kills(&self, out: &mut Out) {
        for record in self.state.instances.values() {
            if let Some(task) = record.task.as_ref().filter(|t| t.killing && !planted(Bug::ForgetKill)) {
                let agent = record.placement.as_ref().map(|p| p.agent_id.clone()).unwrap_or_default();
                out.calls.push(task::kill(&task.id, &agent));
            }
        }
    }
}

//! When the master does not want this framework any more: what that means, and how it begins anew.

use super::admission::Admission;
use super::state::Identity;
use super::updates::unknown;
use super::{Core, Link};
use crate::rest::Problem;

/// Why the master has ended the subscription for good; the words are those of Mesos (src/master/master.cpp).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was torn down, or away for longer than its failover time-out. Its tasks have been ended.
    Removed,
    /// Another scheduler has subscribed with its id.
    FailedOver,
    /// Something else.
    Other,
}

impl End {
    pub(super) fn of(reason: &str) -> Self {
        match reason.to_ascii_lowercase() {
            text if text.contains("removed") || text.contains("torn down") => Self::Removed,
            text if text.contains("failed over") => Self::FailedOver,
            _ => Self::Other,
        }
    }
}

impl Core {
    /// The master's words with what an operator can do.
    pub(super) fn refusal(&self, reason: &str) -> String {
        match End::of(reason) {
            End::Removed => format!(
                "the master says: {reason}. It has ended what ran; places and volumes are kept. To register anew and \
                 launch everything where its data is: {}",
                self.reregister_command()
            ),
            End::FailedOver => format!(
                "the master says: {reason}. Another scheduler has taken its place: see to it that only one runs"
            ),
            End::Other => format!("the master says: {reason}"),
        }
    }

    /// The master has removed this framework, and ended its tasks with it.
    pub(super) fn is_removed(&self) -> bool {
        matches!(&self.link, Link::Failed(reason) if End::of(reason) == End::Removed)
    }

    pub(super) fn reregister_command(&self) -> String {
        let config = self.config();
        if config.stack.is_empty() {
            return "cairn reregister".to_owned();
        }
        format!("cairn reregister {}/{}", config.stack, config.service)
    }

    /// Forgets the id that the master has removed, and the tasks that it has ended with it. Places and volumes stay: what
    /// is launched again finds its data, and there is no second of anything. One that has never registered, because what
    /// runs under its name is on no record, gives that up, where `teardown` says so.
    ///
    /// An agent that was out of reach when its framework was removed ends the tasks when it comes back, before it offers
    /// their places again.
    ///
    /// # Errors
    /// When the master has not removed it, or when what runs is not to be given up.
    pub(super) fn reregister(&mut self, teardown: bool) -> Result<(), Problem> {
        if self.held().is_some() {
            return self.give_up_formers(teardown);
        }
        if !self.is_removed() {
            return Err(Problem::conflict("not-removed", "the master has not removed this framework")
                .hint("a framework that the master knows keeps its id; GET /v1/health says how it stands"));
        }
        self.state.identity = Identity::default();
        self.admission = Admission::default();
        for record in self.state.instances.values_mut() {
            record.task = None;
        }
        self.live = unknown(&self.state);
        self.link = Link::Connecting;
        Ok(())
    }
}

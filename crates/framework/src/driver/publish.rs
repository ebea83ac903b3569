//! Publishes what has changed, with a growing version.

use std::sync::Arc;

use tokio::sync::watch;

use super::Published;
use crate::core::{Core, Millis};

/// The writing end.
pub(crate) struct Publisher {
    sender: watch::Sender<Arc<Published>>,
    version: u64,
}

impl Publisher {
    pub(crate) fn new(start: Millis) -> (Self, watch::Receiver<Arc<Published>>) {
        let (sender, receiver) = watch::channel(Arc::default());
        // Versions go on growing over restarts, so that a client that waits for the next one does not wait for ever.
        (Self { sender, version: start }, receiver)
    }

    /// Publishes the core's state if anything in it differs from what was published last.
    pub(crate) fn publish(&mut self, core: &Core, now: Millis) {
        let last = self.sender.borrow().clone();
        let mut status = core.status(now);
        status.version = last.status.version;
        let (view, config, secrets) = (Arc::new(core.view()), core.config(), core.secrets().clone());
        let (operations, refusals) = (core.operations(), core.refusals());
        let same = status == last.status
            && view == last.view
            && config == last.config
            && secrets == last.secrets
            && operations == last.operations;
        if same && refusals.len() == last.refusals.len() && refusals.last() == last.refusals.last() {
            return;
        }
        if !same {
            self.version = (self.version + 1).max(last.status.version + 1);
        }
        status.version = self.version;
        let refusals = Arc::new(refusals);
        let published = Published { status, view, config, secrets, operations, refusals };
        self.sender.send_replace(Arc::new(published));
    }
}

//! A secret that each service of a stack has, and where it may be: sealed in the controller's store, and in files of tasks that
//! only their owner reads.

use std::collections::BTreeMap;

use cairn_controller::Secret;
use cairn_framework::Status;
use cairn_framework::store::Change;
use cairn_mesos::v1::TaskInfo;
use cairn_task::{FileMode, TaskSpec};

use crate::scheduler::self_name;
use crate::world::World;

/// What stack files call it.
pub(crate) const NAME: &str = "canary";
/// Occurs nowhere by chance.
const VALUE: &str = "correct-horse-battery-staple";
const RULE: &str = "a secret is read by its service only";

/// The secrets that a stack is applied with.
pub(crate) fn values() -> BTreeMap<String, Secret> {
    BTreeMap::from([(NAME.to_owned(), Secret::new(VALUE))])
}

fn shows(text: &[u8]) -> bool {
    str::from_utf8(text).is_ok_and(|text| text.contains(VALUE))
}

impl World {
    /// A store has this now.
    pub(crate) fn check_nothing_secret_stored(&mut self, index: usize, changes: &[Change]) {
        let open = changes.iter().find(|change| change.value.as_deref().is_some_and(shows));
        if let Some(change) = open.filter(|_| self.stack.is_some()) {
            self.violate(RULE, || format!("{} stores it in clear in {}", self_name(index), change.key));
        }
    }

    /// A task is launched: what others than its owner can read of it.
    pub(crate) fn check_nothing_secret_launched(&mut self, index: usize, task: &TaskInfo) {
        if self.stack.is_none() {
            return;
        }
        let mut spec: TaskSpec = serde_json::from_slice(task.data()).unwrap_or_default();
        spec.files.retain(|file| file.mode != FileMode::Private);
        let spec = serde_json::to_string(&spec).unwrap_or_default();
        let rest = format!("{:?}", TaskInfo { data: None, ..task.clone() });
        if shows(spec.as_bytes()) || shows(rest.as_bytes()) {
            self.violate(RULE, || {
                format!("{} launches {} with it in the open", self_name(index), task.task_id.value)
            });
        }
    }

    /// A scheduler says how it is.
    pub(crate) fn check_nothing_secret_answered(&mut self, status: &Status) {
        let text = serde_json::to_vec(status).unwrap_or_default();
        if shows(&text) {
            self.violate(RULE, || format!("{} has it in its status", status.framework));
        }
    }

    /// An operator is shown what an apply does, or why it does not.
    pub(crate) fn check_nothing_secret_shown(&mut self, verb: &str, text: &str) {
        if shows(text.as_bytes()) {
            self.violate(RULE, || format!("{verb} shows it"));
        }
    }
}

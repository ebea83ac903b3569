//! Notes what only the servers know: whether the ensemble exists, and who belongs to it.

use std::time::Duration;

use cairn_framework::{Handle, View};
use serde_json::{Value, json};

use crate::formation::{FOUNDING, Formation, MEMBERS};
use crate::survey::Survey;

/// Membership changes only through this scheduler, unless an operator does it by hand.
const PAUSE: Duration = Duration::from_secs(10);

/// Runs until the driver ends: on every change of state, and every so often.
pub(crate) async fn run(handle: Handle) {
    let mut changes = handle.subscribe();
    loop {
        changes.mark_unchanged();
        look(&handle, &handle.published().view).await;
        if let Ok(Err(_)) = tokio::time::timeout(PAUSE, changes.changed()).await {
            return;
        }
    }
}

async fn look(handle: &Handle, view: &View) {
    if let Some(value) = Formation::note(view) {
        handle.observe(MEMBERS, Value::Null).await;
        handle.observe(FOUNDING, value).await;
    }
    if !view.instances.values().any(cairn_framework::InstanceStatus::is_ready) {
        return;
    }
    let survey = Survey::take(view).await;
    if let Some(members) = survey.members() {
        handle.observe(MEMBERS, json!(members)).await;
        handle.observe(FOUNDING, Value::Array(Vec::new())).await;
    }
}

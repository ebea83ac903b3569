//! How all servers are at this moment, asked from themselves; and, noted for as long as this program runs, what only they
//! know: who belongs to the ensemble.

use std::time::Duration;

use cairn_framework::kit::ask_all;
use cairn_framework::kit::founding::watch_founding;
use cairn_framework::{Handle, InstanceStatus, Published, View};
use cairn_zookeeper_admin::{Ensemble, Report};
use serde_json::json;

use crate::formation::{MEMBERS, noted};
use crate::names::{CLIENT, id_of};

/// Membership changes only through this scheduler, unless an operator does it by hand.
const PAUSE: Duration = Duration::from_secs(10);

/// Asks every server that has a task, all at the same time.
pub(crate) async fn take(view: &View) -> Ensemble {
    let asked = ask_all(view, |instance| {
        let endpoint = instance.placement.as_ref().filter(|_| instance.task_id.is_some())?.endpoint(CLIENT);
        Some(async move { Report::of(&endpoint.ok_or("it has no client port")?).await })
    });
    Ensemble {
        servers: asked.await.into_iter().filter_map(|(name, said)| Some((id_of(&name)?, said))).collect(),
    }
}

/// Notes what the servers say, and remembers who founds the ensemble.
pub(crate) async fn note(handle: &Handle, published: &Published) -> Duration {
    let view = &published.view;
    if view.instances.values().any(InstanceStatus::is_ready)
        && let Some(members) = take(view).await.members()
    {
        handle.observe(MEMBERS, json!(members)).await;
    }
    let id = async |view: &View| Some(format!("{:x}", noted(view)?.version));
    watch_founding(handle, view, Some(view.target.clone()), id).await.min(PAUSE)
}

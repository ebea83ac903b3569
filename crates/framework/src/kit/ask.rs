//! Looking at a service: all of its instances at once, now or for ever.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;

use crate::{Handle, InstanceStatus, Published, View};

/// Asks instances all at the same time. `question` is none for those that there is nothing to ask.
pub async fn ask_all<F: Future>(
    view: &View,
    question: impl Fn(&InstanceStatus) -> Option<F>,
) -> BTreeMap<String, F::Output> {
    let asked = view.instances.iter().filter_map(|(name, instance)| {
        let answer = question(instance)?;
        Some(async move { (name.clone(), answer.await) })
    });
    join_all(asked).await.into_iter().collect()
}

/// Looks at every change of state, and again after the pause that `look` returns, until the driver ends: for
/// [`crate::Service::start`].
pub async fn watch(handle: Handle, look: impl AsyncFn(&Handle, &Published) -> Duration) {
    let mut changes = handle.subscribe();
    loop {
        let published = changes.borrow_and_update().clone();
        let pause = look(&handle, &published).await;
        if let Ok(Err(_)) = tokio::time::timeout(pause, changes.changed()).await {
            return;
        }
    }
}

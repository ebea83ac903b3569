//! Watchers: a long poll on the status of every child scheduler, so that what happens there is known here at once.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_framework::{Handle, Phase, Status, View};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::child::Observed;
use crate::model::API;
use cairn_framework::http::reason;

/// How long the child may hold an answer back.
const HOLD: Duration = Duration::from_secs(30);
/// What is added to that before the answer counts as lost.
const SLACK: Duration = Duration::from_secs(10);
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// One failed request is no news: a scheduler that takes a new configuration is away for a moment.
const FAILURES_TO_TELL: u32 = 3;

/// Keeps one watcher for every child that has an address, until the scheduler shuts down.
pub(crate) async fn watch_all(handle: Handle, client: reqwest::Client) {
    let mut changes = handle.subscribe();
    let mut watchers = Watchers::default();
    loop {
        let published = changes.borrow_and_update().clone();
        for gone in watchers.adjust(&wanted(&published.view), |instance, endpoint| {
            let following = Following::of(&published.view, instance);
            tokio::spawn(watch(
                handle.clone(),
                client.clone(),
                instance.to_owned(),
                endpoint.to_owned(),
                following,
            ))
        }) {
            let fact = unwatched(&published.view, &gone);
            handle.observe(gone, fact).await;
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// The fact about an instance that is not watched any more. One that will come back is remembered; its successor under the
/// same name is not mistaken for it.
pub fn unwatched(view: &View, instance: &str) -> Value {
    if view.instances.contains_key(instance) {
        Observed::of(view, instance).silent("it is not running".into()).fact()
    } else {
        Value::Null
    }
}

/// Every child that should answer, with where. One that comes up is asked the moment its task is ready, and not before.
pub fn wanted(view: &View) -> BTreeMap<String, String> {
    let launched = view.instances.iter().filter(|(_, i)| i.task_id.is_some() && answers(i.phase));
    launched.filter_map(|(name, i)| Some((name.clone(), i.placement.as_ref()?.endpoint(API)?))).collect()
}

fn answers(phase: Phase) -> bool {
    match phase {
        Phase::Ready | Phase::Unhealthy | Phase::Unreachable | Phase::Reconciling => true,
        Phase::Waiting
        | Phase::Staging
        | Phase::Starting
        | Phase::Running
        | Phase::Stopping
        | Phase::BackOff
        | Phase::Stopped
        | Phase::Finished
        | Phase::Failed => false,
    }
}

#[derive(Default)]
struct Watchers {
    running: BTreeMap<String, (String, JoinHandle<()>)>,
}

impl Watchers {
    /// Starts what is missing, ends what is not wanted any more, and says which instances are not watched now.
    fn adjust(
        &mut self,
        wanted: &BTreeMap<String, String>,
        start: impl Fn(&str, &str) -> JoinHandle<()>,
    ) -> Vec<String> {
        let mut gone = Vec::new();
        self.running.retain(|instance, (endpoint, task)| {
            let keep = wanted.get(instance) == Some(endpoint);
            if !keep {
                task.abort();
                if !wanted.contains_key(instance) {
                    gone.push(instance.clone());
                }
            }
            keep
        });
        for (instance, endpoint) in wanted {
            self.running
                .entry(instance.clone())
                .or_insert_with(|| (endpoint.clone(), start(instance, endpoint)));
        }
        gone
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        for (_, task) in self.running.values() {
            task.abort();
        }
    }
}

/// What one watcher knows of its child.
#[derive(Debug, Clone)]
pub struct Following {
    known: Observed,
    failures: u32,
    /// Version of the last status; the next one is asked for when there is a newer one.
    after: Option<u64>,
}

impl Following {
    /// Goes on from what the controller knows.
    pub fn of(view: &View, instance: &str) -> Self {
        Self { known: Observed::of(view, instance), failures: 0, after: None }
    }

    /// The child has answered; the fact that this makes.
    pub fn answered(&mut self, status: Status) -> Value {
        self.failures = 0;
        self.after = Some(status.version);
        self.known = Observed::answered(status);
        self.known.fact()
    }

    /// It has not; the fact, if that is one by now, and the pause before it is asked again.
    pub fn failed(&mut self, why: String) -> (Option<Value>, Duration) {
        self.failures = self.failures.saturating_add(1);
        // A new process counts its versions anew.
        self.after = None;
        let told = self.failures == FAILURES_TO_TELL;
        if told {
            self.known = std::mem::take(&mut self.known).silent(why);
        }
        (told.then(|| self.known.fact()), pause(self.failures))
    }
}

async fn watch(
    handle: Handle,
    client: reqwest::Client,
    instance: String,
    endpoint: String,
    mut following: Following,
) {
    loop {
        match poll(&client, &endpoint, &instance, following.after).await {
            Ok(status) => handle.observe(instance.clone(), following.answered(status)).await,
            Err(why) => {
                let (fact, pause) = following.failed(why);
                if let Some(fact) = fact {
                    handle.observe(instance.clone(), fact).await;
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
}

fn pause(failures: u32) -> Duration {
    RETRY_MIN.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(RETRY_MAX)
}

/// The status once it differs from version `after`; at once without.
async fn poll(
    client: &reqwest::Client,
    endpoint: &str,
    instance: &str,
    after: Option<u64>,
) -> Result<Status, String> {
    let (query, patience) = match after {
        Some(version) => (format!("?after={version}&wait_ms={}", HOLD.as_millis()), HOLD + SLACK),
        None => (String::new(), SLACK),
    };
    let url = format!("http://{endpoint}/v1/status{query}");
    let answer = client.get(url).timeout(patience).send().await.map_err(reason)?;
    if !answer.status().is_success() {
        return Err(format!("it answers {}", answer.status()));
    }
    let status: Status = answer.json().await.map_err(reason)?;
    // Ports are used again: whoever answers must be the one that was asked.
    if status.framework != instance {
        return Err(format!("{endpoint} is answered by another scheduler, `{}`", status.framework));
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Json;
    use axum::routing::get;

    use super::*;
    use crate::testing::{complete, serve};

    #[test]
    fn back_off_grows_and_is_bounded() {
        let pauses: Vec<u128> = (1..9).map(|n| pause(n).as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(pause(u32::MAX), RETRY_MAX);
    }

    #[tokio::test]
    async fn a_watcher_follows_its_child_and_its_address() {
        let started = AtomicUsize::new(0);
        let start = |_: &str, _: &str| {
            started.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(std::future::pending())
        };
        let mut watchers = Watchers::default();
        let at = |e: &str| BTreeMap::from([("a-b".to_owned(), e.to_owned())]);
        assert!(watchers.adjust(&at("x:1"), start).is_empty());
        assert!(watchers.adjust(&at("x:1"), start).is_empty());
        assert_eq!(started.load(Ordering::Relaxed), 1);
        assert!(watchers.adjust(&at("x:2"), start).is_empty(), "it has moved, it is not gone");
        assert_eq!(started.load(Ordering::Relaxed), 2);
        assert_eq!(watchers.adjust(&BTreeMap::new(), start), ["a-b"]);
    }

    #[tokio::test]
    async fn an_answer_of_another_scheduler_does_not_count() {
        let answer = Json(complete("demo-kafka", 1, &[]));
        let child = serve(axum::Router::new().route("/v1/status", get(async move || answer.clone()))).await;
        let client = cairn_framework::http::client().unwrap();
        assert!(poll(&client, &child, "demo-kafka", None).await.is_ok());
        let error = poll(&client, &child, "demo-zookeeper", None).await.unwrap_err();
        assert!(error.contains("answered by another scheduler, `demo-kafka`"), "{error}");
    }
}

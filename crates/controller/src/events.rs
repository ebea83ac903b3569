//! Events: what changed in the status tree, numbered, kept in a bounded ring so that a client can go on where it was.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::view::StackView;

/// How many events are kept for clients that come back.
const KEPT: usize = 2_048;
/// How many events a client may be behind before it is dropped.
const BEHIND: usize = 256;

/// One change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// Grows with every event of this run of the controller.
    pub id: u64,
    /// Milliseconds since 1970.
    pub time_ms: u64,
    /// Stack.
    pub stack: String,
    /// Service, unless it is about the stack as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Step of the service's plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Instance of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// What it is now: a state, a plan's status or a phase; `gone` if it is no more.
    pub status: String,
    /// Why.
    pub message: String,
}

/// A thing that has a status: stack, then service, then step or instance.
type Subject = (String, Option<String>, Option<String>, Option<String>);
type Snapshot = BTreeMap<Subject, (String, String)>;

/// The stream of events.
#[derive(Debug)]
pub(crate) struct Events {
    /// Tells apart the runs of the controller: numbers start anew with each.
    run: String,
    inner: Mutex<Inner>,
    sender: broadcast::Sender<Event>,
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    ring: VecDeque<Event>,
    snapshot: Snapshot,
}

/// What a new subscriber gets.
pub(crate) struct Subscription {
    /// Events it has missed.
    pub(crate) missed: Vec<Event>,
    /// Some of what it has missed is not kept any more.
    pub(crate) gap: bool,
    /// What comes.
    pub(crate) receiver: broadcast::Receiver<Event>,
}

impl Events {
    /// No events yet. `run` is different for each run of the controller.
    pub(crate) fn new(run: String) -> Self {
        Self { run, inner: Mutex::default(), sender: broadcast::channel(BEHIND).0 }
    }

    /// Publishes what differs between the last tree and this one. `now_ms` is the time since 1970.
    pub(crate) fn update(&self, stacks: &[StackView], now_ms: u64) {
        let next = snapshot(stacks);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for event in differences(&inner.snapshot, &next) {
            inner.last += 1;
            let event = Event { id: inner.last, time_ms: now_ms, ..event };
            if inner.ring.len() == KEPT {
                inner.ring.pop_front();
            }
            inner.ring.push_back(event.clone());
            // Without subscribers there is nobody to tell.
            let _ = self.sender.send(event);
        }
        inner.snapshot = next;
    }

    /// Subscribes after the event with the id `last`, as [`Self::id`] wrote it.
    pub(crate) fn subscribe(&self, last: Option<&str>) -> Subscription {
        // Under the lock, so that no event falls between what is missed and what comes.
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.sender.subscribe();
        let Some(last) = last else {
            return Subscription { missed: Vec::new(), gap: false, receiver };
        };
        let seen = last.strip_prefix(&self.run).and_then(|rest| rest.strip_prefix('-')?.parse::<u64>().ok());
        let missed: Vec<Event> = inner.ring.iter().filter(|e| e.id > seen.unwrap_or(0)).cloned().collect();
        let next = seen.map_or(0, |s| s + 1);
        let gap = seen.is_none() || missed.first().is_some_and(|e| e.id > next);
        Subscription { missed, gap, receiver }
    }

    /// An event's id for clients.
    pub(crate) fn id(&self, event: &Event) -> String {
        format!("{}-{}", self.run, event.id)
    }
}

fn snapshot(stacks: &[StackView]) -> Snapshot {
    let mut all = Snapshot::new();
    for stack in stacks {
        let name = || stack.name.clone();
        all.insert((name(), None, None, None), (word(&stack.state), stack.errors.join("; ")));
        for service in &stack.services {
            let of = || Some(service.name.clone());
            all.insert((name(), of(), None, None), (word(&service.state), service.message.clone()));
            for step in service.plan.iter().flat_map(|p| &p.phases).flat_map(|p| &p.steps) {
                let status = (word(&step.status), step.message.clone());
                all.insert((name(), of(), Some(step.id.clone()), None), status);
            }
            for instance in &service.instances {
                let status = (word(&instance.phase), instance.message.clone());
                all.insert((name(), of(), None, Some(instance.name.clone())), status);
            }
        }
    }
    all
}

/// The name under which a state is written in JSON.
fn word(state: &impl Serialize) -> String {
    serde_json::to_value(state).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn differences(old: &Snapshot, new: &Snapshot) -> Vec<Event> {
    let event = |(stack, service, step, instance): &Subject, status: &str, message: &str| Event {
        stack: stack.clone(),
        service: service.clone(),
        step: step.clone(),
        instance: instance.clone(),
        status: status.to_owned(),
        message: message.to_owned(),
        ..Event::default()
    };
    let changed = new
        .iter()
        .filter(|(subject, now)| old.get(*subject) != Some(now))
        .map(|(subject, (status, message))| event(subject, status, message));
    // The steps of an old plan go with it; nobody needs to hear of each.
    let gone = old
        .keys()
        .filter(|subject| subject.2.is_none() && !new.contains_key(*subject))
        .map(|subject| event(subject, "gone", ""));
    changed.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{complete, observe, options, status, view};

    fn tree(view: &cairn_framework::View) -> Vec<StackView> {
        crate::view::stacks(&options(), view)
    }

    fn lines(events: &[Event]) -> Vec<String> {
        let name = |e: &Event| {
            [Some(&e.stack), e.service.as_ref(), e.step.as_ref().or(e.instance.as_ref())]
                .into_iter()
                .flatten()
                .cloned()
                .collect::<Vec<_>>()
                .join("/")
        };
        events.iter().map(|e| format!("{} {} {}", name(e), e.status, e.message).trim().to_owned()).collect()
    }

    #[test]
    fn each_change_is_told_once_and_a_client_can_go_on_where_it_was() {
        let events = Events::new("r1".into());
        let mut view = view();
        events.update(&tree(&view), 1);
        let first = events.subscribe(Some("r1-0"));
        assert_eq!(
            lines(&first.missed),
            [
                "demo deploying",
                "demo/kafka waiting waits for its turn",
                "demo/zookeeper waiting waits for its turn"
            ]
        );
        assert!(!first.gap);
        events.update(&tree(&view), 2);
        assert!(events.subscribe(Some("r1-3")).missed.is_empty(), "nothing has changed");
        view.instances.entry("demo-zookeeper".into()).or_default().phase = cairn_framework::Phase::Ready;
        observe(&mut view, status("demo-zookeeper", 1));
        events.update(&tree(&view), 3);
        assert_eq!(
            lines(&events.subscribe(Some("r1-3")).missed),
            [
                "demo/zookeeper deploying server-1 starting",
                "demo/zookeeper/server-0 ready",
                "demo/zookeeper/server-1 starting"
            ]
        );
        observe(&mut view, complete("demo-zookeeper", 1, &[]));
        events.update(&tree(&view), 4);
        let last = events.subscribe(Some("r1-6")).missed;
        assert_eq!(lines(&last), ["demo/zookeeper ready", "demo/zookeeper/server-1 ready"]);
        assert_eq!((events.id(&last[1]).as_str(), last[1].time_ms), ("r1-8", 4));
    }

    #[test]
    fn a_client_of_an_earlier_run_gets_all_there_is_and_is_told() {
        let events = Events::new("r2".into());
        events.update(&tree(&view()), 1);
        let subscription = events.subscribe(Some("r1-900"));
        assert!(subscription.gap);
        assert_eq!(subscription.missed.len(), 3);
        assert!(events.subscribe(None).missed.is_empty());
    }

    #[test]
    fn the_ring_is_bounded() {
        let events = Events::new("r".into());
        for round in 0..2_000 {
            let mut stack = StackView { name: "demo".into(), ..StackView::default() };
            stack.errors = vec![round.to_string()];
            events.update(&[stack], round);
            events.update(&[], round);
        }
        let all = events.subscribe(Some("r-0"));
        assert_eq!(all.missed.len(), KEPT);
        assert!(all.gap);
    }
}

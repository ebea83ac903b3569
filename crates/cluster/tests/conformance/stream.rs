//! An open subscription, and what has come on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cairn_mesos::codec::{Body, MediaType};
use cairn_mesos::recordio::Decoder;
use cairn_mesos::v1::{executor, scheduler};
use futures_util::StreamExt;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::names::{Names, sum};

/// Largest record.
const CAP: usize = 8 << 20;

/// Whose conversation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Scheduler,
    Executor,
}

/// What came and has not been accounted for, and whether more can come.
#[derive(Debug, Default)]
struct Inbox {
    waiting: Vec<Value>,
    /// Every offer that has come, by its id.
    offers: BTreeMap<String, Value>,
    closed: bool,
}

/// A subscription that is read in the background.
#[derive(Debug)]
pub(crate) struct Stream {
    inbox: Arc<Mutex<Inbox>>,
    changed: watch::Receiver<u64>,
    reader: JoinHandle<()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Stream {
    pub(crate) fn read(response: reqwest::Response, media: MediaType, side: Side) -> Self {
        let inbox = Arc::new(Mutex::new(Inbox::default()));
        let (tell, changed) = watch::channel(0);
        let into = Arc::clone(&inbox);
        let reader = tokio::spawn(async move {
            let mut decoder = Decoder::new(CAP);
            let mut body = response.bytes_stream();
            while let Some(Ok(chunk)) = body.next().await {
                decoder.feed(&chunk);
                while let Ok(Some(record)) = decoder.next_record() {
                    let event = event(&record, media, side);
                    let mut inbox = into.lock().await;
                    for event in single(&event) {
                        if let Some(id) = event["offer"]["id"]["value"].as_str() {
                            inbox.offers.insert(id.to_owned(), event["offer"].clone());
                        }
                        inbox.waiting.push(event);
                    }
                    tell.send_modify(|n| *n += 1);
                }
            }
            into.lock().await.closed = true;
            tell.send_modify(|n| *n += 1);
        });
        Self { inbox, changed, reader }
    }

    /// Waits until what came holds what the recording has, and takes it away.
    ///
    /// # Errors
    /// How the nearest of what came differs, when the time is over.
    pub(crate) async fn expect(
        &mut self,
        theirs: &Value,
        names: &mut Names,
        patience: Duration,
    ) -> Result<(), String> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let tried = take(&mut self.inbox.lock().await.waiting, theirs, names);
            let Err(why) = tried else { return Ok(()) };
            if tokio::time::timeout_at(deadline, self.changed.changed()).await.is_err() {
                return Err(why);
            }
            if self.changed.has_changed().is_err() && self.inbox.lock().await.closed {
                return take(&mut self.inbox.lock().await.waiting, theirs, names);
            }
        }
    }

    /// What came first of what has not been looked at.
    pub(crate) async fn next(&self) -> Option<Value> {
        let mut inbox = self.inbox.lock().await;
        (!inbox.waiting.is_empty()).then(|| inbox.waiting.remove(0))
    }

    /// An offer that was taken back and made again, sooner than by Mesos, stands for what the old one stood for.
    pub(crate) async fn renew(&self, names: &mut Names) {
        let mut inbox = self.inbox.lock().await;
        while let Some((at, again)) = renewed(&inbox) {
            let id =
                |event: &Value, field: &str| event[field]["value"].as_str().unwrap_or_default().to_owned();
            let old = id(&inbox.waiting[at]["rescind"], "offer_id");
            let new = id(&inbox.waiting[again]["offer"], "id");
            names.replace(&old, &new);
            inbox.waiting.remove(again);
            inbox.waiting.remove(at);
        }
    }

    /// Waits for the end of the stream.
    pub(crate) async fn closed(&mut self, patience: Duration) -> bool {
        let deadline = tokio::time::Instant::now() + patience;
        while !self.inbox.lock().await.closed {
            if tokio::time::timeout_at(deadline, self.changed.changed()).await.is_err() {
                return false;
            }
        }
        true
    }

    /// What has come that the recording does not have. Offers and what becomes of them apart: how many there are is the
    /// allocator's affair.
    pub(crate) async fn left_over(&self) -> Vec<Value> {
        let incidental = ["OFFERS", "RESCIND"].map(Value::from);
        self.inbox.lock().await.waiting.iter().filter(|e| !incidental.contains(&e["type"])).cloned().collect()
    }
}

/// What a record says, as JSON.
fn event(record: &[u8], media: MediaType, side: Side) -> Value {
    fn read<E: Body + Serialize>(record: &[u8]) -> Option<Value> {
        serde_json::to_value(MediaType::Protobuf.decode::<E>(record).ok()?).ok()
    }
    let event = match (media, side) {
        (MediaType::Json, _) => serde_json::from_slice(record).ok(),
        (MediaType::Protobuf, Side::Scheduler) => read::<scheduler::Event>(record),
        (MediaType::Protobuf, Side::Executor) => read::<executor::Event>(record),
    };
    event.unwrap_or(Value::Null)
}

/// A RESCIND, and after it the same offer as before.
fn renewed(inbox: &Inbox) -> Option<(usize, usize)> {
    let waiting = inbox.waiting.iter().enumerate();
    let mut rescinds = waiting.filter(|(_, event)| event["type"] == "RESCIND");
    rescinds.find_map(|(at, event)| {
        let old = inbox.offers.get(event["rescind"]["offer_id"]["value"].as_str()?)?;
        let same = |event: &Value| {
            let new = &event["offer"];
            event["type"] == "OFFERS"
                && new["agent_id"] == old["agent_id"]
                && sum(&[new["resources"].clone()]) == sum(&[old["resources"].clone()])
        };
        let after = inbox.waiting.iter().skip(at).position(same)?;
        Some((at, at + after))
    })
}

/// An event, or each of the offers of one; heartbeats are left out.
pub(crate) fn single(event: &Value) -> Vec<Value> {
    match event["type"].as_str() {
        Some("HEARTBEAT") => Vec::new(),
        Some("OFFERS") => {
            let offers = event["offers"]["offers"].as_array().cloned().unwrap_or_default();
            offers.into_iter().map(|o| json!({ "type": "OFFERS", "offer": o })).collect()
        }
        _ => vec![event.clone()],
    }
}

fn take(waiting: &mut Vec<Value>, theirs: &Value, names: &mut Names) -> Result<(), String> {
    let mut nearest = None;
    // The events of one task have an order.
    let task = |e: &Value| e["update"]["status"]["task_id"]["value"].as_str().map(str::to_owned);
    for at in 0..waiting.len() {
        let ours = &waiting[at];
        let first = task(theirs).is_none() || !waiting[..at].iter().any(|e| task(e) == task(theirs));
        if ours["type"] != theirs["type"] || !first {
            continue;
        }
        match names.unify(theirs, ours) {
            Ok(()) => {
                waiting.remove(at);
                return Ok(());
            }
            Err(why) => nearest = Some(nearest.unwrap_or(why)),
        }
    }
    if theirs["type"] == "OFFERS" && several(waiting, theirs, names) {
        return Ok(());
    }
    let came: Vec<String> = waiting.iter().map(shortly).collect();
    Err(nearest.unwrap_or_else(|| "no such event came".into()) + &format!("; there are {came:?}"))
}

fn shortly(event: &Value) -> String {
    let status = &event["update"]["status"];
    match event["type"].as_str() {
        Some("UPDATE") => format!("{} {}", status["task_id"]["value"], status["state"]),
        Some("OFFERS") => {
            let amounts = sum(&[event["offer"]["resources"].clone()]);
            let names = |key: &str| {
                key.split("name=").nth(1).unwrap_or_default().replace(" type=", " ").replace('"', "")
            };
            let amounts = amounts.iter().map(|(key, amount)| format!("{}={amount}", names(key)));
            format!("OFFER {}", amounts.collect::<Vec<_>>().join(" "))
        }
        other => other.unwrap_or_default().to_owned(),
    }
}

/// Most offers of one agent that are looked at together: there are so many choices of them as subsets.
const TOGETHER: usize = 12;

/// One offer of Mesos as two or more of ours, of the same agent. Which of ours came first does not count: what tasks and their
/// executor leave may be offered in any order.
fn several(waiting: &mut Vec<Value>, theirs: &Value, names: &mut Names) -> bool {
    let agent = |offer: &Value| offer["offer"]["agent_id"]["value"].clone();
    let wanted = sum(&[theirs["offer"]["resources"].clone()]);
    let theirs_agent = names.translate(&agent(theirs));
    let mine: Vec<usize> = (0..waiting.len())
        .filter(|at| waiting[*at]["type"] == "OFFERS" && agent(&waiting[*at]) == theirs_agent)
        .take(TOGETHER)
        .collect();
    let subset = |bits: u32| -> Vec<usize> {
        mine.iter().enumerate().filter(|(n, _)| bits & (1 << n) != 0).map(|(_, at)| *at).collect()
    };
    let comes_to_it = |chosen: &Vec<usize>| {
        let resources: Vec<Value> =
            chosen.iter().map(|at| waiting[*at]["offer"]["resources"].clone()).collect();
        chosen.len() >= 2 && sum(&resources) == wanted
    };
    let Some(chosen) = (0..1 << mine.len()).map(subset).find(comes_to_it) else { return false };
    let id = |offer: &Value| offer["offer"]["id"]["value"].as_str().unwrap_or_default().to_owned();
    names.bind(&id(theirs), chosen.iter().map(|at| id(&waiting[*at])).collect());
    for at in chosen.iter().rev() {
        waiting.remove(*at);
    }
    true
}

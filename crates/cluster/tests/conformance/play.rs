//! Plays a recording against a cluster: asks what was asked, in the same order, each time once all has come that had
//! come by then, and notes what is different.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cairn_mesos::codec::MediaType;
use cairn_mesos::v1::scheduler;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::time::Instant;

use crate::names::Names;
use crate::recording::{Item, Recording, Request, Response};
use crate::stream::{Stream, single};

/// How long something that came may take; Mesos repeats an update after 10 s and 20 s.
const PATIENCE: Duration = Duration::from_secs(25);
/// The same, once something has been found to be different: more of it is likely to be.
const IMPATIENCE: Duration = Duration::from_secs(2);
/// How long acknowledgements take to reach everybody.
const REST: Duration = Duration::from_millis(5);
/// How long a surplus event is waited for at the end.
const SILENCE: Duration = Duration::from_millis(300);

/// An event of the recording that is still to come.
struct Due {
    at_ms: f64,
    conn: String,
    what: What,
}

enum What {
    Event(Value),
    /// The server ended the stream.
    End,
    /// The client does.
    Hangup,
}

pub(crate) struct Player {
    address: SocketAddr,
    /// How calls of schedulers are written; the recording's are JSON.
    media: MediaType,
    agents: Vec<SocketAddr>,
    work_dir: PathBuf,
    client: reqwest::Client,
    pub(crate) names: Names,
    streams: BTreeMap<String, Stream>,
    due: Vec<Due>,
    /// When a client closed a stream, in the recording and here: what follows depends on how long it stayed away.
    hangup: Option<(f64, Instant)>,
    pub(crate) differences: Vec<String>,
}

impl Player {
    /// `agents` are those of the recording, in the order in which it numbers them.
    pub(crate) fn new(
        address: SocketAddr,
        agents: Vec<SocketAddr>,
        work_dir: PathBuf,
        media: MediaType,
    ) -> Self {
        cairn_mesos::client::install_crypto();
        Self {
            address,
            media,
            agents,
            work_dir,
            client: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            names: Names::default(),
            streams: BTreeMap::new(),
            due: Vec::new(),
            hangup: None,
            differences: Vec::new(),
        }
    }

    /// All of a recording.
    pub(crate) async fn play(&mut self, recording: &Recording) {
        for item in &recording.items {
            self.come(item.at_ms).await;
            self.stay_away(item.at_ms).await;
            if let (Some(request), Some(response)) = (&item.request, &item.response) {
                self.exchange(item, request, response).await;
            }
            if self.differences.len() > 8 {
                self.differences.push("…".into());
                return;
            }
        }
        self.come(f64::INFINITY).await;
        tokio::time::sleep(SILENCE).await;
        for (conn, stream) in &self.streams {
            for event in stream.left_over().await {
                self.differences.push(format!("{conn}: Mesos does not say: {event}"));
            }
        }
    }

    /// Waits as long after a closed stream as the recording did.
    async fn stay_away(&self, at_ms: f64) {
        if let Some((closed_ms, closed)) = self.hangup {
            let away = Duration::from_secs_f64((at_ms - closed_ms).max(0.0) / 1000.0);
            tokio::time::sleep_until(closed + away).await;
        }
    }

    fn patience(&self) -> Duration {
        if self.differences.is_empty() { PATIENCE } else { IMPATIENCE }
    }

    /// Waits for all that had come by `at_ms`.
    async fn come(&mut self, at_ms: f64) {
        self.due.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
        while self.due.first().is_some_and(|due| due.at_ms <= at_ms) {
            let due = self.due.remove(0);
            let patience = self.patience();
            let Some(stream) = self.streams.get_mut(&due.conn) else { continue };
            match due.what {
                What::Event(theirs) => {
                    if let Err(why) = stream.expect(&theirs, &mut self.names, patience).await {
                        let what = theirs["type"].as_str().unwrap_or_default().to_owned();
                        let detail = theirs["update"]["status"]["state"].as_str().unwrap_or_default();
                        self.differences
                            .push(format!("{} at {}: {what} {detail}: {why}", due.conn, due.at_ms));
                    }
                }
                What::End if stream.closed(patience).await => {}
                What::End => {
                    self.differences.push(format!("{}: the stream goes on, Mesos ended it", due.conn))
                }
                What::Hangup => {
                    self.stay_away(due.at_ms).await;
                    self.streams.remove(&due.conn);
                    self.hangup = Some((due.at_ms, Instant::now()));
                }
            }
        }
    }

    async fn exchange(&mut self, item: &Item, request: &Request, expected: &Response) {
        self.settle(item).await;
        for stream in self.streams.values() {
            stream.renew(&mut self.names).await;
        }
        let dir = self.work_dir.join(format!("agent-{}", self.first_agent() + 1));
        self.names.bind("$WORKDIR", vec![dir.display().to_string()]);
        // A bug of Mesos, which nobody has to copy: the master died.
        let died = expected.closed_without_response.is_some();
        if died {
            self.due.clear();
        }
        let answer = match self.ask(&item.conn, request).await {
            Ok(answer) => answer,
            Err(error) => return self.differences.push(format!("{}: no answer: {error}", item.n)),
        };
        let status = answer.status().as_u16();
        if !died && expected.status != Some(status) {
            let asked = request.body_json.as_ref().map_or(Value::Null, |b| b["type"].clone());
            self.differences
                .push(format!("{}: {asked} is answered {status}, by Mesos {:?}", item.n, expected.status));
        }
        let challenge = |headers: Option<&str>| headers.map(str::to_owned);
        let theirs = challenge(expected.headers.get("WWW-Authenticate").and_then(Value::as_str));
        let ours = challenge(answer.headers().get("WWW-Authenticate").and_then(|value| value.to_str().ok()));
        if theirs != ours {
            self.differences.push(format!("{}: asks for {ours:?}, Mesos for {theirs:?}", item.n));
        }
        let (Some(theirs), Some(ours)) = (
            expected.headers.get("Mesos-Stream-Id").and_then(Value::as_str),
            answer.headers().get("Mesos-Stream-Id"),
        ) else {
            if let Some(body) = &expected.body_json {
                let ours: Value = answer.json().await.unwrap_or(Value::Null);
                // A bare map of metrics.
                if request.path.ends_with("/metrics/snapshot") {
                    let known = |name: &String| body.get(name).is_some();
                    let own = ours.as_object().into_iter().flatten();
                    let more: Vec<&String> = own.map(|(name, _)| name).filter(|name| !known(name)).collect();
                    if !more.is_empty() {
                        self.differences.push(format!("{}: no metrics of Mesos: {more:?}", item.n));
                    }
                    return;
                }
                if let Err(why) = self.names.unify(body, &ours) {
                    self.differences.push(format!("{}: {why}", item.n));
                }
            } else if expected.events.is_some() {
                self.open(item, expected, answer);
            }
            return;
        };
        self.names.bind(theirs, vec![ours.to_str().unwrap_or_default().to_owned()]);
        self.open(item, expected, answer);
    }

    /// Operators look at what is there at this moment: what is under way has to come to rest first.
    async fn settle(&self, item: &Item) {
        if item.conn.starts_with("agent") || item.conn.starts_with("operator") {
            tokio::time::sleep(REST).await;
        }
    }

    fn open(&mut self, item: &Item, expected: &Response, answer: reqwest::Response) {
        // One connection may have been used for several subscriptions in turn.
        let conn = format!("{} {}", item.conn, item.n);
        for event in expected.events.iter().flatten() {
            let due = |theirs| Due { at_ms: event.at_ms, conn: conn.clone(), what: What::Event(theirs) };
            self.due.extend(single(&event.json).into_iter().map(due));
        }
        let end = match expected.closed_by.as_deref() {
            Some(by) if by.starts_with("server") => Some(What::End),
            Some("client") => Some(What::Hangup),
            _ => None,
        };
        if let (Some(what), Some(at_ms)) = (end, expected.closed_at_ms) {
            self.due.push(Due { at_ms, conn: conn.clone(), what });
        }
        let media = answer.headers().get("Content-Type").and_then(|kind| kind.to_str().ok());
        let media = media.and_then(MediaType::from_content_type).unwrap_or_default();
        self.streams.insert(conn, Stream::read(answer, media));
    }

    /// Which of ours stands for the recording's first agent.
    fn first_agent(&self) -> usize {
        let number = self.names.ending("-S0").and_then(|id| id.rsplit("-S").next()?.parse().ok());
        number.unwrap_or_default()
    }

    async fn ask(&self, conn: &str, request: &Request) -> Result<reqwest::Response, reqwest::Error> {
        let agent = conn.starts_with("agent").then(|| self.agents[self.first_agent()]);
        let agent = agent.as_ref();
        let url = format!("http://{}{}", agent.unwrap_or(&self.address), self.names.within(&request.path));
        let method = request.method.parse().unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let value = self.names.translate(value);
            let name: HeaderName = name.parse().unwrap();
            headers.insert(name, HeaderValue::from_str(value.as_str().unwrap_or_default()).unwrap());
        }
        let is_call = request.path.ends_with("/scheduler") && self.media == MediaType::Protobuf;
        let body = match (&request.body_json, &request.body_text) {
            (Some(json), _) if is_call => {
                for name in ["Content-Type", "Accept"] {
                    headers.insert(name, HeaderValue::from_str(MediaType::Protobuf.as_str()).unwrap());
                }
                let call: scheduler::Call = serde_json::from_value(self.names.translate(json)).unwrap();
                MediaType::Protobuf.encode(&call).unwrap()
            }
            (Some(json), _) => self.names.translate(json).to_string().into_bytes(),
            (None, Some(text)) => self.names.within(text).into_bytes(),
            (None, None) => Vec::new(),
        };
        self.client.request(method, url).headers(headers).body(body).send().await
    }
}

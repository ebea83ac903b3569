//! Plays a recording against a cluster: asks what was asked, in the same order, each time once all has come that had
//! come by then, and notes what is different.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cairn_mesos::codec::{Body, MediaType};
use cairn_mesos::v1::{executor, scheduler};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use crate::executor::Executors;
use crate::names::Names;
use crate::recording::{Item, Process, Recording, Request, Response};
use crate::stage::{Stage, work_dir};
use crate::stream::{Side, Stream, single};
use crate::text::{same_output, same_subjects};

/// How long something that came may take; Mesos repeats an update after 10 s and 20 s.
const PATIENCE: Duration = Duration::from_secs(25);
/// The same, once something has been found to be different: more of it is likely to be.
const IMPATIENCE: Duration = Duration::from_secs(2);
/// How long acknowledgements take to reach everybody.
const REST: Duration = Duration::from_millis(5);
/// How long a surplus event is waited for at the end.
const SILENCE: Duration = Duration::from_millis(300);
/// The longest that all are left alone before something fails.
const LONG_SILENCE: Duration = Duration::from_secs(1);
/// Actions by which somebody is gone from one moment to the next.
const FAULTS: [&str; 3] = ["kill -9 of the agent", "kill -9 of the master", "kill -9 of the executor"];

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
    stage: Stage,
    executors: Executors,
    /// How calls of schedulers are written; the recording's are JSON.
    media: MediaType,
    work_dir: PathBuf,
    client: reqwest::Client,
    pub(crate) names: Names,
    streams: BTreeMap<String, Stream>,
    due: Vec<Due>,
    /// When a client closed a stream, in the recording and here: what follows depends on how long it stayed away.
    hangup: Option<(f64, Instant)>,
    /// The same of the last request.
    asked: Option<(f64, Instant)>,
    /// And of the beginning.
    began: Option<(f64, Instant)>,
    pub(crate) differences: Vec<String>,
}

impl Player {
    /// Plays on `stage`, whose agents keep what is theirs in `work_dir`.
    pub(crate) fn new(stage: Stage, work_dir: PathBuf, media: MediaType) -> Self {
        cairn_mesos::client::install_crypto();
        let executors = Executors::new(work_dir.join("executor"));
        let mut names = Names::default();
        names.bind("$EXECUTOR_DIR", vec![executors.dir().display().to_string()]);
        Self {
            stage,
            executors,
            media,
            work_dir,
            client: client(),
            names,
            streams: BTreeMap::new(),
            due: Vec::new(),
            hangup: None,
            asked: None,
            began: None,
            differences: Vec::new(),
        }
    }

    /// Ends the conversation; gives what differed.
    pub(crate) async fn end(self) -> Vec<String> {
        drop(self.streams);
        self.stage.shutdown().await;
        self.differences
    }

    /// All of a recording.
    pub(crate) async fn play(&mut self, recording: &Recording) {
        for item in &recording.items {
            self.began.get_or_insert((item.at_ms, Instant::now()));
            match item.action {
                // What is said of the whole comes after all that is said before.
                Some(_) => self.come(item.at_ms, None).await,
                None => self.come(item.at_ms, Some(party(&item.conn))).await,
            }
            self.stay_away(item.at_ms).await;
            if let Some(action) = &item.action {
                self.act(action, item).await;
            }
            if let (Some(request), Some(response)) = (&item.request, &item.response) {
                self.exchange(item, request, response).await;
                self.asked = Some((item.at_ms, Instant::now()));
            }
            if self.differences.len() > 8 {
                self.differences.push("…".into());
                return;
            }
        }
        self.come(f64::INFINITY, None).await;
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

    /// Waits for all that had come by `at_ms`, for one party or for all: each was recorded by a clock of its own. An executor
    /// waits for no acknowledgement before it says more.
    async fn come(&mut self, at_ms: f64, for_whom: Option<&str>) {
        self.due.sort_by(|a, b| a.at_ms.total_cmp(&b.at_ms));
        let holds_up = |due: &Due| match &due.what {
            What::Event(event) => event["type"] != "ACKNOWLEDGED",
            What::End | What::Hangup => true,
        };
        let is_next = |due: &Due| {
            due.at_ms <= at_ms && for_whom.is_none_or(|one| party(&due.conn) == one && holds_up(due))
        };
        while let Some(next) = self.due.iter().position(is_next) {
            let due = self.due.remove(next);
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

    /// Does what was done outside of HTTP. Whatever else a recording says of itself is a note.
    async fn act(&mut self, action: &str, item: &Item) {
        let is = |beginning: &str| action.starts_with(beginning);
        if FAULTS.iter().any(|fault| is(fault)) {
            self.calm_down(item.at_ms).await;
        }
        if is("executor process started") {
            return self.meet(&item.process).await;
        } else if is("executor exits") {
            return self.executors.exit_last();
        } else if let Some(executor) = action.strip_prefix("kill -9 of the executor process ") {
            return self.executors.kill(executor);
        } else if is("kill -9 of the agent") {
            self.stage.parts().end_agent().await;
        } else if is("agent started again") {
            self.stage.parts().start_agent().await;
        } else if is("SIGUSR1 to the agent") {
            self.stage.parts().unregister_agent();
        } else if is("kill -9 of the master") {
            self.stage.parts().end_master().await;
        } else if is("master started again") {
            self.stage.parts().start_master().await;
        } else if is("the agent reaches the new master") {
            // What came about by itself in the meantime has to come about here.
            let (first_ms, began) = self.began.unwrap_or((item.at_ms, Instant::now()));
            let since = Duration::from_secs_f64((item.at_ms - first_ms).max(0.0) / 1000.0);
            tokio::time::sleep_until(began + since).await;
            self.stage.parts().join();
        }
        // Connections that were kept for the next request may be of those who are gone.
        self.client = client();
    }

    /// What was said last reaches everybody before something fails, as it did there.
    async fn calm_down(&self, at_ms: f64) {
        let Some((asked_ms, asked)) = self.asked else { return };
        let calm = Duration::from_secs_f64((at_ms - asked_ms).max(0.0) / 1000.0);
        tokio::time::sleep_until(asked + calm.clamp(SILENCE, LONG_SILENCE)).await;
    }

    /// Compares what an executor was given with what it was given by Mesos.
    async fn meet(&mut self, theirs: &Process) {
        let own = |name: &str| theirs.environment.get(name).map(String::as_str).unwrap_or_default();
        let executor = own("MESOS_EXECUTOR_ID");
        let framework = self.names.within(own("MESOS_FRAMEWORK_ID"));
        let Some(ours) = self.executors.started(&framework, executor).await else {
            return self.differences.push(format!("the executor {executor} does not start"));
        };
        let agent = self.stage.agents()[self.first_agent()];
        self.names.bind(own("MESOS_AGENT_ENDPOINT"), vec![agent.to_string()]);
        self.names.bind(own("MESOS_SLAVE_PID"), vec![format!("slave(1)@{agent}")]);
        let argv = theirs.argv.iter().skip(1).cloned().collect();
        let theirs = serde_json::to_value(Process { argv, ..theirs.clone() }).unwrap();
        if let Err(why) = self.names.unify(&theirs, &ours) {
            self.differences.push(format!("executor {executor}: {why}"));
        }
    }

    pub(crate) async fn exchange(&mut self, item: &Item, request: &Request, expected: &Response) {
        self.settle(item).await;
        for stream in self.streams.values() {
            stream.renew(&mut self.names).await;
        }
        let dir = work_dir(&self.work_dir, self.first_agent() + 1);
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
                    if let Err(why) = crate::metrics::compare(&self.names, body, &ours) {
                        self.differences.push(format!("{}: {why}", item.n));
                    }
                    return;
                }
                let ours = match &item.data_text {
                    Some(text) => self.compare_file(item.n, request, text, ours),
                    None => ours,
                };
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

    /// Compares the text of a file, and takes it out of the answer.
    fn compare_file(&mut self, n: u32, request: &Request, theirs: &str, mut ours: Value) -> Value {
        let file = ours["read_file"].as_object_mut();
        let data = file.and_then(|file| file.remove("data")).unwrap_or_default();
        let bytes = BASE64_STANDARD.decode(data.as_str().unwrap_or_default()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let path = request.body_json.as_ref().map_or(Value::Null, |body| body["read_file"]["path"].clone());
        let is_log = path.as_str().is_some_and(|path| path.ends_with("stderr"));
        let same =
            if is_log { same_subjects(theirs, &text) } else { same_output(theirs, &text, &self.names) };
        if let Err(why) = same {
            self.differences.push(format!("{n}: {why}"));
        }
        ours
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
        self.streams.insert(conn, Stream::read(answer, media, side(&item.conn)));
    }

    /// Which of ours stands for the recording's first agent.
    fn first_agent(&self) -> usize {
        let number = self.names.ending("-S0").and_then(|id| id.rsplit("-S").next()?.parse().ok());
        number.unwrap_or_default()
    }

    pub(crate) async fn ask(
        &mut self,
        conn: &str,
        request: &Request,
    ) -> Result<reqwest::Response, reqwest::Error> {
        let asked = if conn.starts_with("agent") || side(conn) == Side::Executor {
            self.stage.agents()[self.first_agent()]
        } else {
            self.stage.master()
        };
        let url = format!("http://{asked}{}", self.names.within(&request.path));
        let method = request.method.parse().unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let value = self.names.translate(value);
            let name: HeaderName = name.parse().unwrap();
            headers.insert(name, HeaderValue::from_str(value.as_str().unwrap_or_default()).unwrap());
        }
        let is_call = request.path.ends_with("/scheduler") && self.media == MediaType::Protobuf;
        let recorded = headers.get("Content-Type").and_then(|kind| kind.to_str().ok());
        let is_executors = recorded == Some(MediaType::Protobuf.as_str()) && side(conn) == Side::Executor;
        if let Some(uuid) = request.body_json.as_ref().and_then(|b| b["update"]["status"]["uuid"].as_str()) {
            // An executor's own name for what it says stays as it is.
            self.names.bind(uuid, vec![uuid.to_owned()]);
        }
        let body = match (&request.body_json, &request.body_text) {
            (Some(json), _) if is_call => {
                for name in ["Content-Type", "Accept"] {
                    headers.insert(name, HeaderValue::from_str(MediaType::Protobuf.as_str()).unwrap());
                }
                protobuf::<scheduler::Call>(self.names.translate(json))
            }
            (Some(json), _) if is_executors => protobuf::<executor::Call>(self.names.translate(json)),
            (Some(json), _) => self.names.translate(json).to_string().into_bytes(),
            (None, Some(text)) => self.names.within(text).into_bytes(),
            (None, None) => Vec::new(),
        };
        self.client.request(method, url).headers(headers).body(body).send().await
    }
}

fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    client.build().unwrap()
}

fn protobuf<C: Body + DeserializeOwned>(call: Value) -> Vec<u8> {
    MediaType::Protobuf.encode(&serde_json::from_value::<C>(call).unwrap()).unwrap()
}

fn side(conn: &str) -> Side {
    if conn.contains("executor") { Side::Executor } else { Side::Scheduler }
}

/// Who talks on a connection: `executor-ID-stream` and `executor-ID-calls` are one, and everybody else is one.
fn party(conn: &str) -> &str {
    let mut parts = conn.splitn(3, '-');
    match (parts.next(), parts.next()) {
        (Some("executor"), Some(id)) => id,
        _ => "",
    }
}

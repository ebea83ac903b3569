//! The executor's side of the API: a subscription to the agent that outlives the agent's restarts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::backoff::{Backoff, random};
use super::http::Http;
use super::stream::EventStream;
use super::{ClientError, ExecutorEnvironment, Options};
use crate::v1::TaskStatus;
use crate::v1::executor::call::{Message, Subscribe, Type as CallType, Update};
use crate::v1::executor::event::{Subscribed, Type as EventType};
use crate::v1::executor::{Call, Event};

const PATH: &str = "/api/v1/executor";
/// For the first subscription, where the framework does not checkpoint and the agent gives no time.
const FIRST_SUBSCRIPTION: Duration = Duration::from_secs(30);

/// What a subscription brings.
#[derive(Debug)]
pub enum ExecutorEvent {
    /// The subscription stands, for the first time or after the agent came back.
    Subscribed(Box<Subscribed>),
    /// Any other event but heartbeats.
    Event(Box<Event>),
    /// The agent is gone; the client tries again by itself. Tasks go on.
    Disconnected {
        /// Why.
        reason: ClientError,
        /// When it will be tried again.
        retry_in: Duration,
    },
    /// The agent stayed away for longer than the recovery timeout, or the framework does not checkpoint: stop the tasks
    /// and end. Nothing follows.
    Lost {
        /// Why.
        reason: ClientError,
    },
}

/// What the agent has not acknowledged yet: asked for at each subscription.
pub type Unacknowledged = dyn Fn() -> Subscribe + Send + Sync;

/// An executor's connection to its agent. Clones share it; it ends with the last of them.
#[derive(Debug, Clone)]
pub struct ExecutorClient(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    subscriber: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.subscriber.abort();
    }
}

struct Shared {
    http: Http,
    environment: ExecutorEnvironment,
    url: Url,
    unacknowledged: Box<Unacknowledged>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Shared").field("url", &self.url).finish_non_exhaustive()
    }
}

impl ExecutorClient {
    /// Starts to subscribe, as the one that the environment says, and gives the events through a bounded channel.
    /// `unacknowledged` is asked at each subscription for the tasks and updates that the agent has not acknowledged.
    ///
    /// # Errors
    /// The client cannot be made as the options say. That the agent does not answer comes as an event.
    pub fn connect(
        environment: ExecutorEnvironment,
        mut options: Options,
        unacknowledged: impl Fn() -> Subscribe + Send + Sync + 'static,
    ) -> Result<(Self, mpsc::Receiver<ExecutorEvent>), ClientError> {
        let (sender, receiver) = mpsc::channel(options.queue.max(1));
        options.access = environment.access().map_err(|error| ClientError::Setup(error.to_string()))?;
        let mut url = environment.agent.clone();
        url.set_path(PATH);
        let http = Http::new(std::slice::from_ref(&url), options)?;
        let shared = Arc::new(Shared { http, environment, url, unacknowledged: Box::new(unacknowledged) });
        let subscriber = tokio::spawn(keep_subscribed(Arc::clone(&shared), sender));
        Ok((Self(Arc::new(Inner { shared, subscriber })), receiver))
    }

    /// Tells the agent of a status. Keep it until it is acknowledged: when this fails, the next subscription tells it.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn update(&self, status: TaskStatus) -> Result<(), ClientError> {
        let mut call = self.0.shared.blank_call(CallType::Update);
        call.update = Some(Update { status });
        self.call(&call).await
    }

    /// Sends bytes to the scheduler. They may be lost.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn message(&self, data: Vec<u8>) -> Result<(), ClientError> {
        let mut call = self.0.shared.blank_call(CallType::Message);
        call.message = Some(Message { data });
        self.call(&call).await
    }

    /// Makes any call.
    ///
    /// # Errors
    /// The agent does not answer, or refuses the call.
    pub async fn call(&self, call: &Call) -> Result<(), ClientError> {
        let shared = &self.0.shared;
        shared.http.call(&shared.url, call, None).await.map(drop)
    }
}

impl Shared {
    fn blank_call(&self, kind: CallType) -> Call {
        let mut call = Call {
            executor_id: self.environment.executor_id.clone(),
            framework_id: self.environment.framework_id.clone(),
            ..Default::default()
        };
        call.set_type(kind);
        call
    }

    /// Subscribes and passes events on until something breaks. `Ok` when nobody listens any more.
    async fn subscribe(
        &self,
        attempts: &mut Attempts,
        sender: &mpsc::Sender<ExecutorEvent>,
    ) -> Result<(), ClientError> {
        let after = self.http.options.call_timeout;
        let mut call = self.blank_call(CallType::Subscribe);
        call.subscribe = Some((self.unacknowledged)());
        let posted = tokio::time::timeout(after, self.http.post(&self.url, &call, None)).await;
        let response = posted.map_err(|_| ClientError::Timeout { url: self.url.clone(), after })??;
        let mut stream = EventStream::<Event>::new(response, &self.http);
        // Agents send heartbeats half an hour apart: a dead one shows by its connection, not by silence.
        let mut limit = Some(after);
        loop {
            let event = stream.next(limit).await?;
            let event = match (event.r#type(), event) {
                (EventType::Heartbeat, _) => continue,
                (EventType::Subscribed, Event { subscribed: Some(subscribed), .. }) => {
                    limit = None;
                    *attempts = Attempts::Subscribed;
                    ExecutorEvent::Subscribed(Box::new(subscribed))
                }
                (_, event) => ExecutorEvent::Event(Box::new(event)),
            };
            if sender.send(event).await.is_err() {
                return Ok(());
            }
        }
    }

    /// How long the agent may stay away after a subscription.
    fn patience(&self) -> Duration {
        if self.environment.checkpoint { self.environment.recovery_timeout } else { Duration::ZERO }
    }
}

/// Where the client stands in its attempts to subscribe.
#[derive(Debug)]
enum Attempts {
    /// The last attempt succeeded.
    Subscribed,
    /// `failures` in a row; given up at `deadline`.
    Failing { failures: u32, deadline: Instant },
}

async fn keep_subscribed(shared: Arc<Shared>, sender: mpsc::Sender<ExecutorEvent>) {
    let cap = shared.environment.subscription_backoff_max.min(shared.http.options.backoff.cap);
    let backoff = Backoff { first: shared.http.options.backoff.first.min(cap), cap };
    let first = shared.patience().max(FIRST_SUBSCRIPTION);
    let mut attempts = Attempts::Failing { failures: 0, deadline: Instant::now() + first };
    loop {
        let Err(reason) = shared.subscribe(&mut attempts, &sender).await else { return };
        let now = Instant::now();
        let (failures, deadline) = match attempts {
            Attempts::Subscribed => (1, now + shared.patience()),
            Attempts::Failing { failures, deadline } => (failures.saturating_add(1), deadline),
        };
        if now >= deadline {
            // Nobody listening is the same as somebody hearing that all is over.
            let _ = sender.send(ExecutorEvent::Lost { reason }).await;
            return;
        }
        attempts = Attempts::Failing { failures, deadline };
        let retry_in = backoff.delay(failures, random());
        if sender.send(ExecutorEvent::Disconnected { reason, retry_in }).await.is_err() {
            return;
        }
        tokio::time::sleep(retry_in).await;
    }
}

//! The scheduler's side of the API: one subscription that is kept up, and calls that go with it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::backoff::random;
use super::http::{Http, STREAM_ID};
use super::stream::EventStream;
use super::{ClientError, Masters, Options};
use crate::v1::scheduler::call::{Subscribe, Type as CallType};
use crate::v1::scheduler::event::{Subscribed, Type as EventType};
use crate::v1::scheduler::{Call, Event};
use crate::v1::{FrameworkId, FrameworkInfo};

const PATH: &str = "/api/v1/scheduler";
/// Subscriptions that miss this many heartbeats are taken for dead.
const HEARTBEATS_MISSED: f64 = 5.0;
/// What Mesos uses, for peers that do not say.
const HEARTBEAT_SECONDS: f64 = 15.0;

/// What a subscription brings.
#[derive(Debug)]
pub enum SchedulerEvent {
    /// The subscription stands, for the first time or again. Reconcile now.
    Subscribed(Subscribed),
    /// Any other event but heartbeats. After an ERROR event the master wants this framework no more (it was removed, or
    /// another scheduler took over): nothing follows, and the channel ends.
    Event(Box<Event>),
    /// The subscription is lost, was refused or could not be made. The client tries again by itself, after a refusal too:
    /// who wants to end on one looks at [`ClientError::status`].
    Disconnected {
        /// Why.
        reason: ClientError,
        /// When it will be tried again.
        retry_in: Duration,
    },
}

/// A framework's connection to the master. Clones share it; it ends with the last of them.
#[derive(Debug, Clone)]
pub struct SchedulerClient(Arc<Inner>);

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

#[derive(Debug)]
struct Shared {
    http: Http,
    masters: Masters,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    framework: FrameworkInfo,
    suppressed_roles: Vec<String>,
    session: Option<Session>,
}

/// One subscription: calls go to the master that holds it, with its stream id.
#[derive(Debug, Clone)]
struct Session {
    url: Url,
    stream_id: Option<HeaderValue>,
}

impl SchedulerClient {
    /// Starts to subscribe and gives the events through a bounded channel. An id in `framework` makes it a failover:
    /// keep the one from [`SchedulerEvent::Subscribed`] before anything else, and give it again after a restart.
    ///
    /// # Errors
    /// The client cannot be made as the options say. That no master answers comes as an event.
    pub fn connect(
        masters: Masters,
        framework: FrameworkInfo,
        options: Options,
    ) -> Result<(Self, mpsc::Receiver<SchedulerEvent>), ClientError> {
        let (sender, receiver) = mpsc::channel(options.queue.max(1));
        let http = Http::new(masters.urls(), options)?;
        let state = Mutex::new(State { framework, suppressed_roles: Vec::new(), session: None });
        let shared = Arc::new(Shared { http, masters, state });
        let subscriber = tokio::spawn(keep_subscribed(Arc::clone(&shared), sender));
        Ok((Self(Arc::new(Inner { shared, subscriber })), receiver))
    }

    /// Makes a call over the present subscription; the framework id is filled in.
    ///
    /// # Errors
    /// There is no subscription, the master does not answer, or it refuses the call.
    pub async fn call(&self, mut call: Call) -> Result<(), ClientError> {
        let shared = &self.0.shared;
        let (session, framework_id) = {
            let state = shared.state();
            (state.session.clone(), state.framework.id.clone())
        };
        let session = session.ok_or(ClientError::NotSubscribed)?;
        call.framework_id = call.framework_id.or(framework_id);
        shared.http.call(&session.url, &call, session.stream_id.as_ref()).await.map(drop)
    }

    /// The id, once there is one.
    pub fn framework_id(&self) -> Option<FrameworkId> {
        self.0.shared.state().framework.id.clone()
    }

    /// The master that holds the present subscription.
    pub fn master(&self) -> Option<Url> {
        let session = self.0.shared.state().session.clone();
        session.map(|session| {
            let mut url = session.url;
            url.set_path("/");
            url
        })
    }

    /// What the next subscription says of the framework; an absent id keeps the present one. To change it at once, make
    /// an UPDATE_FRAMEWORK call too.
    pub fn set_framework(&self, mut framework: FrameworkInfo, suppressed_roles: Vec<String>) {
        let mut state = self.0.shared.state();
        framework.id = framework.id.or_else(|| state.framework.id.take());
        state.framework = framework;
        state.suppressed_roles = suppressed_roles;
    }
}

impl Shared {
    /// Nobody panics while holding it; if somebody did, the state is still whole.
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribe_call(&self) -> Call {
        let state = self.state();
        let mut call = Call {
            framework_id: state.framework.id.clone(),
            subscribe: Some(Subscribe {
                framework_info: state.framework.clone(),
                suppressed_roles: state.suppressed_roles.clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        call.set_type(CallType::Subscribe);
        call
    }

    /// Subscribes and passes events on until something breaks. `Ok` when there is nothing more to do.
    async fn subscribe(
        &self,
        master: &Url,
        failures: &mut u32,
        sender: &mpsc::Sender<SchedulerEvent>,
    ) -> Result<(), ClientError> {
        let after = self.http.options.call_timeout;
        let mut url = self.http.toward(master.clone());
        url.set_path(PATH);
        let call = self.subscribe_call();
        let posted = tokio::time::timeout(after, self.http.post(&url, &call, None)).await;
        let response = posted.map_err(|_| ClientError::Timeout { url, after })??;
        let stream_id = response.headers().get(STREAM_ID).cloned();
        let mut stream = EventStream::<Event>::new(response, &self.http);
        let mut limit = after;
        loop {
            let event = stream.next(Some(limit)).await?;
            let event = match (event.r#type(), event) {
                (EventType::Heartbeat, _) => continue,
                (EventType::Subscribed, Event { subscribed: Some(subscribed), .. }) => {
                    *failures = 0;
                    limit = silence_limit(&subscribed);
                    let mut state = self.state();
                    state.framework.id = Some(subscribed.framework_id.clone());
                    state.session = Some(Session { url: stream.url().clone(), stream_id: stream_id.clone() });
                    SchedulerEvent::Subscribed(subscribed)
                }
                (_, event) => SchedulerEvent::Event(Box::new(event)),
            };
            let last = matches!(&event, SchedulerEvent::Event(event) if event.r#type() == EventType::Error);
            if sender.send(event).await.is_err() || last {
                return Ok(());
            }
        }
    }
}

fn silence_limit(subscribed: &Subscribed) -> Duration {
    let seconds = subscribed.heartbeat_interval_seconds.filter(|seconds| *seconds > 0.0);
    Duration::try_from_secs_f64(seconds.unwrap_or(HEARTBEAT_SECONDS) * HEARTBEATS_MISSED)
        .unwrap_or(Duration::from_secs_f64(HEARTBEAT_SECONDS * HEARTBEATS_MISSED))
}

async fn keep_subscribed(shared: Arc<Shared>, sender: mpsc::Sender<SchedulerEvent>) {
    let mut failures = 0u32;
    let mut choice = 0usize;
    loop {
        let ended = match shared.masters.pick(choice).await {
            Ok(master) => tokio::select! {
                ended = shared.subscribe(&master, &mut failures, &sender) => ended,
                () = shared.masters.replaced(&master) => Err(ClientError::Replaced(master.clone())),
            },
            Err(error) => Err(error),
        };
        shared.state().session = None;
        let Err(reason) = ended else { return };
        failures = failures.saturating_add(1);
        choice = choice.wrapping_add(1);
        let retry_in = shared.http.options.backoff.delay(failures, random());
        tracing::debug!(%reason, ?retry_in, "not subscribed");
        if sender.send(SchedulerEvent::Disconnected { reason, retry_in }).await.is_err() {
            return;
        }
        tokio::time::sleep(retry_in).await;
    }
}

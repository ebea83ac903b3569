//! The loop that owns the core.

use std::sync::Arc;
use std::time::Duration;

use cairn_mesos::client::{ClientError, SchedulerEvent};
use tokio::sync::{mpsc, oneshot};

use super::capacities;
use super::clock::now;
use super::handle::{Handle, Request};
use super::inquiry::Inquiry;
use super::link::{Link, Registration, meaning};
use super::probe::Probe;
use super::publish::Publisher;
use super::{Cluster, RunError};
use crate::core::{Core, Effect, Event, Millis, Question};
use crate::rest::Problem;
use crate::store::{Entries, Store, StoreError, read, replacing};
use crate::{Progress, Service, Verdict};

/// A gate that has not answered by then counts as closed.
const GATE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an answer may take that says that this process ends.
const LAST_ANSWER: Duration = Duration::from_secs(1);
/// Events of helpers that wait for the loop.
const EVENTS: usize = 256;
/// Events that have come in meanwhile and are taken together: what follows from them is looked at once.
const TOGETHER: usize = 256;
/// The loop looks around at least so often.
const IDLE: Duration = Duration::from_secs(3_600);

/// The core and all that its effects need.
pub(crate) struct Shell {
    pub(crate) service: Arc<dyn Service>,
    pub(crate) core: Core,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) registration: Registration,
    pub(crate) publisher: Publisher,
    pub(crate) requests: mpsc::Receiver<Request>,
    /// A request that has come in behind facts that were taken together.
    next_request: Option<Request>,
    handle: Handle,
    link: Option<Link>,
    inquiry: Inquiry,
    /// The master has accepted a subscription of this process.
    let_in: bool,
    helpers: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
    wake: Option<Millis>,
    looked: Millis,
    restored: bool,
    probe: Probe,
}

impl Shell {
    pub(crate) fn new(
        service: Arc<dyn Service>,
        core: Core,
        store: Arc<dyn Store>,
        registration: Registration,
        publisher: Publisher,
        requests: mpsc::Receiver<Request>,
        handle: Handle,
    ) -> Self {
        let (helpers, events) = mpsc::channel(EVENTS);
        let probe = Probe::new(Arc::clone(&handle.lateness));
        Self {
            service,
            core,
            store,
            registration,
            publisher,
            requests,
            next_request: None,
            handle,
            link: None,
            inquiry: Inquiry::default(),
            let_in: false,
            helpers,
            events,
            wake: None,
            looked: 0,
            restored: false,
            probe,
        }
    }

    /// Runs until `stop` resolves. Whatever runs on the cluster goes on.
    ///
    /// # Errors
    /// When the store fails: without it no intent is safe, so nothing more is done. When the master does not let it in from
    /// the beginning.
    pub(crate) async fn run(
        mut self,
        first: Vec<Effect>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), RunError> {
        tokio::pin!(stop);
        self.carry_out(first).await?;
        loop {
            self.keep_link()?;
            self.publisher.publish(&self.core, now());
            let wake = self.next_wake();
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                event = next(&mut self.link) => self.heard(event).await?,
                answer = self.inquiry.answer() => self.told(answer).await?,
                Some(event) = self.events.recv() => self.step(event).await?,
                Some(request) = next_request(&mut self.next_request, &mut self.requests) => {
                    self.request(request).await?;
                    if self.restored {
                        tracing::info!("the state was replaced; started again, this scheduler goes on with the new one");
                        return Ok(());
                    }
                }
                () = sleep(wake) => self.step(Event::Tick).await?,
                never = self.probe.beats() => match never {},
            }
            self.look_at_agents();
        }
    }

    /// Registered for as long as there is something to keep. A new framework only once it is known that none of its name
    /// runs.
    fn keep_link(&mut self) -> Result<(), RunError> {
        if self.link.is_some() || self.core.destroyed() || self.core.refused() {
            return Ok(());
        }
        if !self.core.may_register() {
            self.inquiry.keep(&self.registration, &self.store, self.core.given_up())?;
        } else {
            let id = self.core.framework_id().map(str::to_owned);
            self.link = Some(Link::open(&self.registration, id.as_deref(), self.helpers.clone())?);
        }
        Ok(())
    }

    /// What the master knows, if it could be asked.
    async fn told(&mut self, answer: Result<Option<Cluster>, ClientError>) -> Result<(), RunError> {
        match answer {
            Ok(Some(cluster)) => self.step(Event::Cluster(Box::new(cluster))).await,
            Ok(None) => Ok(()),
            Err(error) if self.let_in => {
                tracing::warn!(%error, "the master cannot be asked now");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn heard(&mut self, event: Option<SchedulerEvent>) -> Result<(), RunError> {
        let event = match event {
            // Before it has ever been let in, its credential is wrong; later the cluster's may just be changing.
            Some(SchedulerEvent::Disconnected {
                reason: reason @ ClientError::Unauthorized { .. }, ..
            }) if !self.let_in => {
                return Err(reason.into());
            }
            Some(event) => event,
            None => {
                self.link = None;
                return Ok(());
            }
        };
        match self.meaning(event) {
            Some(event) => self.take(Vec::new(), vec![event]).await,
            None => Ok(()),
        }
    }

    /// What the core has to know of it.
    fn meaning(&mut self, event: SchedulerEvent) -> Option<Event> {
        self.let_in |= matches!(event, SchedulerEvent::Subscribed(_));
        if let SchedulerEvent::Event(event) = &event
            && let Some(message) = &event.message
        {
            // The executor of a task is called like it.
            self.handle.board.note(&message.executor_id.value, &message.data);
            return None;
        }
        meaning(event)
    }

    /// Takes an event that has not come from the master, and with it all that have come in since.
    async fn step(&mut self, event: Event) -> Result<(), RunError> {
        self.take(vec![event], Vec::new()).await
    }

    /// Takes what was `told` by helpers, timers and clients and `heard` from the master, and with it all that has come in
    /// since. Each source keeps its order. What is told comes first: that a call got lost, before what the master has said
    /// to those after it.
    async fn take(&mut self, mut told: Vec<Event>, mut heard: Vec<Event>) -> Result<(), RunError> {
        self.wake = None;
        while heard.len() < TOGETHER
            && let Some(event) = self.link.as_mut().and_then(|link| link.events.try_recv().ok())
        {
            heard.extend(self.meaning(event));
        }
        while told.len() < TOGETHER
            && let Ok(event) = self.events.try_recv()
        {
            told.push(event);
        }
        told.append(&mut heard);
        self.take_facts(&mut told);
        let effects = self.core.steps(told, now());
        self.carry_out(effects).await
    }

    /// Facts that wait among the requests, up to the first that is none.
    fn take_facts(&mut self, events: &mut Vec<Event>) {
        while events.len() < TOGETHER && self.next_request.is_none() {
            match self.requests.try_recv() {
                Ok(Request::Observe(key, value)) => events.push(Event::Observe(key, value)),
                Ok(Request::Remember(key, value)) => events.push(Event::Remember(key, value)),
                Ok(other) => self.next_request = Some(other),
                Err(_) => break,
            }
        }
    }

    async fn request(&mut self, request: Request) -> Result<(), RunError> {
        match request {
            Request::Observe(key, value) => self.step(Event::Observe(key, value)).await,
            Request::Remember(key, value) => self.step(Event::Remember(key, value)).await,
            Request::Send(call) => self.call(*call).await,
            Request::Export(answer) => {
                let store = Arc::clone(&self.store);
                let loaded = blocking(move || read("the state", store.load()?)).await;
                // Who asked may have gone away.
                let _ = answer.send(loaded.map_err(|e| Problem::unavailable(e.to_string())));
                Ok(())
            }
            Request::Restore(entries, answer) => {
                let restored = restore(Arc::clone(&self.store), entries).await;
                self.restored = restored.is_ok();
                let (told, heard) = oneshot::channel();
                if answer.send(restored.map(|()| told)).is_ok() && self.restored {
                    // It is dropped with the answer: then who has brought the state knows that it was taken.
                    let _ = tokio::time::timeout(LAST_ANSWER, heard).await;
                }
                Ok(())
            }
            Request::Command(command, answer) => {
                self.wake = None;
                let (result, effects) = self.core.command(command, now());
                self.carry_out(effects).await?;
                self.publisher.publish(&self.core, now());
                // Who asked may have gone away; what was asked is done all the same.
                let _ = answer.send(result);
                // A refused command has no effects, and no timer either.
                self.wake = self.wake.or_else(|| Some(now() + 1));
                Ok(())
            }
        }
    }

    async fn carry_out(&mut self, effects: Vec<Effect>) -> Result<(), RunError> {
        for effect in effects {
            match effect {
                Effect::Store(changes) => {
                    let store = Arc::clone(&self.store);
                    let written = tokio::task::spawn_blocking(move || store.apply(&changes)).await;
                    written.map_err(|e| broken(&e.to_string()))??;
                }
                Effect::Call(call) => self.call(*call).await?,
                Effect::Ask(number, question) => {
                    hold(&self.store).await?;
                    self.ask(number, *question);
                }
                Effect::WakeAt(at) => self.wake = Some(at),
            }
        }
        if self.core.destroyed()
            && let Some(link) = self.link.take()
        {
            link.close().await;
        }
        Ok(())
    }

    async fn call(&mut self, call: cairn_mesos::v1::scheduler::Call) -> Result<(), RunError> {
        hold(&self.store).await?;
        if let Some(link) = &self.link {
            link.call(call).await;
        }
        Ok(())
    }

    fn ask(&self, number: u64, question: Question) {
        let (service, helpers) = (Arc::clone(&self.service), self.helpers.clone());
        let handle = self.handle.clone();
        tokio::spawn(async move {
            let late = |_| Verdict::Wait("its gate does not answer".into());
            let limit = GATE_TIMEOUT;
            let answer = match question {
                Question::Gate(ask) => {
                    let verdict = tokio::time::timeout(limit, service.gate(&handle, &ask)).await;
                    Event::Verdict(number, verdict.unwrap_or_else(late))
                }
                Question::Settle(config, view) => {
                    let verdict = tokio::time::timeout(limit, service.settle(&handle, &config, &view)).await;
                    Event::Verdict(number, verdict.unwrap_or_else(late))
                }
                Question::Farewell(config, view) => {
                    let verdict = tokio::time::timeout(limit, service.farewell(&config, &view)).await;
                    Event::Verdict(number, verdict.unwrap_or_else(late))
                }
                Question::Operate(step) => {
                    let progress = tokio::time::timeout(limit, service.operate(&handle, &step)).await;
                    let late = |_| Progress::Running("the service does not answer".into());
                    Event::Progress(number, progress.unwrap_or_else(late))
                }
            };
            let _ = helpers.send(answer).await;
        });
    }

    fn look_at_agents(&mut self) {
        let time = now();
        let wanted = self.core.hungry() || self.core.follows_agents();
        if wanted && self.next_look() <= time {
            self.looked = time;
            let Registration { master, masters, .. } = &self.registration;
            tokio::spawn(capacities::look(masters.clone(), master.options(), self.helpers.clone()));
        }
    }

    fn next_look(&self) -> Millis {
        let unknown = self.core.follows_agents() && !self.core.knows_agents();
        let pause = if unknown { capacities::SOON } else { capacities::EVERY };
        self.looked + pause.as_millis() as Millis
    }

    /// When the loop looks around again, whatever happens.
    fn next_wake(&self) -> Option<Millis> {
        let look = self.core.follows_agents().then(|| self.next_look());
        self.wake.into_iter().chain(look).min()
    }
}

/// What others see is done only by who leads: a process that has been stopped for a while asks first.
pub(super) async fn hold(store: &Arc<dyn Store>) -> Result<(), RunError> {
    if store.is_held() {
        return Ok(());
    }
    let store = Arc::clone(store);
    let confirmed = tokio::task::spawn_blocking(move || store.confirm()).await;
    Ok(confirmed.map_err(|e| broken(&e.to_string()))??)
}

/// From here on the core and the store differ, so this process does nothing more.
async fn restore(store: Arc<dyn Store>, entries: Entries) -> Result<(), Problem> {
    Core::readable(&entries).map_err(|p| Problem::invalid(vec![p]))?;
    let written = blocking(move || store.apply(&replacing(&store.load()?, &entries))).await;
    written.map_err(|e| Problem::unavailable(e.to_string()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| broken(&e.to_string()))?
}

pub(crate) fn broken(reason: &str) -> StoreError {
    StoreError::Broken { place: "the state".into(), reason: reason.into() }
}

/// One that was set aside comes first.
async fn next_request(
    aside: &mut Option<Request>,
    requests: &mut mpsc::Receiver<Request>,
) -> Option<Request> {
    match aside.take() {
        Some(request) => Some(request),
        None => requests.recv().await,
    }
}

async fn next(link: &mut Option<Link>) -> Option<cairn_mesos::client::SchedulerEvent> {
    match link {
        Some(link) => link.events.recv().await,
        None => std::future::pending().await,
    }
}

async fn sleep(until: Option<Millis>) {
    let pause = until.map_or(IDLE, |at| Duration::from_millis(at.saturating_sub(now())));
    tokio::time::sleep(pause.min(IDLE)).await;
}

//! The shell around the master's state machine: one task that feeds it and carries out its effects in order.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cairn_mesos::codec::{Body, MediaType};
use cairn_mesos::v1::{master, scheduler};
use prost::Message as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::measured::Measured;
use super::registry::{Registry, RegistryError, RegistryState};
use super::stream::EventStream;
use super::{CallKey, Effect, Input, LinkKey, Master, Reply, StreamKey, Time};
use crate::wire::{FromAgent, MasterLink, ToAgent};

/// Requests that may wait for the master.
const INBOX: usize = 1024;

/// How many of them are taken at once.
const BATCH: usize = 256;

/// Events that may wait for one framework: more than the answers to a reconciliation of everything that fits on one
/// machine. A framework that reads more slowly is disconnected, and makes up for what it missed when it subscribes again.
const STREAM: usize = 65_536;

/// What the outside wants of the master.
#[derive(Debug)]
pub(crate) enum Command {
    Subscribe {
        call: Box<scheduler::Call>,
        principal: Option<String>,
        media: MediaType,
        answer: oneshot::Sender<EventStream>,
    },
    Call {
        call: Box<scheduler::Call>,
        stream_id: Option<String>,
        principal: Option<String>,
        answer: oneshot::Sender<Reply>,
    },
    Operator {
        call: Box<master::Call>,
        principal: Option<String>,
        answer: oneshot::Sender<Reply>,
    },
    /// SUBSCRIBE of the operator API.
    Watch {
        media: MediaType,
        answer: oneshot::Sender<EventStream>,
    },
    StreamClosed(StreamKey),
    Attach(MasterLink),
    Agent(LinkKey, Box<FromAgent>),
    LinkClosed(LinkKey),
}

/// Wall-clock time that does not go backwards.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    epoch: Duration,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the master's driver asks the clock")]
    pub(crate) fn start() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), epoch }
    }

    pub(crate) fn now(&self) -> Time {
        self.epoch + self.start.elapsed()
    }

    fn instant(&self, time: Time) -> Instant {
        let far = Duration::from_secs(3600);
        self.start + time.saturating_sub(self.epoch).min(self.start.elapsed() + far)
    }
}

struct OpenStream {
    frames: mpsc::Sender<Bytes>,
    media: MediaType,
}

pub(crate) struct Driver {
    master: Master,
    registry: Option<Box<dyn Registry>>,
    stored: RegistryState,
    clock: Clock,
    measured: Measured,
    inbox: mpsc::Receiver<Command>,
    sender: mpsc::Sender<Command>,
    streams: BTreeMap<StreamKey, OpenStream>,
    links: BTreeMap<LinkKey, mpsc::Sender<ToAgent>>,
    calls: BTreeMap<CallKey, oneshot::Sender<Reply>>,
    /// What carrying out effects has brought about.
    follow_ups: VecDeque<Input>,
    last_key: u64,
}

impl Driver {
    /// A driver and the way to give it commands. It holds that way itself, so it ends when it is aborted or when
    /// its registry fails.
    pub(crate) fn new(
        master: Master,
        registry: Box<dyn Registry>,
        stored: RegistryState,
        clock: Clock,
        measured: Measured,
    ) -> (Self, mpsc::Sender<Command>) {
        let (sender, inbox) = mpsc::channel(INBOX);
        let driver = Self {
            master,
            registry: Some(registry),
            stored,
            clock,
            measured,
            inbox,
            sender: sender.clone(),
            streams: BTreeMap::new(),
            links: BTreeMap::new(),
            calls: BTreeMap::new(),
            follow_ups: VecDeque::new(),
            last_key: 0,
        };
        (driver, sender)
    }

    /// Run until the registry fails: nothing may go on that is not stored.
    pub(crate) async fn run(mut self) -> Result<(), RegistryError> {
        loop {
            let deadline = self.master.next_deadline().map(|time| self.clock.instant(time));
            tokio::select! {
                command = self.inbox.recv() => match command {
                    Some(command) => self.take_in(command),
                    None => return Ok(()),
                },
                () = wait_until(deadline) => self.follow_ups.push_back(Input::Timer),
            }
            while !self.follow_ups.is_empty() {
                let mut effects = Vec::new();
                while let Some(input) = self.follow_ups.pop_front() {
                    effects.extend(self.step(input));
                }
                self.carry_out_all(effects).await?;
            }
        }
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        let (begin, before) = (self.clock.now(), self.master.allocations());
        let effects = self.master.step(input, begin);
        if self.master.allocations() > before {
            self.measured.allocated(self.clock.now().saturating_sub(begin));
        }
        effects
    }

    /// Take this command, and what has come with it: what is stored is then stored once for all of them.
    fn take_in(&mut self, command: Command) {
        let first = self.input(command);
        self.follow_ups.extend(first);
        for _ in 1..BATCH {
            let Ok(command) = self.inbox.try_recv() else { return };
            let input = self.input(command);
            self.follow_ups.extend(input);
        }
    }

    /// What is stored first holds all that has happened since, so it need not be stored again.
    async fn carry_out_all(&mut self, effects: Vec<Effect>) -> Result<(), RegistryError> {
        let mut stored = false;
        for effect in effects {
            if matches!(effect, Effect::Persist) && std::mem::replace(&mut stored, true) {
                continue;
            }
            self.carry_out(effect).await?;
        }
        Ok(())
    }

    fn next_key(&mut self) -> u64 {
        self.last_key += 1;
        self.last_key
    }

    fn input(&mut self, command: Command) -> Option<Input> {
        match command {
            Command::Subscribe { call, principal, media, answer } => {
                let (stream, stream_id) = self.open_stream(media, answer)?;
                Some(Input::Subscribe { stream, stream_id, principal, call })
            }
            Command::Call { call, stream_id, principal, answer } => {
                let key = CallKey(self.next_key());
                self.calls.insert(key, answer);
                Some(Input::Call { key, stream_id, principal, call })
            }
            Command::Operator { call, principal, answer } => {
                let key = CallKey(self.next_key());
                self.calls.insert(key, answer);
                Some(Input::Operator { key, principal, call })
            }
            Command::Watch { media, answer } => {
                let (stream, _) = self.open_stream(media, answer)?;
                Some(Input::Watch { stream })
            }
            Command::StreamClosed(stream) => {
                self.streams.remove(&stream);
                Some(Input::StreamClosed { stream })
            }
            Command::Attach(link) => {
                self.attach(link);
                None
            }
            Command::Agent(link, message) => Some(Input::Agent { link, message }),
            Command::LinkClosed(link) => {
                self.links.remove(&link);
                Some(Input::LinkClosed { link })
            }
        }
    }

    fn open_stream(
        &mut self,
        media: MediaType,
        answer: oneshot::Sender<EventStream>,
    ) -> Option<(StreamKey, String)> {
        let stream = StreamKey(self.next_key());
        let stream_id = uuid::Uuid::new_v4().to_string();
        let (frames, receiver) = mpsc::channel(STREAM);
        let (guard, dropped) = oneshot::channel::<()>();
        answer.send(EventStream::new(stream_id.clone(), media, receiver, guard)).ok()?;
        self.streams.insert(stream, OpenStream { frames, media });
        let commands = self.sender.clone();
        tokio::spawn(async move {
            // Ends with the body of the answer, whoever ends it.
            let _ = dropped.await;
            let _ = commands.send(Command::StreamClosed(stream)).await;
        });
        Some((stream, stream_id))
    }

    fn attach(&mut self, link: MasterLink) {
        let key = LinkKey(self.next_key());
        self.links.insert(key, link.to_agent);
        let commands = self.sender.clone();
        let mut from_agent = link.from_agent;
        tokio::spawn(async move {
            while let Some(message) = from_agent.recv().await {
                if commands.send(Command::Agent(key, Box::new(message))).await.is_err() {
                    return;
                }
            }
            let _ = commands.send(Command::LinkClosed(key)).await;
        });
    }

    async fn carry_out(&mut self, effect: Effect) -> Result<(), RegistryError> {
        match effect {
            Effect::Persist => self.persist(self.master.registry()).await?,
            Effect::Send { stream, event } => self.send(stream, &*event),
            Effect::Publish { stream, event } => self.send(stream, &*event),
            Effect::CloseStream { stream } => drop(self.streams.remove(&stream)),
            Effect::Reply { key, reply } => {
                if let Some(answer) = self.calls.remove(&key) {
                    // A client that has gone needs no answer.
                    let _ = answer.send(reply);
                }
            }
            Effect::ToAgent { link, message } => self.tell(link, *message),
            Effect::CloseLink { link } => drop(self.links.remove(&link)),
        }
        Ok(())
    }

    fn send(&mut self, key: StreamKey, event: &impl Body) {
        let Some(stream) = self.streams.get(&key) else { return };
        let sent = super::stream::frame(event, stream.media)
            .is_some_and(|frame| stream.frames.try_send(frame).is_ok());
        if !sent {
            tracing::warn!(
                stream = key.0,
                "a client reads its events too slowly, or is gone; its stream is closed"
            );
            self.streams.remove(&key);
            self.follow_ups.push_back(Input::StreamClosed { stream: key });
        }
    }

    fn tell(&mut self, key: LinkKey, message: ToAgent) {
        let Some(link) = self.links.get(&key) else { return };
        if link.try_send(message).is_err() {
            tracing::warn!(
                link = key.0,
                "an agent does not read its messages, or is gone; its link is closed"
            );
            self.links.remove(&key);
            self.follow_ups.push_back(Input::LinkClosed { link: key });
        }
    }

    async fn persist(&mut self, state: RegistryState) -> Result<(), RegistryError> {
        if state == self.stored {
            return Ok(());
        }
        let Some(mut registry) = self.registry.take() else { return Ok(()) };
        let begin = self.clock.now();
        let work = tokio::task::spawn_blocking(move || {
            let outcome = registry.store(&state);
            (registry, state, outcome)
        });
        if let Ok((registry, state, outcome)) = work.await {
            self.registry = Some(registry);
            outcome?;
            self.measured.stored(self.clock.now().saturating_sub(begin), state.encoded_len());
            self.stored = state;
        }
        Ok(())
    }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

//! Does with nested containers what is asked for and the book allows.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::book::{Book, Gone, Reserved, Stage, no_parent};
use super::denied::Denied;
use super::path::Path;
use super::plan::{Ground, plan};
use super::records::{End, Record, Records};
use super::request::{Class, Launch};
use super::sandbox;
use super::switch::{Piece, Speaker, Switch};
use crate::agent::core::NoGround;
use crate::agent::driver::Input;
use crate::agent::process;
use crate::agent::runner::{Container, Runner, Spoken};

/// How long somebody who listens to another one's conversation may fall behind.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long conversations may take to end when the agent stops.
const CLOSING: Duration = Duration::from_secs(2);

/// All nested containers of an agent.
pub(crate) struct Nested {
    runner: Arc<dyn Runner>,
    agent: mpsc::Sender<Input>,
    records: Records,
    /// Identifies this boot of the machine.
    boot: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    book: Book,
    /// Those that have not ended.
    live: HashMap<Path, Live>,
    /// One for each that runs; they end with the agent.
    tasks: JoinSet<()>,
    /// The agent stops.
    closed: bool,
}

/// What there is of a container that has not ended.
#[derive(Default)]
struct Live {
    /// What the runner knows it by; none until it runs.
    container: Option<Container>,
    ground: Option<Ground>,
    /// In the middle of its conversation, if there is one.
    switch: Option<Arc<Switch>>,
    ended: watch::Sender<Option<End>>,
}

/// What came of a launch.
pub(crate) enum Launched {
    /// There was such a container already.
    Already,
    /// It runs.
    New(Option<Session>),
}

/// A conversation. When nobody holds it any more, it ends.
pub(crate) struct Session {
    pub(crate) heard: mpsc::Receiver<Piece>,
    nested: Arc<Nested>,
    path: Path,
}

impl Drop for Session {
    fn drop(&mut self) {
        let (nested, path) = (Arc::clone(&self.nested), self.path.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { nested.end(&path).await });
        }
    }
}

impl fmt::Debug for Nested {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Nested").field("book", &self.state().book).finish_non_exhaustive()
    }
}

impl Nested {
    pub(crate) fn new(
        runner: Arc<dyn Runner>,
        agent: mpsc::Sender<Input>,
        records: Records,
        boot: String,
    ) -> Arc<Self> {
        Arc::new(Self { runner, agent, records, boot, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up what an earlier process of the agent left: what has a sandbox of its own and runs in a host that is alive goes on,
    /// and what has ended there is remembered. Conversations are over, for who led them is gone.
    pub(crate) fn recover(self: &Arc<Self>, is_alive: impl Fn(&str) -> bool) {
        for record in self.records.load() {
            let same_boot = record.boot == self.boot;
            let is_wanted = is_alive(&record.ground.host) && record.class == Class::Own;
            match record.end {
                Some(end) if is_wanted => self.remember(record, Stage::Ended(end.status)),
                None if is_wanted && same_boot && record.process.is_some() => self.adopt(record),
                None if is_wanted && !same_boot => self.remember(record, Stage::Ended(None)),
                None if same_boot => self.clear(record),
                _ => self.records.forget(&record.path),
            }
        }
    }

    fn remember(&self, record: Record, stage: Stage) {
        self.state().book.recover(record.path, record.class, record.ground.host, stage);
    }

    fn adopt(self: &Arc<Self>, record: Record) {
        let container = handle(&record);
        let mut state = self.state();
        state.book.recover(record.path.clone(), record.class, record.ground.host.clone(), Stage::Running);
        let live = Live {
            container: Some(container.clone()),
            ground: Some(record.ground.clone()),
            ..Live::default()
        };
        state.live.insert(record.path.clone(), live);
        let nested = Arc::clone(self);
        state.tasks.spawn(async move { nested.follow(record, container).await });
    }

    fn clear(self: &Arc<Self>, record: Record) {
        let nested = Arc::clone(self);
        self.state().tasks.spawn(async move {
            nested.runner.end(handle(&record), Duration::ZERO).await;
            nested.records.forget(&record.path);
        });
    }

    /// Starts a container.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) async fn launch(self: &Arc<Self>, launch: Launch) -> Result<Launched, Denied> {
        {
            let mut state = self.state();
            if state.closed {
                return Err(gone());
            }
            if state.book.reserve(&launch.path, launch.class)? == Reserved::Already {
                return Ok(Launched::Already);
            }
            state.live.insert(launch.path.clone(), Live::default());
        }
        let started = self.start(&launch).await;
        if started.is_err() {
            let mut state = self.state();
            state.book.failed(&launch.path);
            state.live.remove(&launch.path);
        }
        started.map(Launched::New)
    }

    async fn start(self: &Arc<Self>, launch: &Launch) -> Result<Option<Session>, Denied> {
        let path = &launch.path;
        let parent = path.parent().ok_or_else(|| Denied::not_found(path))?;
        let ground = self.ground(&parent).await?;
        let (plan, ground) = plan(launch, &ground).map_err(Denied::Bad)?;
        let mut record = Record {
            path: path.clone(),
            class: launch.class,
            ground,
            sandbox: plan.plan.sandbox.clone(),
            process: None,
            boot: self.boot.clone(),
            end: None,
        };
        self.save(&record)?;
        let joined = self.runner.nest(plan).await.map_err(|why| {
            self.records.forget(path);
            Denied::Bad(why)
        })?;
        record.process = Some(joined.process);
        // The first record says enough to find it.
        let _ = self.save(&record);
        Ok(self.started(record, joined.spoken).await)
    }

    async fn started(self: &Arc<Self>, record: Record, spoken: Option<Spoken>) -> Option<Session> {
        let (path, container) = (record.path.clone(), handle(&record));
        let owner = record.class == Class::Session;
        let (switch, ears, heard) = match spoken.map(|spoken| Switch::new(spoken, owner, PATIENCE)) {
            Some((switch, ears, heard)) => (Some(switch), ears, heard),
            None => (None, Vec::new(), None),
        };
        let may_run = {
            let mut state = self.state();
            let may_run = state.book.started(&path) && !state.closed;
            if let Some(live) = state.live.get_mut(&path) {
                live.container = Some(container.clone());
                live.ground = Some(record.ground.clone());
                live.switch = switch.clone();
            }
            while state.tasks.try_join_next().is_some() {}
            let (nested, followed) = (Arc::clone(self), container.clone());
            state.tasks.spawn(async move {
                let talk = async {
                    if let Some(switch) = &switch {
                        switch.run(ears).await;
                    }
                };
                let follow = async {
                    nested.follow(record, followed).await;
                    if let Some(switch) = &switch {
                        switch.end();
                    }
                };
                tokio::join!(talk, follow);
            });
            may_run
        };
        if !may_run {
            self.runner.end(container, Duration::ZERO).await;
        }
        heard.map(|heard| Session { heard, nested: Arc::clone(self), path })
    }

    /// Waits for the end of a container, and notes it.
    async fn follow(self: &Arc<Self>, record: Record, container: Container) {
        let status = self.runner.wait(container).await.status;
        let end = End { status };
        let (gone, live) = {
            let mut state = self.state();
            (state.book.ended(&record.path, status), state.live.remove(&record.path))
        };
        match record.class {
            Class::Session => self.records.forget(&record.path),
            Class::Own => drop(self.save(&Record { end: Some(end), ..record })),
        }
        if let Some(live) = live {
            live.ended.send_replace(Some(end));
        }
        self.carry_out(gone);
    }

    fn save(&self, record: &Record) -> Result<(), Denied> {
        self.records.save(record).map_err(|error| {
            tracing::warn!(container = %record.path, %error, "cannot note a nested container");
            Denied::Failed(format!("The agent cannot note the container: {error}"))
        })
    }

    fn carry_out(self: &Arc<Self>, gone: Gone) {
        for path in &gone.forgotten {
            self.records.forget(path);
        }
        for path in gone.ending {
            let nested = Arc::clone(self);
            tokio::spawn(async move { nested.end(&path).await });
        }
    }

    /// What a container gives those in it.
    async fn ground(&self, path: &Path) -> Result<Ground, Denied> {
        {
            let state = self.state();
            if let Some(live) = state.live.get(path) {
                return live.ground.clone().ok_or_else(|| not_yet(path));
            }
        }
        self.host(path.ids()).await?.map_err(|missing| match missing {
            NoGround::Unknown => no_parent(path),
            NoGround::Starting => not_yet(path),
            NoGround::Ending => Denied::Bad(format!("Parent container {path} is in 'DESTROYING' state")),
        })
    }

    /// What the agent itself knows of a container.
    async fn host(&self, ids: &[String]) -> Result<Result<Ground, NoGround>, Denied> {
        let (reply, answer) = oneshot::channel();
        self.agent.send(Input::Ground(ids.to_vec(), reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }

    /// A container that nobody started here: is it a task's, or none at all?
    async fn foreign(&self, path: &Path, unknown: Denied) -> Denied {
        match self.host(path.ids()).await {
            Ok(Err(NoGround::Unknown)) => unknown,
            Ok(_) => Denied::Absent(format!(
                "Container {path} is a task's: its framework and the master know of it"
            )),
            Err(denied) => denied,
        }
    }

    /// Tells the wait status of a container, when it has ended.
    ///
    /// # Errors
    /// There is no such container.
    pub(crate) async fn wait(&self, path: &Path) -> Result<Option<i32>, Denied> {
        let ended = {
            let state = self.state();
            match state.book.stage(path) {
                Some(Stage::Ended(status)) => return Ok(status),
                Some(_) => state.live.get(path).map(|live| live.ended.subscribe()),
                None => None,
            }
        };
        let Some(mut ended) = ended else { return Err(self.foreign(path, Denied::not_found(path)).await) };
        // Who could not be started never ends.
        let end = ended.wait_for(Option::is_some).await.map_err(|_| Denied::not_found(path))?;
        Ok(end.and_then(|end| end.status))
    }

    /// Sends a container's first process a signal. One that is still being started is ended.
    ///
    /// # Errors
    /// There is no such container, or no such signal.
    pub(crate) async fn kill(self: &Arc<Self>, path: &Path, signal: i32) -> Result<(), Denied> {
        let stage = self.state().book.stage(path);
        match stage {
            Some(Stage::Starting) => {
                self.end(path).await;
                Ok(())
            }
            Some(Stage::Running) => {
                let process = self.state().live.get(path).and_then(|live| live.container.as_ref()?.process);
                let failed = |error| Denied::Failed(format!("Unable to send signal to container: {error}"));
                process.map_or(Ok(()), |process| process::send(process, signal)).map_err(failed)
            }
            Some(Stage::Ended(_)) | None => {
                let why = format!("Container '{path}' cannot be found (or is already killed)");
                Err(self.foreign(path, Denied::NotFound(why)).await)
            }
        }
    }

    /// Forgets a container that has ended, and deletes its sandbox.
    ///
    /// # Errors
    /// It has not ended, or its sandbox cannot be deleted.
    pub(crate) async fn remove(&self, path: &Path) -> Result<(), Denied> {
        let running = || Denied::Failed("Nested container has not terminated yet".to_owned());
        let root = self.host(&path.ids()[..1]).await?;
        let root = root.map_err(|_| Denied::Failed("Unknown root container".to_owned()))?;
        if !matches!(self.host(path.ids()).await?, Err(NoGround::Unknown)) {
            return Err(running());
        }
        self.state().book.remove(path)?;
        self.records.forget(path);
        let (root, sandbox) = (root.root_sandbox.clone(), path.sandbox(&root.root_sandbox));
        let deleted = tokio::task::spawn_blocking(move || sandbox::delete(&root, &sandbox)).await;
        let failed = |why: String| Denied::Failed(format!("Failed to remove the sandbox directory: {why}"));
        deleted.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))
    }

    /// Listens to a container.
    ///
    /// # Errors
    /// There is none, or it cannot be listened to.
    pub(crate) async fn listen(&self, path: &Path) -> Result<mpsc::Receiver<Piece>, Denied> {
        self.switch(path).await?.listen()
    }

    /// Speaks to a container.
    ///
    /// # Errors
    /// There is none, or it cannot be spoken to, or somebody else does.
    pub(crate) async fn speak(&self, path: &Path) -> Result<Speaker, Denied> {
        self.switch(path).await?.speak()
    }

    async fn switch(&self, path: &Path) -> Result<Arc<Switch>, Denied> {
        let disabled = || Denied::Failed("I/O switchboard server was disabled for this container".to_owned());
        let found = self.state().live.get(path).map(|live| live.switch.clone());
        if let Some(switch) = found {
            return switch.ok_or_else(disabled);
        }
        match (self.host(path.ids()).await?, self.host(&path.ids()[..1]).await?) {
            (Err(NoGround::Unknown), Err(NoGround::Unknown)) => Err(Denied::not_found(path)),
            (Err(NoGround::Unknown), _) => Err(Denied::Failed(format!("Unknown container {path}"))),
            _ => Err(disabled()),
        }
    }

    /// Ends a container with all in it.
    pub(crate) async fn end(&self, path: &Path) {
        let doomed: Vec<Container> = {
            let mut state = self.state();
            let doomed = state.book.doom(path);
            doomed.iter().filter_map(|path| state.live.get(path)?.container.clone()).collect()
        };
        for container in doomed {
            self.runner.end(container, Duration::ZERO).await;
        }
    }

    /// Ends what is in hosts that are alive no more.
    pub(crate) fn keep(self: &Arc<Self>, is_alive: impl Fn(&str) -> bool) {
        let gone = {
            let mut state = self.state();
            if state.book.is_empty() {
                return;
            }
            state.book.keep(is_alive)
        };
        self.carry_out(gone);
    }

    /// The sandboxes of those that run, as far as nobody has put a link in their place.
    pub(crate) fn sandboxes(&self) -> BTreeSet<PathBuf> {
        let state = self.state();
        let sandboxes = state.live.values().filter_map(|live| Some(live.container.as_ref()?.sandbox.clone()));
        sandboxes.filter(|path| path.canonicalize().is_ok_and(|real| real == *path)).collect()
    }

    /// Ends conversations, and leaves the others to the next agent.
    pub(crate) async fn close(&self) {
        let sessions = {
            let mut state = self.state();
            state.closed = true;
            state.book.sessions()
        };
        let ends = futures_util::future::join_all(sessions.iter().map(|path| self.end(path)));
        let _ = tokio::time::timeout(CLOSING, ends).await;
        let mut tasks = std::mem::take(&mut self.state().tasks);
        tasks.shutdown().await;
    }

    /// Leaves everything to the next agent.
    pub(crate) fn abandon(&self) {
        let mut state = self.state();
        state.closed = true;
        state.tasks.abort_all();
    }
}

fn handle(record: &Record) -> Container {
    Container { id: record.path.to_string(), sandbox: record.sandbox.clone(), process: record.process }
}

fn not_yet(path: &Path) -> Denied {
    Denied::Bad(format!("Parent container {path} does not run yet"))
}

fn gone() -> Denied {
    Denied::Failed("Agent has not finished recovery".to_owned())
}

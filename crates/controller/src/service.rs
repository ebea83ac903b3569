//! The controller as a framework on the SDK.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cairn_framework::driver::Given;
use cairn_framework::rest::Problem as RestProblem;
use cairn_framework::store::Place;
use cairn_framework::{
    Ask, Command, Config, Handle, InstanceSpec, Model, Problem, Published, RunError, RunOptions, Service,
    Verdict, View, Wait,
};
use cairn_task::TaskSpec;
use tokio::sync::{Mutex, Semaphore};

use crate::distribution::{Checksums, FACT};
use crate::events::Events;
use crate::outside::{Outside, Real};
use crate::rest::Answer;
use crate::secrets::{Key, Vault};
use crate::settings::{ControllerOptions, Settings};
use crate::state::{Decoded, Options, Stacks};
use crate::token::Secret;
use crate::{apply, clock, gate, layout, model, rest, task, view, watch};

/// How often the distribution directory is looked at.
const RESCAN: Duration = Duration::from_secs(30);
/// How often a change is made anew because another one was faster.
const STORE_TRIES: u32 = 5;
const PUBLISHED_WITHIN: Duration = Duration::from_secs(1);

/// The meta-scheduler.
#[derive(Debug, Clone)]
pub struct Controller(pub(crate) Arc<Shared>);

/// What all parts of the controller share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) token: Secret,
    pub(crate) client: reqwest::Client,
    pub(crate) events: Events,
    pub(crate) decoded: Decoded,
    /// Streams of events that may still begin.
    pub(crate) streams: Arc<Semaphore>,
    /// Held while the stored stacks are read, changed and stored.
    pub(crate) changing: Mutex<()>,
}

/// Why a controller could not start or ended.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The address cannot be one that agents are told.
    #[error(
        "the controller's REST needs a fixed port, since agents fetch archives from it; name one in --listen"
    )]
    NoPort,
    /// A secret file cannot be made or read.
    #[error("cannot use the secret in {path}: {source}; check that the directory is there and yours")]
    Secret {
        /// Which file.
        path: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The HTTP client cannot be built.
    #[error("cannot build the HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// The scheduler itself.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Runs the controller until SIGTERM or SIGINT, which detach: everything that runs goes on running.
///
/// # Errors
/// When it cannot start, or its state is held by another process.
pub async fn run(options: ControllerOptions) -> Result<(), ControllerError> {
    let run = RunOptions {
        master: options.master.clone(),
        framework: options.framework.clone(),
        state: options.states().below(layout::CONTROLLER),
        config: Given::Default(Box::default()),
        listen: options.listen.ip(),
        port: options.listen.port(),
        advertise: options.advertise.clone(),
        token: Some(options.token_file.clone()),
        executor: options.executor.clone(),
    };
    let controller = Controller::new(options)?;
    cairn_framework::run(Arc::new(controller), run).await?;
    Ok(())
}

impl Controller {
    /// Makes the token and the key of the stacks' tokens where they are not there yet.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub fn new(options: ControllerOptions) -> Result<Self, ControllerError> {
        if options.listen.port() == 0 {
            return Err(ControllerError::NoPort);
        }
        let secret = |path: &std::path::Path| {
            Secret::from_file(path)
                .map_err(|source| ControllerError::Secret { path: path.to_owned(), source })
        };
        let key = stack_key(&options)
            .map_err(|source| ControllerError::Secret { path: options.key_file.clone(), source })?;
        // Tasks on agents use this path from other directories.
        let states = match options.states() {
            Place::Directory(directory) => std::path::absolute(&directory)
                .map(Place::Directory)
                .map_err(|source| ControllerError::Secret { path: directory, source })?,
            shared @ Place::ZooKeeper(_) => shared,
        };
        let settings = Settings {
            master: options.master,
            advertise: options.advertise.unwrap_or_else(|| options.listen.to_string()),
            states: states.below(layout::SCHEDULERS),
            dist: options.dist,
            catalog: options.catalog,
            vault: Vault {
                key: Key::from_file(&options.key_file)
                    .map_err(|source| ControllerError::Secret { path: options.key_file.clone(), source })?,
                path: options.key_file,
            },
            key,
        };
        Ok(Self(Arc::new(Shared::new(settings, secret(&options.token_file)?)?)))
    }
}

/// What the tokens of stacks are derived from. Candidates on several machines must come to the same tokens, and have the
/// key of the secrets in common.
fn stack_key(options: &ControllerOptions) -> io::Result<Secret> {
    match &options.state {
        Some(Place::ZooKeeper(_)) => Ok(Secret::from_file(&options.key_file)?.derived("stack key")),
        Some(Place::Directory(_)) | None => Secret::from_file(&options.work_dir.join("stack-key")),
    }
}

impl Controller {
    /// The stored stacks; else why they cannot be read.
    fn stacks(&self, config: &Config) -> Result<Arc<Stacks>, String> {
        self.0.decoded.of(config).map_err(|unreadable| unreadable.to_string())
    }

    /// What the gate says to a step, in this world.
    pub(crate) async fn judge(&self, outside: &dyn Outside, ask: &Ask) -> Verdict {
        match self.stacks(&ask.config) {
            Ok(stacks) => gate::gate(&self.0.settings, outside, &stacks, ask).await,
            Err(why) => Verdict::Wait(why),
        }
    }
}

impl Shared {
    pub(crate) fn new(settings: Settings, token: Secret) -> Result<Self, ControllerError> {
        let run = uuid::Uuid::new_v4().simple().to_string();
        let events = Events::new(run.chars().take(8).collect());
        Ok(Self {
            settings,
            token,
            client: cairn_framework::http::client()?,
            events,
            decoded: Decoded::default(),
            streams: Arc::new(Semaphore::new(rest::STREAMS)),
            changing: Mutex::default(),
        })
    }
}

#[async_trait]
impl Service for Controller {
    fn name(&self) -> &'static str {
        "cairn"
    }

    fn model(&self, config: &Config) -> Result<Model, Vec<Problem>> {
        let stacks = self.stacks(config).map_err(|why| {
            vec![Problem::new("", why).help("apply the stacks again with this version of cairn")]
        })?;
        model::model(&stacks.options, &self.0.settings.catalog, &self.0.settings.states)
    }

    fn task(&self, config: &Config, instance: &InstanceSpec, view: &View) -> Result<TaskSpec, Wait> {
        task::task(&self.0.settings, &*self.stacks(config).map_err(Wait::For)?, &instance.name, view)
    }

    fn concerned(&self, config: &Config, name: &str) -> Option<BTreeSet<String>> {
        // Archives are for everybody.
        if name == FACT { None } else { Some(self.0.decoded.of(config).ok()?.around(name)) }
    }

    fn outputs(&self, _: &Config, _: &View) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    async fn gate(&self, _: &Handle, ask: &Ask) -> Verdict {
        self.judge(&Real(&self.0.client), ask).await
    }

    fn api(&self) -> rest::Api {
        let shared = self.0.clone();
        rest::Api::of(rest::RESOURCES, move |handle| rest::routes(shared, handle))
    }

    fn secrets(&self) -> &'static [&'static str] {
        &["secrets"]
    }

    fn start(&self, handle: Handle) {
        tokio::spawn(watch::watch_all(handle.clone(), self.0.client.clone()));
        tokio::spawn(scan_distributions(self.0.clone(), handle.clone()));
        tokio::spawn(tell_events(self.0.clone(), handle.clone()));
        tokio::spawn(tidy_up(self.0.clone(), handle));
    }
}

/// Keeps the fact about distribution archives up to date.
async fn scan_distributions(shared: Arc<Shared>, handle: Handle) {
    let mut checksums = Checksums::default();
    let mut changes = handle.subscribe();
    loop {
        let stacks = shared.decoded.of(&handle.published().config).unwrap_or_default();
        let names = task::archive_names(&shared.settings, &stacks.options);
        let (dist, asked) = (shared.settings.dist.clone(), names.clone());
        let scanned = tokio::task::spawn_blocking(move || {
            let found = checksums.scan(&dist, &asked);
            (checksums, found)
        });
        // It fails only when the runtime goes down.
        let Ok((kept, found)) = scanned.await else { return };
        checksums = kept;
        handle.observe(FACT, serde_json::to_value(found).unwrap_or_default()).await;
        let other = |config: &Config| {
            let stacks = shared.decoded.of(config);
            stacks.is_ok_and(|stacks| task::archive_names(&shared.settings, &stacks.options) != names)
        };
        if closed_within(&mut changes, RESCAN, |published| other(&published.config)).await {
            return;
        }
    }
}

/// Waits for that time, or until there is something to do sooner; true when the scheduler shuts down.
async fn closed_within<T>(
    changes: &mut tokio::sync::watch::Receiver<T>,
    time: Duration,
    sooner: impl Fn(&T) -> bool,
) -> bool {
    let closed = async {
        while changes.changed().await.is_ok() {
            if sooner(&changes.borrow_and_update()) {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(time, closed).await.unwrap_or(false)
}

/// Publishes what changes in the status tree.
async fn tell_events(shared: Arc<Shared>, handle: Handle) {
    let mut changes = handle.subscribe();
    loop {
        let published = changes.borrow_and_update().clone();
        if let Ok(stacks) = shared.decoded.of(&published.config) {
            let tree = view::stacks(&stacks.options, &published.view);
            shared.events.update(&tree, clock::now_ms());
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Drops what is gone from the stored stacks.
async fn tidy_up(shared: Arc<Shared>, handle: Handle) {
    let mut changes = handle.subscribe();
    loop {
        let config = changes.borrow_and_update().config.clone();
        if shared.decoded.of(&config).is_ok_and(|stacks| leaves(&stacks.options)) {
            drop_gone(&shared, &handle).await;
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Something is on its way out.
pub(crate) fn leaves(options: &Options) -> bool {
    options.stacks.values().any(|stack| stack.destroying.is_some() || !stack.leaving.is_empty())
}

async fn drop_gone(shared: &Shared, handle: &Handle) {
    let tidied = shared.change(handle, |options, view| Ok((apply::tidy(options, view), ()))).await;
    if let Err(refusal) = tidied {
        tracing::warn!(?refusal, "what is gone cannot be dropped yet; tried again with the next change");
    }
}

impl Shared {
    /// Changes the stored stacks; `change` says to what, or `None` for no change. One at a time, each from what the
    /// one before has stored; when somebody else was faster, again from the newest.
    ///
    /// # Errors
    /// What `change` refuses, or why the stacks cannot be stored.
    pub(crate) async fn change<T>(
        &self,
        handle: &Handle,
        change: impl Fn(&Options, &View) -> Answer<(Option<Options>, T)>,
    ) -> Answer<T> {
        let _changing = self.changing.lock().await;
        let mut changes = handle.subscribe();
        let mut tries = 0;
        loop {
            let published = changes.borrow_and_update().clone();
            let (next, value) = change(&read(&published)?, &published.view)?;
            let Some(next) = next else { return Ok(value) };
            match store(handle, &published, &next).await {
                Ok(()) => return Ok(value),
                Err(problem) if problem.kind == "changed-meanwhile" && tries < STORE_TRIES => tries += 1,
                Err(problem) => return Err(problem.into()),
            }
            // What was read is older than what is stored; the newer state is about to be published.
            let _ = tokio::time::timeout(PUBLISHED_WITHIN, changes.changed()).await;
        }
    }
}

/// The stored stacks.
///
/// # Errors
/// When they cannot be read.
pub(crate) fn read(published: &Published) -> Answer<Options> {
    Ok(Options::read(&published.config.options).map_err(|unreadable| {
        RestProblem::unavailable(unreadable.to_string()).hint("run the version of cairn that stored them")
    })?)
}

async fn store(handle: &Handle, from: &Published, options: &Options) -> Result<(), RestProblem> {
    let options = serde_json::to_value(options)
        .map_err(|e| RestProblem::bad_request(format!("the stacks cannot be written: {e}")))?;
    let config = Config { options: options.into(), ..from.config.clone() };
    let expected = Some(from.status.plan.generation);
    handle.command(Command::Configure { config: Box::new(config), expected }).await.map(|_| ())
}

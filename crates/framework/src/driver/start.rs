//! Starting a scheduler: state, configuration, REST, registration.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cairn_task::{LABEL_SERVICE, LABEL_STACK};
use tokio::sync::mpsc;

use super::clock::now;
use super::handle::Handle;
use super::link::Registration;
use super::publish::Publisher;
use super::shell::{Shell, broken};
use super::{Given, RunError, RunOptions, standby};
use crate::core::{Core, Effect, Millis, Setup, reveal};
use crate::rest::{Executable, Server, Token, router};
use crate::store::{Place, SledStore, Store, StoreError, ZooKeeperStore};
use crate::{Config, Service};

/// Requests that wait for the loop; beyond that clients wait.
const REQUESTS: usize = 256;
/// Connections that wait to be accepted; the system may allow fewer.
const WAITING: i32 = 4_096;
/// How long an instance waits for an agent with fewer of its peers: two allocations of Apache Mesos, which come every second
/// unless its operator says otherwise, and a little.
const ROOM: Duration = Duration::from_secs(3);

/// Runs a scheduler until SIGTERM or SIGINT, which detach: nothing that runs is stopped.
///
/// # Errors
/// When it cannot start, its state is held by another process, its state cannot be written any more, or another candidate
/// leads.
pub async fn run(service: Arc<dyn Service>, options: RunOptions) -> Result<(), RunError> {
    let stop = stop_signal();
    tokio::pin!(stop);
    // A directory that is in use is found out before anything else.
    let directory = match &options.state {
        Place::Directory(directory) => Some(SledStore::open(directory)?),
        Place::ZooKeeper(_) => None,
    };
    let listener = listen(SocketAddr::new(options.listen, options.port))?;
    let address = local(&listener)?;
    let state = match (&options.state, directory) {
        (Place::ZooKeeper(zookeeper), _) => {
            let url = format!("http://{}", options.advertise.clone().unwrap_or_else(|| address.to_string()));
            tokio::select! {
                store = standby::lead(zookeeper, &url, &listener) => State::Shared(Arc::new(store?)),
                () = &mut stop => return Ok(()),
            }
        }
        (Place::Directory(_), Some(store)) => State::Own(Arc::new(store)),
        (Place::Directory(directory), None) => State::Own(Arc::new(SledStore::open(directory)?)),
    };
    let ended = tokio::select! {
        ended = serve(service, options, state.store(), listener, stop) => ended,
        lost = state.lost() => Err(lost.into()),
    };
    if let State::Shared(store) = &state {
        store.release().await;
    }
    ended
}

/// A state that this process holds.
enum State {
    Own(Arc<SledStore>),
    Shared(Arc<ZooKeeperStore>),
}

impl State {
    fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Own(store) => Arc::<SledStore>::clone(store),
            Self::Shared(store) => Arc::<ZooKeeperStore>::clone(store),
        }
    }

    /// Ends when it is not held any more.
    async fn lost(&self) -> StoreError {
        match self {
            Self::Own(_) => std::future::pending().await,
            Self::Shared(store) => store.lost().await,
        }
    }
}

async fn serve(
    service: Arc<dyn Service>,
    options: RunOptions,
    store: Arc<dyn Store>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let masters = options.master.masters()?;
    let token = options.token.as_deref().map(read_token).transpose()?.unwrap_or_default();
    let executable = open_executable(options.executor.clone()).await?;
    let address = local(&listener)?;
    let setup = Setup {
        framework: options.framework.clone(),
        master: options.master.clone(),
        executor_uri: format!("http://{address}/v1/artifacts/cairn?sha256={}", executable.sha256()),
        room_ms: ROOM.as_millis() as Millis,
    };
    let ids = Box::new(|| uuid::Uuid::new_v4().to_string());
    let config = read_config(&options.config)?;
    let damaged = |p| RunError::Config(vec![p]);
    let mut entries = load(&store).await?;
    reveal(&mut entries, &config, service.secrets()).map_err(damaged)?;
    let mut core = Core::new(Arc::clone(&service), setup, &entries, ids).map_err(damaged)?;
    let first = give(&mut core, &options.config, config)?;
    let registration = Registration {
        master: options.master,
        masters,
        framework: options.framework,
        webui: format!("http://{address}/"),
        labels: labels(&core.config()),
    };
    let (publisher, published) = Publisher::new(now());
    let (requests, queue) = mpsc::channel(REQUESTS);
    let handle = Handle { requests, published, board: Arc::default(), lateness: Arc::default() };
    let rest = router(&service, &handle, &registration.framework, token, executable);
    let shell = Shell::new(Arc::clone(&service), core, store, registration, publisher, queue, handle.clone());
    service.start(handle);
    tracing::info!(%address, "serving");
    let _server = Server::start(serving(&listener)?, rest)
        .map_err(|e| RunError::Listen { address: address.to_string(), reason: e.to_string() })?;
    shell.run(first, stop).await
}

/// What it holds; reading may take its time.
async fn load(store: &Arc<dyn Store>) -> Result<BTreeMap<String, Vec<u8>>, RunError> {
    let store = Arc::clone(store);
    let loaded = tokio::task::spawn_blocking(move || store.load()).await;
    Ok(loaded.map_err(|e| broken(&e.to_string()))??)
}

/// What a framework says of itself on the cluster beside its name, from which stack and service cannot be told.
fn labels(config: &Config) -> BTreeMap<String, String> {
    [(LABEL_STACK, &config.stack), (LABEL_SERVICE, &config.service)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .collect()
}

fn read_token(path: &Path) -> Result<Token, RunError> {
    std::fs::read_to_string(path).map(|text| Token::new(&text)).map_err(|e| file_error(path, &e))
}

fn file_error(path: &Path, error: &dyn std::fmt::Display) -> RunError {
    RunError::File { path: path.display().to_string(), reason: error.to_string() }
}

async fn open_executable(path: Option<PathBuf>) -> Result<Executable, RunError> {
    // A program that was replaced on disk while it runs is still there under this name.
    let path = path.unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
    let shown = path.clone();
    let opened = tokio::task::spawn_blocking(move || Executable::open(&path)).await;
    opened
        .unwrap_or_else(|e| Err(e.to_string()))
        .map_err(|reason| RunError::File { path: shown.display().to_string(), reason })
}

fn listen(address: SocketAddr) -> Result<TcpListener, RunError> {
    let bound = TcpListener::bind(address).and_then(|l| l.set_nonblocking(true).map(|()| l));
    // The standard library lets 128 connections wait, and the system forgets those above that, which their clients take for
    // open.
    let bound = bound.and_then(|l| rustix::net::listen(&l, WAITING).map(|()| l).map_err(io::Error::from));
    bound.map_err(|e| RunError::Listen { address: address.to_string(), reason: e.to_string() })
}

/// For one of the servers that take turns on the same address.
pub(crate) fn serving(listener: &TcpListener) -> Result<tokio::net::TcpListener, RunError> {
    let cloned = listener.try_clone().and_then(tokio::net::TcpListener::from_std);
    cloned.map_err(|e| RunError::Listen { address: "its port".into(), reason: e.to_string() })
}

fn local(listener: &TcpListener) -> Result<SocketAddr, RunError> {
    listener.local_addr().map_err(|e| RunError::Listen { address: "its port".into(), reason: e.to_string() })
}

fn read_config(given: &Given) -> Result<Config, RunError> {
    match given {
        Given::File(path) => {
            let text = std::fs::read(path).map_err(|e| file_error(path, &e))?;
            serde_json::from_slice(&text).map_err(|e| file_error(path, &e))
        }
        Given::Default(config) => Ok((**config).clone()),
    }
}

fn give(core: &mut Core, given: &Given, config: Config) -> Result<Vec<Effect>, RunError> {
    if matches!(given, Given::Default(_)) && core.configured() {
        core.note_secrets(&config);
        return Ok(Vec::new());
    }
    match (core.given(config, now()), given) {
        (Ok(effects), _) => Ok(effects),
        // Whoever gave the file reads in the plan what is wrong with it. Meanwhile somebody has to look after what runs.
        (Err(problems), Given::File(path)) => {
            tracing::error!(file = %path.display(), problems = %RunError::Config(problems), "nothing of it is taken");
            Ok(Vec::new())
        }
        (Err(problems), Given::Default(_)) => Err(RunError::Config(problems)),
    }
}

/// SIGTERM or SIGINT.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

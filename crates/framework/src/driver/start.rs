//! Starting a scheduler: state, configuration, REST, registration.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairn_mesos::client::Masters;
use cairn_task::{LABEL_SERVICE, LABEL_STACK};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::clock::now;
use super::handle::Handle;
use super::link::Registration;
use super::publish::Publisher;
use super::shell::Shell;
use super::{Given, RunError, RunOptions};
use crate::core::{Core, Effect, Setup, reveal};
use crate::rest::{Executable, Server, Token, router};
use crate::store::{SledStore, Store};
use crate::{Config, Service};

/// Who our schedulers are to the master; reservations carry it.
pub(crate) const PRINCIPAL: &str = "cairn";
/// Requests that wait for the loop; beyond that clients wait.
const REQUESTS: usize = 256;

/// Runs a scheduler until SIGTERM or SIGINT, which detach: nothing that runs is stopped.
///
/// # Errors
/// When it cannot start, its state is held by another process, or its state cannot be written any more.
pub async fn run(service: Arc<dyn Service>, options: RunOptions) -> Result<(), RunError> {
    let masters: Masters = options.master.parse()?;
    let token = options.token.as_deref().map(read_token).transpose()?.unwrap_or_default();
    let store: Arc<dyn Store> = Arc::new(SledStore::open(&options.state)?);
    let executable = open_executable(options.executor.clone()).await?;
    let listener = listen(SocketAddr::new(options.listen, options.port)).await?;
    let address = local(&listener)?;
    let setup = Setup {
        framework: options.framework.clone(),
        master: options.master.clone(),
        principal: PRINCIPAL.into(),
        executor_uri: format!("http://{address}/v1/artifacts/cairn?sha256={}", executable.sha256()),
    };
    let ids = Box::new(|| uuid::Uuid::new_v4().to_string());
    let config = read_config(&options.config)?;
    let damaged = |p| RunError::Config(vec![p]);
    let mut entries = store.load()?;
    reveal(&mut entries, &config, service.secrets()).map_err(damaged)?;
    let mut core = Core::new(Arc::clone(&service), setup, &entries, ids).map_err(damaged)?;
    let first = give(&mut core, &options.config, config)?;
    let registration = Registration {
        masters,
        framework: options.framework,
        principal: PRINCIPAL.into(),
        webui: format!("http://{address}/"),
        labels: labels(&core.config()),
    };
    let (publisher, published) = Publisher::new(now());
    let (requests, queue) = mpsc::channel(REQUESTS);
    let handle = Handle { requests, published, board: Arc::default(), lateness: Arc::default() };
    let rest = router(&service, &handle, token, executable);
    let shell = Shell::new(Arc::clone(&service), core, store, registration, publisher, queue, handle.clone());
    service.start(handle);
    tracing::info!(%address, "serving");
    let _server = Server::start(listener, rest)
        .map_err(|e| RunError::Listen { address: address.to_string(), reason: e.to_string() })?;
    shell.run(first, stop_signal()).await
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

async fn listen(address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address)
        .await
        .map_err(|e| RunError::Listen { address: address.to_string(), reason: e.to_string() })
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
    let given = core.given(config, now());
    // What is wrong with an option may quote it, and this error goes to a log.
    given.map_err(|problems| RunError::Config(core.secrets().scrub_problems(problems)))
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

//! Serves REST in a runtime of its own, so that no number of clients keeps the scheduling loop waiting, and bounds what
//! clients may hold: connections, and time for each head of a request.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

/// Connections at a time, idle ones and streams of events included. More wait to be accepted.
const CONNECTIONS: usize = 4_096;
/// Open files that are wanted for so many connections and all else.
const FILES: u64 = 8_192;
/// How long a client may take to send the head of a request, and how long a connection may lie idle.
const HEAD: Duration = Duration::from_secs(20);
/// After a connection could not be accepted, for example because the machine has no files left.
const BREATH: Duration = Duration::from_millis(200);
/// Bytes of a head, and the buffer of a connection.
const BUFFER: usize = 64 * 1024;

/// A running server; it ends when it is dropped.
pub(crate) struct Server(Option<Runtime>);

impl Server {
    /// Serves on a listener that is open already.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(listener: TcpListener, app: Router) -> io::Result<Self> {
        Self::with(listener, app, HEAD)
    }

    /// The same, with a time of one's own for heads.
    pub(super) fn with(listener: TcpListener, app: Router, head: Duration) -> io::Result<Self> {
        more_files();
        let listener = listener.into_std()?;
        let runtime =
            Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("rest").build()?;
        let entered = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        drop(entered);
        runtime.spawn(accept(listener, app, head));
        Ok(Self(Some(runtime)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Without waiting: who is still being served has no claim on a scheduler that ends.
            runtime.shutdown_background();
        }
    }
}

/// Asks for as many open files as the server may need, up to what the machine allows.
fn more_files() {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(FILES).min(FILES);
    if limit.current.is_some_and(|now| now < most) {
        // With fewer, clients wait longer.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum });
    }
}

async fn accept(listener: TcpListener, app: Router, head: Duration) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let app = app.clone();
                tokio::spawn(async move {
                    serve(stream, app, head).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection is not accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, app: Router, head: Duration) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app))
        .await;
    if let Err(error) = served {
        tracing::trace!(%error, "a connection has ended");
    }
}

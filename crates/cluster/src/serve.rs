//! Serves HTTP/1 to all who connect.

use std::pin::pin;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::listen::{Connection, Listener};

/// Serves until `closing` is done, and then until every answer under way has been given.
///
/// Names of headers are written as Apache Mesos writes them (`Mesos-Stream-Id`): case means nothing in them, but some clients look
/// for the very word.
pub(crate) async fn serve(mut listener: Listener, router: Router, closing: impl Future<Output = ()>) {
    let (open, closed) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut closing = pin!(closing);
    loop {
        tokio::select! {
            () = &mut closing => break,
            connection = listener.accept() => {
                connections.spawn(converse(connection, router.clone(), closed.clone()));
            }
            // What has ended is forgotten.
            Some(_) = connections.join_next() => {}
        }
    }
    drop((listener, open));
    while connections.join_next().await.is_some() {}
}

/// One request after the other; after the end of `closed` no more of them.
async fn converse(connection: Connection, router: Router, mut closed: watch::Receiver<()>) {
    let service = TowerToHyperService::new(router);
    let conversation =
        http1::Builder::new().title_case_headers(true).serve_connection(TokioIo::new(connection), service);
    let mut conversation = pin!(conversation);
    let ended = tokio::select! {
        ended = &mut conversation => ended,
        _ = closed.changed() => {
            conversation.as_mut().graceful_shutdown();
            conversation.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection has ended");
    }
}

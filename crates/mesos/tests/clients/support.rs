//! A peer that answers as a test tells it to, on a loopback port of its own.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request};
use axum::response::Response;
use cairn_mesos::client::{Backoff, Options};
use cairn_mesos::codec::MediaType;
use cairn_mesos::recordio;
use futures_util::{StreamExt, stream};

/// One request as the peer saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn message<M: cairn_mesos::codec::Body>(&self) -> M {
        let media = MediaType::from_content_type(self.header("content-type").unwrap()).unwrap();
        media.decode(&self.body).unwrap()
    }
}

type Answer = dyn Fn(usize, &Seen) -> Response + Send + Sync;

#[derive(Clone)]
struct Shared {
    answer: Arc<Answer>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Peer {
    /// `answer` gets the number of the request, from 0, and the request.
    pub(crate) async fn start(answer: impl Fn(usize, &Seen) -> Response + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = Shared { answer: Arc::new(answer), seen: Arc::clone(&seen) };
        let router = Router::new().fallback(serve).with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, seen, server }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(State(shared): State<Shared>, request: Request<Body>) -> Response {
    let (Parts { uri, headers, .. }, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let seen = Seen { path: uri.to_string(), headers, body };
    let number = {
        let mut all = shared.seen.lock().unwrap();
        all.push(seen.clone());
        all.len() - 1
    };
    (shared.answer)(number, &seen)
}

pub(crate) fn plain(status: u16, text: &str) -> Response {
    Response::builder().status(status).body(Body::from(text.to_owned())).unwrap()
}

pub(crate) fn redirect(location: &str) -> Response {
    Response::builder().status(307).header("Location", location).body(Body::empty()).unwrap()
}

pub(crate) fn body<M: cairn_mesos::codec::Body>(media: MediaType, message: &M) -> Response {
    let body = media.encode(message).unwrap();
    Response::builder().header("Content-Type", media.as_str()).body(Body::from(body)).unwrap()
}

/// Streams these messages, then ends or stays silent.
pub(crate) fn events<M: cairn_mesos::codec::Body>(messages: &[M], stays: bool) -> Response {
    let media = MediaType::Protobuf;
    let mut bytes = Vec::new();
    for message in messages {
        recordio::encode(&media.encode(message).unwrap(), &mut bytes);
    }
    // Pieces that respect no record.
    let pieces: Vec<_> =
        bytes.chunks(11).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
    let body = if stays {
        Body::from_stream(stream::iter(pieces).chain(stream::pending()))
    } else {
        Body::from_stream(stream::iter(pieces))
    };
    Response::builder()
        .header("Content-Type", media.as_str())
        .header("Mesos-Stream-Id", "stream-1")
        .body(body)
        .unwrap()
}

/// Options that lose no time.
pub(crate) fn quick() -> Options {
    let backoff = Backoff { first: Duration::from_millis(1), cap: Duration::from_millis(5) };
    Options { backoff, ..Options::default() }
}

/// Nothing in these tests takes longer, unless it hangs.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.unwrap()
}

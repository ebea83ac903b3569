//! What requests may hold together: places and memory. What is too much is refused at once, with when to come again, so
//! that nothing piles up.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Sleep;

use super::Problem;

/// Largest request body that handlers read; a configuration is a few kilobytes.
pub(crate) const BODY_LIMIT: usize = 1 << 20;
/// Requests that are being answered at a time. Long polls are among them, streams of events are not.
const REQUESTS: usize = 1_536;
/// Memory for the bodies of all requests together.
const BODIES: usize = 32 << 20;
/// How long a client may take to send a body.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much is read of a body that is refused, how long a pause in it may be, and how long all of it may take. It holds no place
/// but a connection, so a server that is slow because of others need not hurry.
const LINGER_BYTES: usize = 16 << 20;
const LINGER: Duration = Duration::from_secs(20);
const LINGER_IN_ALL: Duration = Duration::from_secs(300);

/// What is left.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    requests: Arc<Semaphore>,
    /// Bytes.
    bodies: Arc<Semaphore>,
    /// For each body.
    patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(REQUESTS, BODIES, PATIENCE)
    }
}

impl Limits {
    fn new(requests: usize, bodies: usize, patience: Duration) -> Self {
        let permits = |count| Arc::new(Semaphore::new(count));
        Self { requests: permits(requests), bodies: permits(bodies), patience }
    }

    /// The answer to a client that may still be sending. The rest of its body is read for a while and thrown away: a
    /// connection that is closed while bytes are on their way is reset, and the client might never see the answer.
    async fn refused(answer: Response, mut rest: BodyDataStream) -> Response {
        let thrown_away = async {
            let mut left = LINGER_BYTES;
            while let Ok(Some(Ok(piece))) = tokio::time::timeout(LINGER, rest.next()).await {
                match left.checked_sub(piece.len()) {
                    Some(less) => left = less,
                    None => return,
                }
            }
        };
        let _ = tokio::time::timeout(LINGER_IN_ALL, thrown_away).await;
        answer
    }
}

/// Answer to a client that should come again in a second.
pub fn too_many(what: &str) -> Response {
    let problem =
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many", format!("too many {what} at a time"));
    let mut answer = problem.hint("try again after a second").into_response();
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

/// Middleware: admits so many requests at a time, memory for so many bodies, and so much time for each body.
pub(crate) async fn bounded(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let Ok(place) = limits.requests.try_acquire() else {
        return Limits::refused(too_many("requests"), body.into_data_stream()).await;
    };
    let Ok(memory) = limits.bodies.try_acquire_many(memory(&body)) else {
        drop(place);
        return Limits::refused(too_many("large bodies"), body.into_data_stream()).await;
    };
    let late = Arc::new(AtomicBool::new(false));
    let (lent, mut back) = lend(body, limits.patience, Arc::clone(&late));
    let answer = next.run(Request::from_parts(head, lent)).await;
    // What is read from here on is thrown away.
    drop((place, memory));
    match back.try_recv() {
        // The handler saw a body that broke off, and knows no reason.
        _ if late.load(Ordering::Relaxed) => slow(limits.patience),
        Ok(rest) if answer.status() == StatusCode::PAYLOAD_TOO_LARGE => Limits::refused(answer, rest).await,
        _ => answer,
    }
}

/// What a body may take: what it says itself, up to what handlers read of it. One that does not say how large it is may
/// become as large as any.
fn memory(body: &Body) -> u32 {
    let size = if body.is_end_stream() { Some(0) } else { body.size_hint().exact() };
    let most = BODY_LIMIT as u64;
    u32::try_from(size.unwrap_or(most).min(most)).unwrap_or(u32::MAX)
}

/// The same body, which breaks off when its time is over; and what comes back of it once it has been dropped, if it was not
/// read to its end.
fn lend(body: Body, patience: Duration, late: Arc<AtomicBool>) -> (Body, oneshot::Receiver<BodyDataStream>) {
    let (back, returned) = oneshot::channel();
    if body.is_end_stream() {
        return (body, returned);
    }
    let time_is_over = Box::pin(tokio::time::sleep(patience));
    let lent = Lent { pieces: Some(body.into_data_stream()), time_is_over, late, back: Some(back) };
    (Body::from_stream(lent), returned)
}

struct Lent {
    /// None when nothing more comes.
    pieces: Option<BodyDataStream>,
    time_is_over: Pin<Box<Sleep>>,
    late: Arc<AtomicBool>,
    back: Option<oneshot::Sender<BodyDataStream>>,
}

impl Stream for Lent {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let me = &mut *self;
        let Some(pieces) = &mut me.pieces else { return Poll::Ready(None) };
        if let Poll::Ready(piece) = pieces.poll_next_unpin(cx) {
            if piece.is_none() {
                me.pieces = None;
            }
            return Poll::Ready(piece);
        }
        ready!(me.time_is_over.as_mut().poll(cx));
        me.late.store(true, Ordering::Relaxed);
        me.pieces = None;
        let broken = io::Error::new(io::ErrorKind::TimedOut, "the body did not come in time");
        Poll::Ready(Some(Err(axum::Error::new(broken))))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(pieces), Some(back)) = (self.pieces.take(), self.back.take()) {
            // Nobody wants it if the request was given up.
            let _ = back.send(pieces);
        }
    }
}

fn slow(patience: Duration) -> Response {
    let detail = format!("the body did not come within {patience:?}");
    Problem::new(StatusCode::REQUEST_TIMEOUT, "slow-body", detail).into_response()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::post;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::rest::Server;

    /// Long enough for a client on the same machine that does not dawdle.
    const SHORT: Duration = Duration::from_millis(500);

    /// Serves a handler that reads the body and then waits for a permit.
    async fn serve(limits: Limits, gate: Arc<Semaphore>) -> (Server, String) {
        let handler = move |body: Bytes| async move {
            drop(gate.acquire().await);
            body.len().to_string()
        };
        let app = Router::new().route("/", post(handler)).layer(from_fn_with_state(limits, bounded));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        (Server::with(listener, app, SHORT).unwrap(), address)
    }

    async fn ask(address: &str, body: Vec<u8>) -> (u16, reqwest::header::HeaderMap) {
        let client = crate::http::client().unwrap();
        let answer = client.post(format!("http://{address}/")).body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().clone())
    }

    #[tokio::test]
    async fn too_many_requests_are_told_to_come_again_and_then_served() {
        let gate = Arc::new(Semaphore::new(0));
        let limits = Limits::new(2, BODIES, PATIENCE);
        let places = Arc::clone(&limits.requests);
        let (_server, address) = serve(limits, Arc::clone(&gate)).await;
        let held: Vec<_> = (0..2)
            .map(|_| {
                let a = address.clone();
                tokio::spawn(async move { ask(&a, vec![1]).await })
            })
            .collect();
        while places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let (status, headers) = ask(&address, vec![1]).await;
        assert_eq!((status, headers[header::RETRY_AFTER].to_str().unwrap()), (429, "1"));
        gate.add_permits(10);
        for one in held {
            assert_eq!(one.await.unwrap().0, 200);
        }
        assert_eq!(ask(&address, vec![1]).await.0, 200);
    }

    #[tokio::test]
    async fn bodies_have_so_much_memory_together() {
        let gate = Arc::new(Semaphore::new(0));
        let limits = Limits::new(10, 1_000, PATIENCE);
        let left = Arc::clone(&limits.bodies);
        let (_server, address) = serve(limits, Arc::clone(&gate)).await;
        let large = {
            let a = address.clone();
            tokio::spawn(async move { ask(&a, vec![0; 800]).await })
        };
        while left.available_permits() == 1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(ask(&address, vec![0; 300]).await.0, 429);
        gate.add_permits(10);
        assert_eq!(large.await.unwrap().0, 200);
        assert_eq!(ask(&address, vec![0; 300]).await.0, 200);
    }

    /// Sends the beginning of a request and gives what comes back until the server hangs up.
    async fn halting(address: &str, text: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    #[tokio::test]
    async fn who_does_not_go_on_is_hung_up_on() {
        let limits = Limits::new(10, 1_000, SHORT);
        let (_server, address) = serve(limits, Arc::new(Semaphore::new(10))).await;
        let (head, body) = tokio::join!(
            halting(&address, "POST / HTTP/1.1\r\nhost: x\r\n"),
            halting(
                &address,
                "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 9\r\n\r\nab"
            ),
        );
        assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
        assert!(body.starts_with("HTTP/1.1 408") && body.contains("slow-body"), "{body}");
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_refused() {
        let limits = Limits::default();
        let app = Router::new()
            .route("/", post(|body: crate::rest::Body<serde_json::Value>| async move { body.0.to_string() }))
            .layer(crate::rest::body::at_most(BODY_LIMIT))
            .layer(from_fn_with_state(limits, bounded));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let _server = Server::start(listener, app).unwrap();
        assert_eq!(ask(&address, vec![b' '; BODY_LIMIT + 1]).await.0, 413);
        // Also one that does not say how large it is.
        let mut chunked =
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
                .to_owned();
        chunked += &format!("{:x}\r\n{}\r\n0\r\n\r\n", BODY_LIMIT + 1, " ".repeat(BODY_LIMIT + 1));
        let announced = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{}",
            BODY_LIMIT + 1,
            " ".repeat(BODY_LIMIT + 1)
        );
        for request in [chunked, announced] {
            let answer = halting(&address, &request).await;
            assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
            assert!(answer.contains("at most 1048576 bytes are taken"), "{answer}");
        }
        // Also if all of it is sent before the answer is looked at.
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", 8 * BODY_LIMIT);
        for _ in 0..20 {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&vec![b' '; 8 * BODY_LIMIT]).await.unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 413");
        }
    }
}

//! The controller's REST under load: many clients, slow ones, large bodies and listeners leave its memory bounded and its
//! scheduling loop in time.

#![expect(clippy::disallowed_methods, reason = "what is measured is real time")]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::cairn::Cairn;
use crate::servers::Server;

/// Clients that ask at the same time.
const CLIENTS: usize = 1_000;
/// How long they do.
const LASTS: Duration = Duration::from_secs(6);
/// Listeners that the controller takes, and some that are too many.
const STREAMS: usize = 2_048;
const TOO_MANY: usize = 100;
/// Clients that begin a request and do not go on.
const SLOW: usize = 200;
/// What the loop may be late, when the machine is not.
const LATE: Duration = Duration::from_millis(50);
/// What the controller may take, KiB: it holds some 3,300 connections.
const MEMORY: u64 = 192 * 1024;

/// Where it is and what its writes need.
#[derive(Clone)]
struct Controller {
    address: String,
    token: String,
}

impl Controller {
    fn request(&self, line: &str, headers: &str) -> String {
        format!("{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{headers}\r\n", self.token)
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }
}

/// Reads an answer: its status, its head and, if its length is told, its body.
async fn answer(stream: &mut TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    let mut piece = [0_u8; 4096];
    loop {
        let read = stream.read(&mut piece).await.unwrap();
        assert!(read > 0, "the server hung up: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if body.len() >= length.unwrap_or(0) {
            return (head[9..12].parse().unwrap(), text);
        }
    }
}

/// A number of the controller's metrics.
async fn metric(controller: &Controller, name: &str) -> f64 {
    let mut stream = controller.connect().await;
    stream.write_all(controller.request("GET /metrics", "").as_bytes()).await.unwrap();
    let (status, text) = answer(&mut stream).await;
    assert_eq!(status, 200);
    let line = text.lines().find(|line| line.starts_with(&format!("{name}{{")));
    line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok()).unwrap_or_else(|| panic!("{name}: {text}"))
}

/// One client on one connection, until the time is over; counts its answers.
async fn ask(controller: Controller, until: Instant, answers: Arc<AtomicUsize>) {
    let mut stream = controller.connect().await;
    let request = controller.request("GET /v1/status", "");
    while Instant::now() < until {
        stream.write_all(request.as_bytes()).await.unwrap();
        let (status, text) = answer(&mut stream).await;
        assert!(status == 200 || status == 429 && text.contains("retry-after: 1"), "{text}");
        answers.fetch_add(usize::from(status == 200), Ordering::Relaxed);
    }
}

/// Listens to events; none if there are too many who do.
async fn listen(controller: Controller) -> Option<TcpStream> {
    let mut stream = controller.connect().await;
    stream.write_all(controller.request("GET /v1/events", "").as_bytes()).await.unwrap();
    let (status, text) = answer(&mut stream).await;
    assert!(status == 200 || status == 429, "{text}");
    (status == 200).then_some(stream)
}

async fn halting(controller: Controller) -> TcpStream {
    let mut stream = controller.connect().await;
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nhost: ").await.unwrap();
    stream
}

/// The status for a body of so many bytes, of which only the first are sent.
async fn large(controller: Controller, length: usize) -> u16 {
    let mut stream = controller.connect().await;
    let head = controller.request("PUT /v1/secrets/word", &format!("content-length: {length}\r\n"));
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server need not take all of it before it answers.
    let _ = stream.write_all(&vec![b'x'; length]).await;
    answer(&mut stream).await.0
}

/// How late this program's own sleeps are at worst: what the machine itself makes late is nobody's fault.
fn machine(until: Instant) -> Duration {
    const BEAT: Duration = Duration::from_millis(20);
    let mut worst = Duration::ZERO;
    while Instant::now() < until {
        let begun = Instant::now();
        std::thread::sleep(BEAT);
        worst = worst.max(begun.elapsed().saturating_sub(BEAT));
    }
    worst
}

fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn all<T: Send + 'static>(count: usize, make: impl Fn() -> tokio::task::JoinHandle<T>) -> Vec<T> {
    let mut found = Vec::new();
    for handle in (0..count).map(|_| make()).collect::<Vec<_>>() {
        found.push(handle.await.unwrap());
    }
    found
}

#[test]
fn a_thousand_clients_and_two_thousand_listeners_keep_the_loop_in_time() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let cairn = Cairn::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (address, dir) = (format!("127.0.0.1:{port}"), cairn.path("work").display().to_string());
    let mut server = Server::start(
        &cairn,
        &["controller", "--master", "127.0.0.1:1", "--listen", &address, "--work-dir", &dir],
    );
    let token = server.until("it answers", || {
        std::net::TcpStream::connect(&address).ok()?;
        fs::read_to_string(cairn.path("work/token")).ok()
    });
    let controller = Controller { address, token: token.trim().to_owned() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(load(controller, server.id()));
}

async fn load(controller: Controller, pid: u32) {
    let listening = all(STREAMS + TOO_MANY, || tokio::spawn(listen(controller.clone()))).await;
    assert_eq!(listening.iter().flatten().count(), STREAMS, "the others are told to come again");
    let slow = all(SLOW, || tokio::spawn(halting(controller.clone()))).await;

    let until = Instant::now() + LASTS;
    let machine = tokio::task::spawn_blocking(move || machine(until));
    let answers = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(ask(controller.clone(), until, Arc::clone(&answers)));
    }
    let bodies = all(20, || tokio::spawn(large(controller.clone(), 3 << 20))).await;
    assert!(bodies.iter().all(|status| *status == 413), "{bodies:?}");
    let mut memory = 0;
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
        memory = memory.max(resident(pid));
    }
    let machine = machine.await.unwrap();
    let worst = Duration::from_secs_f64(metric(&controller, "cairn_loop_late_seconds_max").await);
    let beats = metric(&controller, "cairn_loop_beats_total").await;
    let answers = answers.load(Ordering::Relaxed);
    let told = format!(
        "{answers} answers, {memory} KiB, {beats} beats, at worst {worst:?} late, the machine {machine:?}"
    );
    println!("{told}");
    assert!(answers >= CLIENTS, "{told}");
    assert!(beats >= 50.0, "{told}");
    // The two see different moments: on a machine that is busy with other things, each is late by chance.
    assert!(worst <= LATE + 4 * machine, "{told}");
    assert!(memory <= MEMORY, "{told}");
    drop((listening, slow));
}

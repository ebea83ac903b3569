//! With a real server: the tests of all stores, and what only this one can do.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cairn_mesos::client::ZooKeeperAddress;
use cairn_tests::ZooKeeperServer;
use tokio::runtime::{Builder, Runtime};
use zookeeper_client::Client;

use super::super::conformance::{self, Bench, put};
use super::super::{Store, StoreError};
use super::*;

static BENCHES: AtomicU32 = AtomicU32::new(0);

/// A server of its own for each test: one that is ended with the test leaves nothing behind.
struct Node {
    server: Mutex<ZooKeeperServer>,
    address: ZooKeeperAddress,
    runtime: Runtime,
}

impl Node {
    fn stand(&self) -> Result<Candidate, StoreError> {
        self.runtime.block_on(Candidate::stand(&self.address))
    }

    fn client(&self) -> Client {
        self.runtime.block_on(Client::connect(&self.address.servers())).unwrap()
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.address.path())
    }
}

impl Bench for Node {
    type Store = ZooKeeperStore;

    fn new() -> Self {
        let server = ZooKeeperServer::start();
        let path = format!("cairn/state-{}", BENCHES.fetch_add(1, Ordering::Relaxed));
        let address = server.url(&path).parse().unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { server: server.into(), address, runtime }
    }

    fn open(&self) -> Result<ZooKeeperStore, StoreError> {
        let candidate = self.stand()?;
        self.runtime.block_on(candidate.elected("http://127.0.0.1:1"))
    }

    fn close(&self, store: ZooKeeperStore) {
        self.runtime.block_on(store.release());
    }

    fn write_schema(&self, schema: &str) {
        let written = self.client().set_data(&self.path("schema"), schema.as_bytes(), None);
        self.runtime.block_on(written).unwrap();
    }

    fn schema(&self) -> String {
        let (data, _) = self.runtime.block_on(self.client().get_data(&self.path("schema"))).unwrap();
        String::from_utf8(data).unwrap()
    }
}

conformance::tests!(Node, ignore = "needs Java and the distribution of ZooKeeper");

#[test]
#[ignore = "needs Java and the distribution of ZooKeeper"]
fn who_led_before_can_write_nothing() {
    let node = Node::new();
    let first = node.open().unwrap();
    first.apply(&[put("a", "first")]).unwrap();
    let second = node.stand().unwrap();
    let told = Arc::new(Mutex::new(None));
    node.runtime.block_on(async {
        let early = tokio::time::timeout(Duration::from_millis(500), second.elected("http://second")).await;
        assert!(early.is_err(), "one leads at a time");
        let follow = second.follow(|url| *told.lock().unwrap_or_else(PoisonError::into_inner) = url);
        let _ = tokio::time::timeout(Duration::from_millis(500), follow).await;
    });
    assert_eq!(told.lock().unwrap().as_deref(), Some("http://127.0.0.1:1"));
    // As after a SIGSTOP: the lock is gone and the first one does not know.
    let (lock, client) = (first.lock.lock().unwrap().as_ref().unwrap().lock_path().to_owned(), node.client());
    node.runtime.block_on(client.delete(&lock, None)).unwrap();
    let second = node.runtime.block_on(second.elected("http://second")).unwrap();
    assert!(matches!(first.apply(&[put("a", "late")]), Err(StoreError::Fenced { .. })));
    assert!(matches!(first.confirm(), Err(StoreError::Fenced { .. })));
    second.confirm().unwrap();
    assert_eq!(second.load().unwrap()["a"], b"first");
    second.apply(&[put("a", "second")]).unwrap();
    assert!(matches!(first.apply(&[put("b", "late")]), Err(StoreError::Fenced { .. })));
    assert_eq!(second.load().unwrap().len(), 1);
}

#[test]
#[ignore = "needs Java and the distribution of ZooKeeper"]
fn a_server_that_restarts_costs_nothing() {
    let node = Node::new();
    let store = node.open().unwrap();
    store.apply(&[put("a", "1")]).unwrap();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut server = node.server.lock().unwrap();
            server.kill();
            server.start_again();
        });
        // Each is carried out once, whatever became of the connection.
        for n in 0..200 {
            store.apply(&[put(&format!("n{n}"), "1"), put("a", &n.to_string())]).unwrap();
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    store.confirm().unwrap();
    let found = store.load().unwrap();
    assert_eq!((found.len(), found["a"].as_slice()), (201, b"199".as_slice()));
}

#[test]
#[ignore = "needs Java and the distribution of ZooKeeper"]
fn without_its_ensemble_a_leader_gives_up_within_its_session() {
    let node = Node::new();
    let store = node.open().unwrap();
    node.server.lock().unwrap().kill();
    let begun = now();
    let lost = node.runtime.block_on(store.lost());
    assert!(matches!(lost, StoreError::Fenced { .. }), "{lost}");
    let (took, term) = (now() - begun, store.lease.term());
    assert!(took <= term + Duration::from_millis(500), "{took:?} of {term:?}");
    assert!(!store.is_held());
    assert!(matches!(store.apply(&[put("a", "1")]), Err(StoreError::Fenced { .. })));
}

/// A large batch is carried out in many transactions: whoever dies in between, the next one finds all of it or nothing.
#[test]
#[ignore = "needs Java and the distribution of ZooKeeper"]
fn a_large_batch_is_whole_wherever_its_writer_stops() {
    let node = Node::new();
    let before: Vec<_> = (0..40).map(|n| put(&format!("k{n}"), "old")).collect();
    let large: Vec<_> = (0..20).map(|n| put(&format!("k{n}"), &"x".repeat(90_000))).collect();
    let large: Vec<_> =
        large.into_iter().chain((20..40).map(|n| conformance::remove(&format!("k{n}")))).collect();
    let (mut nothing, mut all, mut stop) = (0, 0, 0);
    loop {
        let store = node.open().unwrap();
        store.apply(&before).unwrap();
        store.stop_after.store(stop, Ordering::Relaxed);
        let whole = store.apply(&large).is_ok();
        node.close(store);
        let next = node.open().unwrap();
        let found = next.load().unwrap();
        match found.len() {
            40 => {
                assert!(found.values().all(|v| v == b"old"), "stopped after {stop}");
                nothing += 1;
            }
            20 => {
                assert!(found.values().all(|v| v.len() == 90_000), "stopped after {stop}");
                all += 1;
            }
            other => panic!("{other} entries after a stop after {stop}"),
        }
        let journal = node.runtime.block_on(node.client().list_children(&node.path("journal"))).unwrap();
        node.close(next);
        if whole {
            assert!(journal.is_empty(), "{journal:?}");
            break;
        }
        stop += 1;
    }
    eprintln!("{stop} stops: {nothing} times nothing, {all} times all");
    assert!(nothing > 3 && all > 3);
}

#[test]
#[ignore = "needs Java and the distribution of ZooKeeper"]
fn seen_from_outside() {
    use super::super::outside::tests::marks_come_and_go_and_nothing_outside_the_root_is_removed as all;
    let node = Node::new();
    node.runtime.block_on(async {
        let root = super::super::Place::ZooKeeper(node.address.clone());
        all(&root).await;
    });
}

#[test]
#[ignore = "needs Java and the distribution of ZooKeeper"]
fn a_state_is_copied_while_it_is_written() {
    use super::super::copy::tests::a_state_is_read_and_written_whole as all;
    let node = Node::new();
    let root = super::super::Place::ZooKeeper(node.address.clone());
    node.runtime.block_on(all(&root.below("copies")));
    let place = root.below("busy");
    let super::super::Place::ZooKeeper(address) = &place else { unreachable!("it is below one") };
    let store = node.runtime.block_on(copy::hold(address)).unwrap();
    let batch = |n: u32| {
        [
            put("a", &n.to_string()),
            put("large", &format!("\"{}\"", "x".repeat(600_000))),
            put("b", &n.to_string()),
        ]
    };
    store.apply(&batch(0)).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for n in 1..20 {
                store.apply(&batch(n)).unwrap();
                std::thread::sleep(Duration::from_millis(50));
            }
            done.store(true, Ordering::Relaxed);
        });
        let mut read = 0;
        while !done.load(Ordering::Relaxed) {
            if let Ok(entries) = node.runtime.block_on(place.read()) {
                assert_eq!(entries["a"], entries["b"], "no batch is seen by halves");
                read += 1;
            }
        }
        assert!(read > 0);
    });
    let refused = node.runtime.block_on(place.write(&super::super::Entries::new(), true));
    assert!(matches!(refused, Err(StoreError::Held { .. })), "{refused:?}");
}

//! Writers that never rest, and what has been acknowledged to them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::now;
use super::subject::Writer;

/// Between two writes, so that the machine has time for the services too.
const PAUSE: Duration = Duration::from_millis(100);

/// What a service has acknowledged.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Numbers that must be there for good.
    pub acknowledged: BTreeSet<u64>,
    /// How many writes were not acknowledged: what they wrote may be there or not.
    pub unanswered: u64,
    /// When the last write that was acknowledged had begun.
    pub latest: Option<Instant>,
    /// Why the last one that was not was not.
    pub complaint: String,
}

/// A writer in a thread of its own, until it is dropped.
pub struct Recorder {
    ledger: Arc<Mutex<Ledger>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Begins to write.
    pub fn start(mut writer: Box<dyn Writer>) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let over = Arc::new(AtomicBool::new(false));
        let (book, end) = (Arc::clone(&ledger), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            let mut next = 0;
            while !end.load(Ordering::Relaxed) {
                let begun = now();
                let told = writer.write(next);
                lock(&book).enter(next..next + writer.size(), begun, told);
                // A number that was not acknowledged may have been written: it is not used again.
                next += writer.size();
                std::thread::sleep(PAUSE);
            }
        });
        Self { ledger, over, thread: Some(thread) }
    }

    /// What has been acknowledged until now.
    pub fn ledger(&self) -> Ledger {
        lock(&self.ledger).clone()
    }

    /// Why no write that began after `moment` has been acknowledged, if so.
    pub fn serves_since(&self, moment: Instant) -> Result<(), String> {
        let ledger = lock(&self.ledger);
        if ledger.latest.is_some_and(|latest| latest > moment) {
            return Ok(());
        }
        Err(format!("no write is acknowledged: {}", ledger.complaint))
    }

    /// Ends after the write that is under way.
    pub fn stop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has said so on standard error; its ledger counts.
            let _ = thread.join();
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Ledger {
    fn enter(&mut self, numbers: std::ops::Range<u64>, begun: Instant, told: Result<(), String>) {
        match told {
            Ok(()) => {
                self.acknowledged.extend(numbers);
                self.latest = Some(begun);
            }
            Err(complaint) => {
                self.unanswered += 1;
                self.complaint = complaint;
            }
        }
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

//! What must hold: always, after each fault, and at the end.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::act::Wounds;
use super::now;
use super::record::Recorder;
use super::sight::Sight;
use super::subject::Subject;
use super::view::{View, agents};
use crate::Cairn;

/// A stack that has not recovered by then has not recovered.
const DEADLINE: Duration = Duration::from_secs(300);
/// So long must all hold before it counts: what was said just before a fault was heard of does not last.
const STEADY: Duration = Duration::from_secs(4);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// A service with its writer.
pub struct Patient {
    /// The service.
    pub subject: Box<dyn Subject>,
    /// Who writes to it.
    pub recorder: Recorder,
}

/// Looks for instances that run twice, all the time, until it is dropped.
pub struct Watch {
    seen: Arc<Mutex<Vec<String>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to look at what runs below a folder.
    pub fn start(folder: PathBuf) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let (found, end) = (Arc::clone(&seen), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                // `/proc` is not read at one moment: what ends and what begins meanwhile are both seen. A second look
                // tells those from two that run at the same time.
                let first = Sight::of(&folder).twice();
                if !first.is_empty() {
                    let still = Sight::of(&folder).twice().into_iter().filter(|two| first.contains(two));
                    found.lock().unwrap_or_else(PoisonError::into_inner).extend(still);
                }
                std::thread::sleep(LOOK);
            }
        });
        Self { seen, over, thread: Some(thread) }
    }

    /// What ran twice at some time.
    pub fn twice(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits until everything is as the file says and everything serves; gives how long that took from the end of the fault.
///
/// # Errors
/// What is still not so when the deadline has passed.
pub fn recovery(
    cairn: &Cairn,
    patients: &mut [Patient],
    wounds: &Wounds,
    count: usize,
) -> Result<Duration, String> {
    let mut since: Option<Instant> = None;
    loop {
        match whole(cairn, patients, wounds, count) {
            Ok(()) => {
                let since = *since.get_or_insert_with(now);
                if now() - since >= STEADY {
                    return Ok(since - wounds.over);
                }
            }
            Err(reason) if now() - wounds.over > DEADLINE => return Err(reason),
            Err(_) => since = None,
        }
        std::thread::sleep(LOOK);
    }
}

fn whole(cairn: &Cairn, patients: &mut [Patient], wounds: &Wounds, count: usize) -> Result<(), String> {
    View::of(cairn)?.converged(&wounds.dead)?;
    let there = agents(cairn)?;
    if there != count {
        return Err(format!("{there} of {count} agents are there"));
    }
    for Patient { subject, recorder } in patients {
        let service = subject.service();
        recorder.serves_since(wounds.over).map_err(|reason| format!("{service}: {reason}"))?;
        subject.whole().map_err(|reason| format!("{service}: {reason}"))?;
    }
    Ok(())
}

/// Reads all that was acknowledged; says what is lost. A read right after a change of leaders may not show all yet, so it
/// is read until all is there or the deadline has passed.
pub fn nothing_lost(patient: &mut Patient) -> Result<u64, String> {
    let acknowledged = patient.recorder.ledger().acknowledged;
    let begun = now();
    loop {
        let lost = match patient.subject.read(&acknowledged) {
            Ok(read) => acknowledged.difference(&read).copied().collect::<Vec<_>>(),
            Err(reason) if now() - begun > DEADLINE => return Err(reason),
            Err(_) => continue,
        };
        if lost.is_empty() {
            return Ok(acknowledged.len() as u64);
        }
        if now() - begun > DEADLINE {
            let some = &lost[..lost.len().min(20)];
            return Err(format!(
                "{} of {} acknowledged writes are lost: {some:?}",
                lost.len(),
                acknowledged.len()
            ));
        }
        std::thread::sleep(LOOK);
    }
}

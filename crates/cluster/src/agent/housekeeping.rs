//! When an agent looks after what its containers leave and say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::{garbage, rotate};

/// What becomes of what containers leave and say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Housekeeping {
    /// How long the sandbox of a container that has ended is kept at most; less the fuller the disk is.
    pub gc_delay: Duration,
    /// How large `stdout` and `stderr` of a container may grow before what is in them moves aside, in bytes. 0: any size.
    pub max_log_size: u64,
    /// Time between two looks.
    pub interval: Duration,
}

impl Housekeeping {
    /// A week, as in Mesos.
    pub const GC_DELAY: Duration = Duration::from_secs(7 * 24 * 3_600);
    /// 128 MiB.
    pub const MAX_LOG_SIZE: u64 = 128 * 1024 * 1024;
    /// Output that grows by 100 MiB a second is a gigabyte too large by then.
    pub const INTERVAL: Duration = Duration::from_secs(10);
}

impl Default for Housekeeping {
    fn default() -> Self {
        Self { gc_delay: Self::GC_DELAY, max_log_size: Self::MAX_LOG_SIZE, interval: Self::INTERVAL }
    }
}

/// Looks from time to time.
#[derive(Debug)]
pub(crate) struct Keeper {
    options: Housekeeping,
    work_dir: PathBuf,
    interval: Interval,
    /// Held by a look: on a slow disk one may outlast the interval, and two must not move the same output.
    looking: Arc<Mutex<()>>,
}

impl Keeper {
    pub(crate) fn new(options: Housekeeping, work_dir: PathBuf) -> Self {
        let mut interval = interval_at(Instant::now() + options.interval, options.interval);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { options, work_dir, interval, looking: Arc::default() }
    }

    /// Waits until it is time for the next look.
    pub(crate) async fn next(&mut self) {
        self.interval.tick().await;
    }

    /// One look, with the sandboxes that are in use: whose tasks run, or are waited for.
    pub(crate) fn tidy(&self, in_use: BTreeSet<PathBuf>) -> impl Future<Output = ()> + use<> {
        let (options, work_dir) = (self.options, self.work_dir.clone());
        let looking = Arc::clone(&self.looking);
        let work = move || {
            let Ok(_alone) = looking.try_lock() else { return };
            if options.max_log_size > 0 {
                for sandbox in &in_use {
                    shorten(sandbox, options.max_log_size);
                }
            }
            collect(&work_dir, &in_use, options.gc_delay);
        };
        async move {
            let _ = tokio::task::spawn_blocking(work).await;
        }
    }
}

fn shorten(sandbox: &Path, limit: u64) {
    if let Err(error) = rotate::rotate(sandbox, limit) {
        tracing::warn!(sandbox = %sandbox.display(), %error, "cannot move the output of a container aside");
    }
}

#[expect(clippy::disallowed_methods, reason = "this is a driver's clock")]
fn collect(work_dir: &Path, in_use: &BTreeSet<PathBuf>, delay: Duration) {
    let kept = garbage::kept(delay, garbage::used(work_dir));
    let Some(before) = SystemTime::now().checked_sub(kept) else { return };
    let gone = garbage::sweep(work_dir, in_use, before);
    if gone > 0 {
        tracing::info!(sandboxes = gone, "deleted what was left of containers that ended long ago");
    }
}

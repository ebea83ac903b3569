//! Sandboxes of containers that ended, and when they go.
//!
//! They are kept for a time, so that people can read what a task said; less long the fuller the disk is. As in Mesos
//! (`--gc_delay`, `--gc_disk_headroom`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, statvfs, utimensat};

/// The part of the disk that is to stay free.
const HEADROOM: f64 = 0.1;

/// How long what has ended is kept on a disk of which a part is used, 0 to 1.
pub(crate) fn kept(delay: Duration, used: f64) -> Duration {
    delay.mul_f64((1.0 - HEADROOM - used).max(0.0))
}

/// The part of its disk that is used, 0 to 1; 0 where nobody knows.
pub(crate) fn used(path: &Path) -> f64 {
    let Ok(disk) = statvfs(path) else { return 0.0 };
    let free = disk.f_bavail as f64 / disk.f_blocks.max(1) as f64;
    1.0 - free
}

/// Notes that a container has ended now: its sandbox counts as changed.
pub(crate) fn mark(sandbox: &Path) {
    let now = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
    };
    if let Err(error) = utimensat(CWD, sandbox, &now, AtFlags::SYMLINK_NOFOLLOW) {
        tracing::debug!(sandbox = %sandbox.display(), %error, "cannot note when the container ended");
    }
}

/// Deletes the sandboxes below the work directory that nobody uses and that were changed last before `before`. Empty
/// directories above them go in a later sweep, when they are as old. Gives how many sandboxes are gone.
pub(crate) fn sweep(work_dir: &Path, in_use: &BTreeSet<PathBuf>, before: SystemTime) -> usize {
    let mut gone = 0;
    for agent in directories(&work_dir.join("slaves")) {
        for framework in directories(&agent.join("frameworks")) {
            for executor in directories(&framework.join("executors")) {
                let runs = executor.join("runs");
                let old = |path: &PathBuf| !in_use.contains(path) && is_older(path, before);
                gone += directories(&runs).filter(old).filter(|sandbox| remove(sandbox)).count();
                if is_older(&runs, before) && directories(&runs).next().is_none() {
                    remove(&executor);
                }
            }
            tidy(&framework.join("executors"), before, &framework);
        }
    }
    gone
}

/// Removes `above` once `directory` in it is empty and old.
fn tidy(directory: &Path, before: SystemTime, above: &Path) {
    if is_older(directory, before) && directories(directory).next().is_none() {
        remove(above);
    }
}

fn remove(directory: &Path) -> bool {
    match fs::remove_dir_all(directory) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(directory = %directory.display(), %error, "cannot delete what is left of a container");
            false
        }
    }
}

fn is_older(path: &Path, before: SystemTime) -> bool {
    fs::symlink_metadata(path).and_then(|m| m.modified()).is_ok_and(|changed| changed < before)
}

fn directories(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuller_the_disk_the_shorter() {
        let kept = |used| kept(Duration::from_secs(1_000), used).as_secs();
        assert_eq!([0.0, 0.4, 0.9, 1.0].map(kept), [900, 500, 0, 0]);
    }

    #[test]
    fn old_sandboxes_go_and_then_what_held_them() {
        let work = tempfile::tempdir().unwrap();
        let sandbox = |executor: &str, run: &str| {
            work.path().join("slaves/a/frameworks/f/executors").join(executor).join("runs").join(run)
        };
        let (ended, running, other) = (sandbox("e", "1"), sandbox("e", "2"), sandbox("x", "3"));
        for sandbox in [&ended, &running, &other] {
            fs::create_dir_all(sandbox.join("deep")).unwrap();
        }
        let in_use = BTreeSet::from([running.clone()]);
        let far = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);

        assert_eq!(sweep(work.path(), &in_use, far(1)), 0);
        assert_eq!(sweep(work.path(), &in_use, far(10_000_000_000)), 2);
        assert!(running.exists() && !ended.exists() && !other.exists());
        assert!(!work.path().join("slaves/a/frameworks/f/executors/x").exists());
        sweep(work.path(), &BTreeSet::new(), far(10_000_000_000));
        assert!(!work.path().join("slaves/a/frameworks/f").exists());
    }

    #[test]
    fn what_ended_late_is_not_old() {
        let work = tempfile::tempdir().unwrap();
        let long_ago = SystemTime::UNIX_EPOCH;
        fs::File::open(work.path()).unwrap().set_modified(long_ago).unwrap();
        assert!(is_older(work.path(), long_ago + Duration::from_secs(1)));
        mark(work.path());
        assert!(!is_older(work.path(), long_ago + Duration::from_secs(1)));
    }
}

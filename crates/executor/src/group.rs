//! Process groups: signalling a service with all its helpers, and making sure that nothing stays behind.

use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, test_kill_process_group, waitpgid,
    waitpid,
};
use tokio::process::Child;
use tokio::time::Instant;

/// Pause between two looks at a group that is about to end.
const LOOK: Duration = Duration::from_millis(10);

/// The process group that a child leads. Whatever is left in it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Group {
    leader: Option<Pid>,
}

impl Group {
    /// The group of `child`, which was started as the leader of one.
    pub(crate) fn of(child: &Child) -> Self {
        Self { leader: child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) }
    }

    /// Sends `signal` to every process of the group; one that is gone is no error.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            let _ = kill_process_group(leader, signal);
        }
    }

    /// Whether a process of the group is left. Call it only after the leader was waited for: it takes the exit status
    /// of every dead process of the group that is a child of this one.
    fn is_alive(&self) -> bool {
        let Some(leader) = self.leader else { return false };
        while let Ok(Some(_)) = waitpgid(leader, WaitOptions::NOHANG) {}
        test_kill_process_group(leader).is_ok()
    }

    /// Ends what is left of the group after its leader: SIGTERM, and SIGKILL at `deadline`.
    pub(crate) async fn clear(&mut self, deadline: Instant) {
        if self.is_alive() {
            self.signal(Signal::TERM);
        }
        while self.is_alive() {
            if Instant::now() >= deadline {
                self.signal(Signal::KILL);
            }
            tokio::time::sleep(LOOK).await;
        }
        self.leader = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Kills every remaining child of this process, adopted ones included, until none is left or `limit` passed. Processes
/// that left their group and session become children of the executor when their parent ends, because it is a
/// subreaper.
pub(crate) async fn sweep(limit: Duration) {
    let deadline = Instant::now() + limit;
    loop {
        let children = children();
        if children.is_empty() || Instant::now() >= deadline {
            return;
        }
        for &(pid, _) in &children {
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Takes the exit status of dead adopted processes. Children that the executor started itself lead their groups; they
/// are left to the runtime, which waits for them.
pub(crate) fn reap_adopted() {
    for (pid, is_own) in children() {
        if !is_own {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

/// Children of this process, and whether it started them itself.
fn children() -> Vec<(Pid, bool)> {
    let me = getpid().as_raw_nonzero();
    let list = std::fs::read_to_string(format!("/proc/self/task/{me}/children")).unwrap_or_default();
    list.split_ascii_whitespace()
        .filter_map(|pid| {
            let pid: i32 = pid.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name, in parentheses, may hold anything; after it come state, parent and group.
            let group: i32 = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(2)?.parse().ok()?;
            Some((Pid::from_raw(pid)?, group == pid))
        })
        .collect()
}

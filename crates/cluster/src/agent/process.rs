//! Looking at processes, and ending whole containers.
//!
//! A container is one control group, where this process may make those: nothing leaves it. Elsewhere it is one session: its
//! first process is the session leader, and everything it starts belongs to the session unless it leaves on purpose. What
//! left is still found by its environment, which carries the path of the sandbox, unique to each container.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::cgroup::Cgroup;

/// Pause between two looks at a container that is about to end.
const LOOK: Duration = Duration::from_millis(20);
/// How long the kernel may take to end processes after SIGKILL before the agent goes on regardless: a process in
/// uninterruptible sleep must not block the agent for ever.
const AFTER_KILL: Duration = Duration::from_secs(10);

/// A process, told apart from a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Process number.
    pub pid: i32,
    /// Start time in clock ticks since boot, from `/proc/PID/stat`.
    pub start_time: u64,
}

impl ProcessId {
    /// The process that has the number `pid` now.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        Some(Self { pid, start_time: stat.start_time })
    }

    /// The session that this process led. None when another process has the number now: the kernel gives a number away
    /// again only when no process is left in the session, so whoever is in a session of that number is a stranger.
    fn session(&self) -> Option<i32> {
        let stranger = Stat::read(self.pid).is_some_and(|s| s.start_time != self.start_time);
        (!stranger).then_some(self.pid)
    }

    /// Whether that very process still runs; a zombie does not.
    pub fn is_alive(&self) -> bool {
        Stat::read(self.pid).is_some_and(|s| s.start_time == self.start_time && !s.is_dead())
    }
}

/// The fields of `/proc/PID/stat` after the name, which is in parentheses and may hold anything: state first.
pub(crate) fn fields(stat: &str) -> Option<Vec<&str>> {
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace().collect())
}

/// What is read from `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    state: char,
    session: i32,
    start_time: u64,
}

impl Stat {
    fn read(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let fields = fields(text)?;
        Some(Self {
            state: fields.first()?.chars().next()?,
            session: fields.get(3)?.parse().ok()?,
            start_time: fields.get(19)?.parse().ok()?,
        })
    }

    fn is_dead(self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// By what the processes of a container are found.
#[derive(Debug, Clone)]
pub(crate) struct Marks {
    pub(crate) group: Cgroup,
    pub(crate) leader: Option<ProcessId>,
    pub(crate) sandbox: PathBuf,
}

/// The variable by which the processes of a session in another container are found: its own sandbox, if it had one.
pub(crate) const SESSION: &str = "CAIRN_SESSION";

/// Every living process of the container: in its control group, of the session of its leader, or with its sandbox in the
/// environment, as MESOS_SANDBOX or, where an executor sets that anew for its tasks, as MESOS_DIRECTORY.
fn members(marks: &Marks) -> Vec<Pid> {
    let session = marks.leader.and_then(|leader| leader.session());
    let markers = ["MESOS_SANDBOX", "MESOS_DIRECTORY", SESSION]
        .map(|name| format!("{name}={}", marks.sandbox.display()));
    let group = marks.group.processes();
    let me = std::process::id();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|&pid| pid.unsigned_abs() != me)
        .filter(|&pid| {
            Stat::read(pid).is_some_and(|stat| {
                let in_group = || Pid::from_raw(pid).is_some_and(|pid| group.contains(&pid));
                !stat.is_dead()
                    && (session == Some(stat.session) || in_group() || has_variable(pid, &markers))
            })
        })
        .filter_map(Pid::from_raw)
        .collect()
}

fn has_variable(pid: i32, variables: &[String]) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|env| env.split(|b| *b == 0).any(|v| variables.iter().any(|name| name.as_bytes() == v)))
}

/// Ends everything in the container: SIGTERM at once, SIGKILL when `grace` has passed. Returns when nothing is left.
pub(crate) async fn end(marks: &Marks, grace: Duration) {
    let mut left = look(marks).await;
    if !grace.is_zero() {
        signal(&left, Signal::TERM);
    }
    let mut waited = Duration::ZERO;
    while !left.is_empty() && waited < grace + AFTER_KILL {
        if waited >= grace {
            marks.group.kill();
            signal(&left, Signal::KILL);
        }
        tokio::time::sleep(LOOK).await;
        waited += LOOK;
        left = look(marks).await;
    }
    if !left.is_empty() {
        tracing::warn!(sandbox = %marks.sandbox.display(), ?left, "processes outlived SIGKILL");
    }
}

/// Sends a process a signal by its number, if it still runs.
///
/// # Errors
/// There is no such signal, or it may not be sent.
pub(crate) fn send(process: ProcessId, number: i32) -> std::io::Result<()> {
    let signal = Signal::from_named_raw(number).ok_or(rustix::io::Errno::INVAL)?;
    match Pid::from_raw(process.pid).filter(|_| process.is_alive()) {
        Some(pid) => Ok(kill_process(pid, signal)?),
        None => Ok(()),
    }
}

fn signal(pids: &[Pid], signal: Signal) {
    for &pid in pids {
        let _ = kill_process(pid, signal);
    }
}

async fn look(marks: &Marks) -> Vec<Pid> {
    let marks = marks.clone();
    tokio::task::spawn_blocking(move || members(&marks)).await.unwrap_or_default()
}

/// Identifies this boot of the machine: process numbers and start times of another boot mean nothing.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let text = "42 (a) b)) S 1 40 39 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0 18446744073709551615";
        assert_eq!(Stat::parse(text), Some(Stat { state: 'S', session: 39, start_time: 777 }));
    }

    #[test]
    fn this_process_is_alive_and_its_successor_is_not() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let me = ProcessId::of(pid).unwrap();
        assert!(me.is_alive());
        assert!(!ProcessId { start_time: me.start_time + 1, ..me }.is_alive());
    }
}

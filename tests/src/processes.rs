//! The processes of a test: all that work below its folder, or name it in their command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its command line, separated by spaces.
    pub command: String,
    /// Where it works: for what runs in a container, the sandbox.
    pub folder: PathBuf,
}

impl Process {
    /// The process that started it, as long as that one lives.
    pub fn parent(&self) -> Option<i32> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // The name, in parentheses, may hold anything: what follows the last one is `state parent …`.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    }
}

/// All processes that belong to `folder`. Dead ones that nobody has waited for do not count.
pub fn below(folder: &Path) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mine = i32::try_from(std::process::id()).unwrap_or(-1);
    let mut found: Vec<Process> = entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != mine)
        .filter_map(|pid| belongs(pid, folder))
        .collect();
    found.sort_by_key(|p| p.pid);
    found
}

fn belongs(pid: i32, folder: &Path) -> Option<Process> {
    let proc = Path::new("/proc").join(pid.to_string());
    let raw = fs::read(proc.join("cmdline")).ok()?;
    let command = String::from_utf8_lossy(&raw).replace('\0', " ").trim().to_owned();
    if command.is_empty() {
        return None;
    }
    let cwd = fs::read_link(proc.join("cwd")).ok()?;
    let named = command.contains(&*folder.to_string_lossy());
    (cwd.starts_with(folder) || named).then_some(Process { pid, command, folder: cwd })
}

/// Kills one process the hard way.
pub fn kill_hard(pid: i32) {
    signal(pid, Signal::KILL);
}

/// Asks one process to end.
pub fn terminate(pid: i32) {
    signal(pid, Signal::TERM);
}

/// Makes one process stand still, until [`thaw`].
pub fn freeze(pid: i32) {
    signal(pid, Signal::STOP);
}

/// Lets one go on that stood still.
pub fn thaw(pid: i32) {
    signal(pid, Signal::CONT);
}

fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
    }
}

/// Ends everything below a folder, whatever state it is in.
pub fn end_all(folder: &Path) {
    for hard in [false, true, true, true] {
        for process in below(folder) {
            if hard { kill_hard(process.pid) } else { terminate(process.pid) }
        }
        for _ in 0..100 {
            if below(folder).is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

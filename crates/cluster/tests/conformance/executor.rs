//! Custom executors: real processes that do nothing, for which the player speaks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, getsid, kill_process};
use serde_json::{Map, Value, json};

/// Ends with the status that a file beside it tells, which is named after the executor.
const PROGRAM: &str = r#"#!/bin/sh
told="${0%/*}/$MESOS_EXECUTOR_ID"
until [ -s "$told" ]; do sleep 0.05; done
read -r status < "$told" && exit "$status"
"#;
const NAME: &str = "executor.py";
/// How long a process may take to start.
const PATIENCE: Duration = Duration::from_secs(25);
const PAUSE: Duration = Duration::from_millis(5);

/// The executors of a conversation.
#[derive(Debug)]
pub(crate) struct Executors {
    dir: PathBuf,
    /// Those that run: their ids and processes, in order of their start.
    running: Vec<(String, Pid)>,
}

impl Executors {
    /// With the program in `dir`, and beside it what tasks fetch.
    pub(crate) fn new(dir: PathBuf) -> Self {
        let program = dir.join(NAME);
        fs::create_dir_all(dir.join("files")).unwrap();
        fs::write(&program, PROGRAM).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        write_files(&dir.join("files"));
        Self { dir, running: Vec::new() }
    }

    /// `$EXECUTOR_DIR` of the recordings.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Waits for the process of an executor; what it was given, as the recordings say it. Its zeroth argument is not known:
    /// the kernel gives scripts another one.
    pub(crate) async fn started(&mut self, framework: &str, executor: &str) -> Option<Value> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some((pid, seen)) = self.find(framework, executor) {
                self.running.push((executor.to_owned(), pid));
                return Some(seen);
            }
            if tokio::time::Instant::now() > deadline {
                return None;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn find(&self, framework: &str, executor: &str) -> Option<(Pid, Value)> {
        let program = self.dir.join(NAME).display().to_string();
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let mut pids = processes.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
        pids.find_map(|pid| {
            let proc = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
            let argv = strings(&proc.join("cmdline"));
            // What it starts has its environment, but is no leader.
            if argv.get(1) != Some(&program) || getsid(Some(pid)) != Ok(pid) {
                return None;
            }
            let variables = strings(&proc.join("environ"));
            let pairs = variables.iter().filter_map(|variable| variable.split_once('='));
            let environment: Map<String, Value> =
                pairs.map(|(name, value)| (name.to_owned(), value.into())).collect();
            if environment.get("MESOS_FRAMEWORK_ID")? != framework
                || environment.get("MESOS_EXECUTOR_ID")? != executor
            {
                return None;
            }
            let cwd = fs::read_link(proc.join("cwd")).ok()?;
            let mut sandbox: Vec<String> = fs::read_dir(&cwd)
                .ok()?
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            sandbox.sort();
            let seen = json!({
                "argv": argv[2..], "cwd": cwd.display().to_string(), "environment": environment, "sandbox": sandbox,
            });
            Some((pid, seen))
        })
    }

    pub(crate) fn kill(&mut self, executor: &str) {
        let at = self.running.iter().position(|(id, _)| id == executor);
        let (_, pid) = self.running.remove(at.unwrap_or_else(|| panic!("{executor} does not run")));
        kill_process(pid, Signal::KILL).unwrap();
    }

    /// Lets the one that was started last end by itself.
    pub(crate) fn exit_last(&mut self) {
        let (id, _) = self.running.pop().unwrap_or_else(|| panic!("no executor runs"));
        fs::write(self.dir.join(id), "0\n").unwrap();
    }
}

/// Strings that end with a zero each.
fn strings(file: &Path) -> Vec<String> {
    let bytes = fs::read(file).unwrap_or_default();
    let all = bytes.split(|byte| *byte == 0).map(|string| String::from_utf8_lossy(string).into_owned());
    let mut all: Vec<String> = all.collect();
    all.pop();
    all
}

/// What the recordings' tasks fetch.
fn write_files(dir: &Path) {
    fs::write(dir.join("a.txt"), "fetched\n").unwrap();
    fs::write(dir.join("run.sh"), "#!/bin/sh\necho ran\n").unwrap();
    let packed = fs::File::create(dir.join("b.tar.gz")).unwrap();
    let mut archive =
        tar::Builder::new(flate2::write::GzEncoder::new(packed, flate2::Compression::default()));
    let mut header = tar::Header::new_gnu();
    header.set_size(8);
    header.set_mode(0o644);
    archive.append_data(&mut header, "in-tar.txt", &b"in a tar"[..]).unwrap();
    archive.into_inner().unwrap().finish().unwrap();
}

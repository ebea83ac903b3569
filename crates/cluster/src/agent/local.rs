//! Containers as process groups of this machine.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::{Child, Command};

use super::fetch::Fetcher;
use super::probe;
use super::process::{self, ProcessId};
use super::runner::{Answer, Container, ContainerPlan, Probe, Runner, VolumeMount, Work};

/// Time between SIGTERM and SIGKILL for what a first process leaves behind when it ends.
const LEFTOVER_GRACE: Duration = Duration::from_secs(2);
/// Pause between looks at a process where the kernel has no process descriptors.
const POLL: Duration = Duration::from_millis(100);

/// Starts real processes. Each is the leader of a session of its own, so that it outlives this process.
#[derive(Debug, Clone)]
pub struct LocalRunner {
    fetcher: Fetcher,
    /// Asks tasks how they are.
    client: probe::Client,
    /// Containers that this process started, whose exit status it will learn.
    children: Arc<Mutex<HashMap<String, Child>>>,
}

impl LocalRunner {
    /// A runner that fetches through `fetcher`.
    pub fn new(fetcher: Fetcher) -> Self {
        Self { fetcher, client: probe::Client::default(), children: Arc::default() }
    }

    fn take_child(&self, container: &str) -> Option<Child> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner).remove(container)
    }
}

impl Runner for LocalRunner {
    fn start(&self, plan: ContainerPlan) -> Work<'_, Result<ProcessId, String>> {
        Box::pin(async move {
            prepare(&plan).map_err(|e| format!("Cannot make sandbox {}: {e}", plan.sandbox.display()))?;
            mount(&plan.sandbox, &plan.volumes)?;
            self.fetcher.fetch(&plan.uris, &plan.sandbox).await.map_err(|e| e.to_string())?;
            let child = spawn(&plan)
                .or_else(|error| spawn(&not_started(&plan, &error)))
                .map_err(|e| format!("Cannot start {}: {e}", plan.program))?;
            let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(ProcessId::of);
            self.children.lock().unwrap_or_else(PoisonError::into_inner).insert(plan.container, child);
            id.ok_or_else(|| format!("{} has no process", plan.program))
        })
    }

    fn wait(&self, container: Container) -> Work<'_, Option<i32>> {
        Box::pin(async move {
            let status = match self.take_child(&container.id) {
                Some(mut child) => child.wait().await.ok().map(ExitStatusExt::into_raw),
                None => {
                    if let Some(process) = container.process {
                        ended(process).await;
                    }
                    None
                }
            };
            process::end(container.process, &container.sandbox, LEFTOVER_GRACE).await;
            status
        })
    }

    fn end(&self, container: Container, grace: Duration) -> Work<'_, ()> {
        Box::pin(async move {
            process::end(container.process, &container.sandbox, grace).await;
        })
    }

    fn mount(&self, sandbox: PathBuf, volumes: Vec<VolumeMount>) -> Work<'_, Result<(), String>> {
        Box::pin(async move { mount(&sandbox, &volumes) })
    }

    fn probe(&self, probe: Probe) -> Work<'_, Answer> {
        Box::pin(self.client.ask(probe))
    }

    fn delete(&self, volumes: Vec<PathBuf>) -> Work<'_, ()> {
        Box::pin(async move {
            let _ = tokio::task::spawn_blocking(move || delete(&volumes)).await;
        })
    }
}

/// Waits for the end of a process that is not this one's child.
async fn ended(process: ProcessId) {
    if let Some(fd) = descriptor(process).and_then(registered) {
        // Readable means ended. The check of the start time comes after the descriptor was opened, so the
        // descriptor is known to be of the right process.
        if process.is_alive() {
            let _ = fd.readable().await;
        }
        return;
    }
    while process.is_alive() {
        tokio::time::sleep(POLL).await;
    }
}

fn descriptor(process: ProcessId) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(process.pid)?, PidfdFlags::empty()).ok()
}

/// Lets the runtime watch a descriptor.
#[allow(unsafe_code)]
fn registered(fd: OwnedFd) -> Option<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open, stays the same descriptor, and is closed only when it is dropped with the `AsyncFd`.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.ok()
}

/// Makes the sandbox and the links to it.
fn prepare(plan: &ContainerPlan) -> io::Result<()> {
    fs::create_dir_all(&plan.sandbox)?;
    for link in &plan.links {
        if fs::read_link(&link.at).is_ok_and(|to| to == link.to) {
            continue;
        }
        if let Some(above) = link.at.parent() {
            fs::create_dir_all(above)?;
        }
        match fs::remove_file(&link.at) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match symlink(&link.to, &link.at) {
            // A container that was started at the same time made it.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// What takes the place of a program that does not exist or must not be run: as with Mesos, whose launcher has started
/// by then, the container runs and ends with status 1, and its standard error says why.
fn not_started(plan: &ContainerPlan, error: &io::Error) -> ContainerPlan {
    let why = format!("Failed to execute command {}: {error}", plan.program);
    let argv = ["sh", "-c", r#"echo "$1" >&2; exit 1"#, "sh", &why].map(str::to_owned);
    ContainerPlan { program: "/bin/sh".to_owned(), argv: argv.into(), ..plan.clone() }
}

fn mount(sandbox: &Path, volumes: &[VolumeMount]) -> Result<(), String> {
    for volume in volumes {
        link_volume(sandbox, volume)
            .map_err(|e| format!("Cannot link volume {} into the sandbox: {e}", volume.source.display()))?;
    }
    Ok(())
}

fn link_volume(sandbox: &Path, volume: &VolumeMount) -> io::Result<()> {
    fs::create_dir_all(&volume.source)?;
    let target = sandbox.join(&volume.target);
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    match symlink(&volume.source, &target) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match fs::read_link(&target) {
            Ok(present) if present == volume.source => Ok(()),
            _ => Err(error),
        },
        result => result,
    }
}

fn delete(volumes: &[PathBuf]) {
    for volume in volumes {
        match fs::remove_dir_all(volume) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(volume = %volume.display(), %error, "cannot delete a destroyed volume");
            }
            _ => tracing::info!(volume = %volume.display(), "deleted a destroyed volume"),
        }
    }
}

fn spawn(plan: &ContainerPlan) -> io::Result<Child> {
    let output =
        |name: &str| File::options().create(true).append(true).open(plan.sandbox.join(name)).map(Stdio::from);
    let program = if plan.program.contains('/') {
        plan.sandbox.join(&plan.program)
    } else {
        PathBuf::from(&plan.program)
    };
    let mut command = Command::new(program);
    if let Some((zeroth, rest)) = plan.argv.split_first() {
        command.arg0(zeroth).args(rest);
    }
    command
        .env_clear()
        .envs(plan.env.iter().map(|(k, v)| (k, v)))
        .current_dir(&plan.sandbox)
        .stdin(Stdio::null())
        .stdout(output("stdout")?)
        .stderr(output("stderr")?);
    in_own_session(&mut command);
    command.spawn()
}

/// Makes the process the leader of a new session, which no end of this one touches.
#[allow(unsafe_code)]
fn in_own_session(command: &mut Command) {
    // SAFETY: between fork and exec the closure makes one system call, setsid, and touches no memory that another
    // thread could have left locked or half written.
    unsafe {
        command.pre_exec(|| rustix::process::setsid().map(drop).map_err(io::Error::from));
    }
}

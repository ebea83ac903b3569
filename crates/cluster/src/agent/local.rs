//! Containers as process groups of this machine.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::process::{Child, Command};

use super::cgroup::{Cgroup, CgroupError, Cgroups, OUT_OF_MEMORY_LOOK};
use super::fetch::{FetchUri, Fetcher};
use super::fetching::Fetching;
use super::isolation::Containment;
use super::process::{self, Marks, ProcessId};
use super::runner::{
    Answer, Container, ContainerPlan, Exit, Joined, NestedPlan, Probe, ProbeKind, Runner, Update,
    VolumeMount, Work,
};
use super::user::Identity;
use super::watched::watched;
use super::{garbage, nested, probe};

/// Time between SIGTERM and SIGKILL for what a first process leaves behind when it ends.
const LEFTOVER_GRACE: Duration = Duration::from_secs(2);
/// Pause between looks at a process where the kernel has no process descriptors.
const POLL: Duration = Duration::from_millis(100);
/// Time between two tries to start a program that is busy, and how often that is tried.
const BUSY_PAUSE: Duration = Duration::from_millis(5);
const BUSY_TRIES: usize = 400;

/// Starts real processes. Each is the leader of a session of its own, so that it outlives this process.
#[derive(Debug, Clone)]
pub struct LocalRunner {
    fetcher: Fetcher,
    /// Asks tasks how they are.
    client: probe::Client,
    /// Where containers have their control groups.
    groups: Cgroups,
    /// Whether containers run as their frameworks' users.
    switch_user: bool,
    /// Containers that this process started, whose exit status it will learn.
    children: Arc<Mutex<HashMap<String, Child>>>,
    /// Containers that have no process yet.
    fetching: Fetching,
}

impl LocalRunner {
    /// A runner that fetches through `fetcher` and sets containers apart as `containment` says.
    ///
    /// # Errors
    /// The limits cannot be kept on this machine, or not by this process.
    pub fn new(fetcher: Fetcher, containment: Containment) -> Result<Self, CgroupError> {
        let Containment { isolation, switch_user } = containment;
        let groups = Cgroups::detect(isolation)?;
        let client = probe::Client::default();
        let (children, fetching) = (Arc::default(), Fetching::default());
        Ok(Self { fetcher, client, groups, switch_user, children, fetching })
    }

    /// The same for another agent: it knows of no containers. A clone knows what this one does.
    pub fn anew(&self) -> Self {
        Self { children: Arc::default(), fetching: Fetching::default(), ..self.clone() }
    }

    /// Whom a container has to become.
    pub(crate) fn identity(&self, user: &str) -> Result<Option<Identity>, String> {
        if self.switch_user { Identity::of(user) } else { Ok(None) }
    }

    fn marks(&self, container: Container) -> Marks {
        let Container { id, sandbox, process } = container;
        Marks { group: self.groups.of(&id), leader: process, sandbox }
    }

    /// The control groups of a container.
    pub(crate) fn group(&self, container: &str) -> Cgroup {
        self.groups.of(container)
    }

    /// Fetches into a sandbox.
    pub(crate) async fn fetch(&self, uris: &[FetchUri], sandbox: &Path) -> Result<(), String> {
        self.fetcher.fetch(uris, sandbox).await.map_err(|error| error.to_string())
    }

    /// Keeps a child until somebody waits for its container.
    pub(crate) fn keep(&self, container: String, child: Child) {
        self.children.lock().unwrap_or_else(PoisonError::into_inner).insert(container, child);
    }

    fn hold_child(&self, container: &str) -> Held {
        let child = self.children.lock().unwrap_or_else(PoisonError::into_inner).remove(container);
        Held { children: Arc::clone(&self.children), container: container.to_owned(), child }
    }
}

/// A child that is waited for. An agent that ends before it leaves it to the next one of this process, which will learn its
/// exit status then.
struct Held {
    children: Arc<Mutex<HashMap<String, Child>>>,
    container: String,
    child: Option<Child>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
            children.insert(std::mem::take(&mut self.container), child);
        }
    }
}

impl Runner for LocalRunner {
    fn start(&self, plan: ContainerPlan) -> Work<'_, Result<ProcessId, String>> {
        Box::pin(async move {
            let unmade = |e| format!("Cannot make sandbox {}: {e}", plan.sandbox.display());
            let identity = self.identity(&plan.user)?;
            prepare(&plan).map_err(unmade)?;
            mount(&plan.sandbox, &plan.volumes, identity.as_ref())?;
            // Before anything is fetched, which might be called like these.
            let output = Output::open(&plan.sandbox).map_err(unmade)?;
            let fetch = self.fetch(&plan.uris, &plan.sandbox);
            if let Err(error) = self.fetching.fetch(&plan.container, fetch).await {
                return Err(output.note(error));
            }
            if let Some(identity) = &identity {
                identity.give_all(&plan.sandbox).map_err(unmade)?;
            }
            let group = self.groups.of(&plan.container);
            let spawn = |plan: &ContainerPlan| {
                let gates = group.make(&plan.limits)?;
                spawn(plan, &plan.sandbox, output.ends()?, gates, identity.clone())
            };
            let child = unless_busy(|| spawn(&plan))
                .await
                .or_else(|error| spawn(&not_started(&plan, &error)))
                .map_err(|e| format!("Cannot start {}: {e}", plan.program))?;
            let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(ProcessId::of);
            self.keep(plan.container, child);
            id.ok_or_else(|| format!("{} has no process", plan.program))
        })
    }

    fn nest(&self, plan: NestedPlan) -> Work<'_, Result<Joined, String>> {
        Box::pin(nested::start(self, plan))
    }

    fn wait(&self, container: Container) -> Work<'_, Exit> {
        Box::pin(async move {
            let mut held = self.hold_child(&container.id);
            let marks = self.marks(container);
            let status = {
                let first = first_process(held.child.as_mut(), marks.leader);
                tokio::pin!(first);
                tokio::select! {
                    status = &mut first => status,
                    () = out_of_memory(&marks.group) => {
                        process::end(&marks, Duration::ZERO).await;
                        first.await
                    }
                }
            };
            held.child = None;
            process::end(&marks, LEFTOVER_GRACE).await;
            let out_of_memory = marks.group.out_of_memory();
            marks.group.remove();
            garbage::mark(&marks.sandbox);
            Exit { status, out_of_memory }
        })
    }

    fn end(&self, container: Container, grace: Duration) -> Work<'_, ()> {
        Box::pin(async move {
            self.fetching.give_up(&container.id);
            process::end(&self.marks(container), grace).await;
        })
    }

    fn update(&self, container: Container, update: Update) -> Work<'_, Result<(), String>> {
        Box::pin(async move {
            let identity = self.identity(&update.user)?;
            mount(&container.sandbox, &update.volumes, identity.as_ref())?;
            let limited = self.groups.of(&container.id).limit(&update.limits);
            // The kernel refuses a limit below what is in use; then the container keeps the one it has, as with Mesos.
            if let Err(error) = limited {
                tracing::warn!(container = container.id, %error, "the container keeps the limits it has");
            }
            Ok(())
        })
    }

    fn probe(&self, probe: Probe) -> Work<'_, Answer> {
        Box::pin(async move {
            let identity = match &probe.kind {
                ProbeKind::Command { user, .. } => self.identity(user),
                ProbeKind::Http { .. } | ProbeKind::Tcp { .. } => Ok(None),
            };
            match identity {
                Ok(identity) => self.client.ask(probe, identity).await,
                Err(why) => Answer::None(why),
            }
        })
    }

    fn delete(&self, volumes: Vec<PathBuf>) -> Work<'_, Vec<PathBuf>> {
        Box::pin(async move {
            let all = move || volumes.into_iter().filter(|volume| delete(volume)).collect();
            tokio::task::spawn_blocking(all).await.unwrap_or_default()
        })
    }
}

/// Waits for the end of a container's first process, and gives its wait status if it is this one's child.
async fn first_process(child: Option<&mut Child>, process: Option<ProcessId>) -> Option<i32> {
    match (child, process) {
        (Some(child), _) => child.wait().await.ok().map(ExitStatusExt::into_raw),
        (None, Some(process)) => {
            ended(process).await;
            None
        }
        (None, None) => None,
    }
}

/// Waits until a container has needed more memory than it may use; for ever if it may use any amount.
async fn out_of_memory(group: &Cgroup) {
    if !group.is_memory_limited() {
        return std::future::pending().await;
    }
    while group.out_of_memory().is_none() {
        tokio::time::sleep(OUT_OF_MEMORY_LOOK).await;
    }
}

/// Waits for the end of a process that is not this one's child.
async fn ended(process: ProcessId) {
    if let Some(fd) = descriptor(process).and_then(|fd| watched(fd, Interest::READABLE).ok()) {
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

/// Makes the sandbox and the links to it.
fn prepare(plan: &ContainerPlan) -> io::Result<()> {
    fs::create_dir_all(&plan.sandbox)?;
    if let Some(above) = &plan.above {
        Output::open(above)?;
    }
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

/// Tries again while the program counts as being written: who forks while it is fetched, to start another container, holds
/// it open until the exec (`ETXTBSY`).
pub(crate) async fn unless_busy<T>(mut start: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..BUSY_TRIES {
        match start() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                tokio::time::sleep(BUSY_PAUSE).await
            }
            result => return result,
        }
    }
    start()
}

/// What takes the place of a program that does not exist or must not be run: as with Mesos, whose launcher has started
/// by then, the container runs and ends with status 1, and its standard error says why.
pub(crate) fn not_started(plan: &ContainerPlan, error: &io::Error) -> ContainerPlan {
    let why = format!("Failed to execute command {}: {error}", plan.program);
    let argv = ["sh", "-c", r#"echo "$1" >&2; exit 1"#, "sh", &why].map(str::to_owned);
    ContainerPlan { program: "/bin/sh".to_owned(), argv: argv.into(), ..plan.clone() }
}

fn mount(sandbox: &Path, volumes: &[VolumeMount], identity: Option<&Identity>) -> Result<(), String> {
    for volume in volumes {
        link_volume(sandbox, volume)
            // What is in it belongs to those who made it; as in Mesos.
            .and_then(|()| identity.map_or(Ok(()), |identity| identity.give(&volume.source)))
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

/// Whether nothing is left of a volume's data.
fn delete(volume: &Path) -> bool {
    match fs::remove_dir_all(volume) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::error!(volume = %volume.display(), %error, "cannot delete a destroyed volume");
            false
        }
        _ => {
            tracing::info!(volume = %volume.display(), "deleted a destroyed volume");
            true
        }
    }
}

/// The files that hold what a container says.
pub(crate) struct Output {
    stdout: File,
    stderr: File,
}

impl Output {
    pub(crate) fn open(sandbox: &Path) -> io::Result<Self> {
        let open = |name: &str| File::options().create(true).append(true).open(sandbox.join(name));
        Ok(Self { stdout: open("stdout")?, stderr: open("stderr")? })
    }

    /// Has people find in the sandbox why there is nothing else.
    pub(crate) fn note(mut self, problem: String) -> String {
        if let Err(error) = writeln!(self.stderr, "{problem}") {
            tracing::warn!(%error, "cannot write into a sandbox");
        }
        problem
    }

    /// What a process gets of them. Nobody says anything to it.
    pub(crate) fn ends(&self) -> io::Result<Ends> {
        let (stdout, stderr) = (self.stdout.try_clone()?.into(), self.stderr.try_clone()?.into());
        Ok(Ends { stdin: Stdio::null(), stdout, stderr, is_terminal: false })
    }

    /// The first of them.
    pub(crate) fn log(&self) -> io::Result<File> {
        self.stdout.try_clone()
    }
}

/// What a process reads and writes first of all.
pub(crate) struct Ends {
    pub(crate) stdin: Stdio,
    pub(crate) stdout: Stdio,
    pub(crate) stderr: Stdio,
    /// All of them are the terminal of its session.
    pub(crate) is_terminal: bool,
}

/// Starts the first process of a container at a place. It passes the `gates` of its control groups and becomes its user before
/// it is the program.
pub(crate) fn spawn(
    plan: &ContainerPlan,
    place: &Path,
    ends: Ends,
    gates: Vec<File>,
    identity: Option<Identity>,
) -> io::Result<Child> {
    let program =
        if plan.program.contains('/') { place.join(&plan.program) } else { PathBuf::from(&plan.program) };
    let mut command = Command::new(program);
    if let Some((zeroth, rest)) = plan.argv.split_first() {
        command.arg0(zeroth).args(rest);
    }
    command
        .env_clear()
        .envs(plan.env.iter().map(|(k, v)| (k, v)))
        .current_dir(place)
        .stdin(ends.stdin)
        .stdout(ends.stdout)
        .stderr(ends.stderr);
    apart(&mut command, ends.is_terminal, gates, identity);
    command.spawn()
}

/// Makes the process the leader of a new session, which no end of this one touches, in its own control groups and as its
/// own user. Its standard input may be the terminal of that session.
#[expect(unsafe_code, reason = "no safe function runs anything between fork and exec")]
fn apart(command: &mut Command, is_terminal: bool, gates: Vec<File>, identity: Option<Identity>) {
    let apart = move || {
        rustix::process::setsid()?;
        if is_terminal {
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        }
        for gate in &gates {
            rustix::io::write(gate, b"0")?;
        }
        identity.as_ref().map_or(Ok(()), Identity::assume)
    };
    // SAFETY: between fork and exec the closure makes system calls on what was there before, and touches no memory that
    // another thread could have left locked or half written: setsid, ioctl, write, setgroups, setgid, setuid.
    unsafe {
        command.pre_exec(apart);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_is_open_for_writing_is_started_when_it_is_not_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("true");
        fs::copy("/bin/true", &program).unwrap();
        let mut writer = Some(fs::File::options().append(true).open(&program).unwrap());
        let mut tries = 0;
        let ended = unless_busy(|| {
            tries += 1;
            let ended = std::process::Command::new(&program).status();
            writer = None;
            ended
        });
        assert!(ended.await.unwrap().success());
        // Other tests fork as well.
        assert!(tries >= 2 && writer.is_none(), "{tries}");
    }
}

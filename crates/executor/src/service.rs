//! The life of one service: preparation, start, readiness, health, end.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use cairn_mesos::client::Access;
use cairn_mesos::signal_name;
use cairn_task::{Place, TaskSpec};
use rustix::process::Signal;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::child::Launch;
use crate::files;
use crate::follow::Follower;
use crate::group::Group;
use crate::monitor;
use crate::ports::{self, PortTaken};
use crate::tail::Mark;
use crate::user;

/// Time between SIGTERM and SIGKILL when nobody says otherwise.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
/// How long helpers of a service may live on after it has ended by itself.
const STRAGGLERS: Duration = Duration::from_secs(2);

/// What a running service tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Preparation begins.
    Starting,
    /// The process runs; `healthy` as in `TaskStatus`.
    Running {
        /// Ready, failing, or not known yet.
        healthy: Option<bool>,
        /// What the probe says.
        message: Option<String>,
    },
    /// It was asked to stop.
    Killing,
    /// It is over, and nothing of it is left.
    Ended(End),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By itself, well.
    Finished(String),
    /// By itself, badly, or it could not be started.
    Failed(String),
    /// Because it was asked to.
    Killed(String),
    /// It was not even started.
    PortTaken(PortTaken),
}

/// Why a service cannot be started.
enum Unfit {
    Port(PortTaken),
    Other(String),
}

impl From<String> for Unfit {
    fn from(message: String) -> Self {
        Self::Other(message)
    }
}

/// A wish to stop the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stop {
    /// Time between SIGTERM and SIGKILL; the spec's when absent.
    pub grace: Option<Duration>,
    /// Upper bound on whatever grace applies.
    pub at_most: Option<Duration>,
}

impl Stop {
    fn grace(self, spec: &TaskSpec) -> Duration {
        let own = if spec.grace_ms == 0 { DEFAULT_GRACE } else { Duration::from_millis(spec.grace_ms) };
        let grace = self.grace.unwrap_or(own);
        self.at_most.map_or(grace, |most| grace.min(most))
    }
}

/// An agent, as one of its executors comes to it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agent {
    /// Where it listens.
    pub(crate) address: String,
    /// Who the executor is there.
    pub(crate) access: Access,
}

/// One service to run.
pub(crate) struct Service {
    /// What to run, templates and all.
    pub(crate) spec: TaskSpec,
    /// Where it finds itself.
    pub(crate) place: Place,
    /// Value of PATH, for the check of required programs.
    pub(crate) path: String,
    /// Its agent.
    pub(crate) agent: Agent,
}

impl Service {
    /// Runs it to its end, which is the last report. Dropping the future kills the service.
    pub(crate) async fn run(self, mut stops: mpsc::Receiver<Stop>, reports: mpsc::Sender<Report>) {
        let end = self.live(&mut stops, &reports).await;
        let _ = reports.send(Report::Ended(end)).await;
    }

    async fn live(&self, stops: &mut mpsc::Receiver<Stop>, reports: &mpsc::Sender<Report>) -> End {
        let _ = reports.send(Report::Starting).await;
        let ready = Prepared { service: self, sandbox: PathBuf::from(&self.place.sandbox) };
        let spec = tokio::select! {
            biased;
            Some(_) = stops.recv() => return End::Killed("Killed before the command was started".to_owned()),
            result = ready.prepare() => match result {
                Ok(spec) => spec,
                Err(Unfit::Other(message)) => return End::Failed(message),
                Err(Unfit::Port(taken)) => return End::PortTaken(taken),
            },
        };
        let follower = match ready.follower(&spec).await {
            Ok(follower) => follower,
            Err(message) => return End::Failed(message),
        };
        ready.serve(&spec, follower, stops, reports).await
    }
}

struct Prepared<'a> {
    service: &'a Service,
    sandbox: PathBuf,
}

impl Prepared<'_> {
    /// Everything that comes before the start. The error is the message of the failure.
    async fn prepare(&self) -> Result<TaskSpec, Unfit> {
        let spec = self.service.spec.render(&self.service.place).map_err(|e| format!("Cannot render {e}"))?;
        let (spec, owner) =
            user::adapt(spec, &self.sandbox).map_err(|e| format!("Cannot look at the sandbox: {e}"))?;
        if spec.command.is_empty() {
            return Err("The task has no command".to_owned().into());
        }
        check_requirements(&spec.requires, &self.service.path)?;
        for file in &spec.files {
            files::write(&self.sandbox, file, owner).map_err(|e| e.to_string())?;
        }
        if let Some(owner) = owner {
            files::hand_over(&self.sandbox, owner)
                .map_err(|e| format!("Cannot give the sandbox to user {owner}: {e}"))?;
        }
        for argv in &spec.prepare {
            self.run_to_end(&spec, argv).await?;
        }
        if let Ok(address) = self.service.place.address.parse::<IpAddr>() {
            ports::check(address, &self.service.place.ports).map_err(Unfit::Port)?;
        }
        Ok(spec)
    }

    async fn follower(&self, spec: &TaskSpec) -> Result<Option<Follower>, String> {
        if spec.follow.is_empty() {
            return Ok(None);
        }
        Follower::start(&spec.follow, &self.sandbox, &self.service.agent).await.map(Some)
    }

    async fn run_to_end(&self, spec: &TaskSpec, argv: &[String]) -> Result<(), String> {
        let name = argv.first().map_or("", String::as_str);
        let mark = Mark::set(&self.sandbox);
        let (mut child, mut group) = self.spawn(spec, argv)?;
        let status = child.wait().await.map_err(|e| format!("Cannot wait for {name}: {e}"))?;
        group.clear(Instant::now() + STRAGGLERS).await;
        if status.success() {
            return Ok(());
        }
        Err(with_last_lines(&format!("Preparation `{}` failed: {}", argv.join(" "), ending(status)), &mark))
    }

    fn spawn(&self, spec: &TaskSpec, argv: &[String]) -> Result<(Child, Group), String> {
        let env = spec.env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let child = Launch { argv, env, run_as: spec.run_as }
            .command(&self.sandbox)
            .spawn()
            .map_err(|e| format!("Cannot start {}: {e}", argv.first().map_or("", String::as_str)))?;
        let group = Group::of(&child);
        Ok((child, group))
    }

    async fn serve(
        &self,
        spec: &TaskSpec,
        follower: Option<Follower>,
        stops: &mut mpsc::Receiver<Stop>,
        reports: &mpsc::Sender<Report>,
    ) -> End {
        let following = async {
            match follower {
                Some(follower) => follower.run().await,
                None => std::future::pending().await,
            }
        };
        let mark = Mark::set(&self.sandbox);
        let (mut child, mut group) = match self.spawn(spec, &spec.command) {
            Ok(started) => started,
            Err(message) => return End::Failed(message),
        };
        let event = tokio::select! {
            biased;
            status = child.wait() => Event::Exited(status),
            Some(stop) = stops.recv() => Event::Stop(stop),
            why = monitor::watch(spec, &self.sandbox, reports) => Event::GivenUp(why),
            never = following => match never {},
        };
        match event {
            Event::Exited(status) => {
                group.clear(Instant::now() + STRAGGLERS).await;
                exited(status, &mark)
            }
            Event::Stop(stop) => {
                let _ = reports.send(Report::Killing).await;
                End::Killed(self.stop(spec, stop, &mut child, &mut group, stops).await)
            }
            Event::GivenUp(why) => {
                let stop = Stop { grace: None, at_most: None };
                self.stop(spec, stop, &mut child, &mut group, stops).await;
                End::Failed(with_last_lines(&why, &mark))
            }
        }
    }

    /// SIGTERM to the group, SIGKILL when the grace has passed; a further wish to stop may shorten it.
    async fn stop(
        &self,
        spec: &TaskSpec,
        stop: Stop,
        child: &mut Child,
        group: &mut Group,
        stops: &mut mpsc::Receiver<Stop>,
    ) -> String {
        let mut deadline = Instant::now() + stop.grace(spec);
        group.signal(Signal::TERM);
        let mut killed = false;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                () = tokio::time::sleep_until(deadline), if !killed => {
                    group.signal(Signal::KILL);
                    killed = true;
                }
                Some(again) = stops.recv() => deadline = deadline.min(Instant::now() + again.grace(spec)),
            }
        };
        group.clear(deadline).await;
        status.map_or_else(|e| format!("Command ended: {e}"), ending)
    }
}

enum Event {
    Exited(std::io::Result<ExitStatus>),
    Stop(Stop),
    GivenUp(String),
}

fn exited(status: std::io::Result<ExitStatus>, mark: &Mark) -> End {
    match status {
        Ok(status) if status.success() => End::Finished(ending(status)),
        Ok(status) => End::Failed(with_last_lines(&ending(status), mark)),
        Err(error) => End::Failed(format!("Cannot wait for the command: {error}")),
    }
}

fn with_last_lines(message: &str, mark: &Mark) -> String {
    mark.last_lines().map_or_else(|| message.to_owned(), |lines| format!("{message}\n{lines}"))
}

/// The words that Mesos uses, which existing programs look for.
fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("Command exited with status {code}"),
        (None, Some(signal)) => format!("Command terminated with signal {}", signal_name(signal)),
        (None, None) => "Command ended".to_owned(),
    }
}

fn check_requirements(requires: &BTreeMap<String, String>, path: &str) -> Result<(), String> {
    for (program, hint) in requires {
        let found = if program.contains('/') {
            is_executable(Path::new(program))
        } else {
            std::env::split_paths(path).any(|dir| is_executable(&dir.join(program)))
        };
        if !found {
            return Err(format!("{program} was not found on the agent (PATH is {path}). {hint}"));
        }
    }
    Ok(())
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_comes_with_its_hint() {
        let requires = BTreeMap::from([("no-such-java".to_owned(), "Install a JDK.".to_owned())]);
        let error = check_requirements(&requires, "/usr/bin:/bin").unwrap_err();
        assert_eq!(error, "no-such-java was not found on the agent (PATH is /usr/bin:/bin). Install a JDK.");
        assert_eq!(
            check_requirements(&BTreeMap::from([("sh".into(), String::new())]), "/usr/bin:/bin"),
            Ok(())
        );
    }

    #[test]
    fn grace_of_the_call_beats_the_spec_and_is_bounded() {
        let spec = TaskSpec { grace_ms: 3000, ..TaskSpec::default() };
        let stop = |grace, at_most| Stop { grace, at_most }.grace(&spec).as_millis();
        let ms = Duration::from_millis;
        assert_eq!(stop(None, None), 3000);
        assert_eq!(stop(Some(ms(50)), None), 50);
        assert_eq!(stop(None, Some(ms(100))), 100);
        assert_eq!(Stop { grace: None, at_most: None }.grace(&TaskSpec::default()), DEFAULT_GRACE);
    }

    #[test]
    fn endings_in_the_words_of_mesos() {
        assert_eq!(ending(ExitStatus::from_raw(7 << 8)), "Command exited with status 7");
        assert_eq!(ending(ExitStatus::from_raw(9)), "Command terminated with signal Killed");
    }
}

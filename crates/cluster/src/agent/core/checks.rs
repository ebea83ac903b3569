//! Health checks and checks of tasks whose executor is the agent: when to ask, and what an answer means.

use std::time::Duration;

use cairn_mesos::v1::network_info::Protocol;
use cairn_mesos::v1::task_status::Reason;
use cairn_mesos::v1::{CheckInfo, CheckStatusInfo, CommandInfo, HealthCheck, TaskInfo, TaskState};
use cairn_mesos::v1::{check_info, check_status_info, health_check};

use super::container::Phase;
use super::plan::{command_line, with_variables};
use super::status::Words;
use super::{Context, Core, Effect};
use crate::agent::runner::{Answer, Probe, ProbeKind};

/// Which of the two kinds of checks that a task may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Decides over the life of the task.
    Health,
    /// Is told to the scheduler, and no more.
    Plain,
}

/// When something is asked again and again.
#[derive(Debug, Clone)]
struct Rhythm {
    interval: Duration,
    timeout: Duration,
    /// None while an answer is awaited, and before the task runs.
    next: Option<Duration>,
}

#[derive(Debug, Clone)]
struct Health {
    info: HealthCheck,
    rhythm: Rhythm,
    /// Failures before then do not count, as long as nothing has succeeded.
    grace: Option<Duration>,
    failures: u32,
    healthy: Option<bool>,
}

#[derive(Debug, Clone)]
struct Plain {
    info: CheckInfo,
    rhythm: Rhythm,
    status: CheckStatusInfo,
}

/// The checks of one task.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checks {
    health: Option<Health>,
    plain: Option<Plain>,
    /// The health check has condemned the task.
    unhealthy: bool,
}

/// What an answer leads to.
#[derive(Debug, PartialEq)]
enum Outcome {
    Nothing,
    Healthy(bool),
    /// The last failure that is allowed.
    Condemned,
    Checked(CheckStatusInfo),
}

impl Checks {
    pub(crate) fn of(task: &TaskInfo) -> Self {
        let health =
            task.health_check.clone().filter(|info| health_kind(info) != health_check::Type::Unknown);
        let health = health.map(|info| Health {
            rhythm: Rhythm::new(info.interval_seconds(), info.timeout_seconds()),
            info,
            grace: None,
            failures: 0,
            healthy: None,
        });
        let plain = task.check.clone().filter(|info| info.r#type() != check_info::Type::Unknown);
        let plain = plain.map(|info| Plain {
            rhythm: Rhythm::new(info.interval_seconds.unwrap_or(10.0), info.timeout_seconds.unwrap_or(20.0)),
            status: no_status(info.r#type()),
            info,
        });
        Self { health, plain, unhealthy: false }
    }

    /// The task runs.
    pub(crate) fn start(&mut self, now: Duration) {
        if let Some(health) = &mut self.health {
            let delay = seconds(health.info.delay_seconds());
            health.rhythm.next = Some(now + delay);
            health.grace = Some(now + seconds(health.info.grace_period_seconds()));
        }
        if let Some(plain) = &mut self.plain {
            plain.rhythm.next = Some(now + seconds(plain.info.delay_seconds.unwrap_or(15.0)));
        }
    }

    pub(crate) fn stop(&mut self) {
        for which in [Which::Health, Which::Plain] {
            if let Some(rhythm) = self.rhythm(which) {
                rhythm.next = None;
            }
        }
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        let health = self.health.as_ref().and_then(|h| h.rhythm.next);
        let plain = self.plain.as_ref().and_then(|p| p.rhythm.next);
        health.into_iter().chain(plain).min()
    }

    /// The checks that are due; they are not again until they are answered.
    fn due(&mut self, now: Duration) -> Vec<Which> {
        let mut due = Vec::new();
        for which in [Which::Health, Which::Plain] {
            if let Some(rhythm) = self.rhythm(which)
                && rhythm.next.take_if(|next| *next <= now).is_some()
            {
                due.push(which);
            }
        }
        due
    }

    fn rhythm(&mut self, which: Which) -> Option<&mut Rhythm> {
        match which {
            Which::Health => self.health.as_mut().map(|h| &mut h.rhythm),
            Which::Plain => self.plain.as_mut().map(|p| &mut p.rhythm),
        }
    }

    fn answered(&mut self, which: Which, answer: &Answer, now: Duration) -> Outcome {
        if let Some(rhythm) = self.rhythm(which) {
            rhythm.next = Some(now + rhythm.interval);
        }
        match which {
            Which::Health => {
                self.health.as_mut().map_or(Outcome::Nothing, |health| health.answered(answer, now))
            }
            Which::Plain => self.plain.as_mut().map_or(Outcome::Nothing, |plain| plain.answered(answer)),
        }
    }

    /// What a status says of the checks besides what it is about.
    pub(super) fn words(&self, state: TaskState, words: &mut Words) {
        let running = state == TaskState::TaskRunning && words.reason.is_some();
        if let Some(plain) = &self.plain {
            let told = if running { plain.status } else { no_status(plain.info.r#type()) };
            words.check.get_or_insert(told);
        }
        if running {
            words.healthy = words.healthy.or(self.health.as_ref().and_then(|health| health.healthy));
        }
        if self.unhealthy && state == TaskState::TaskKilled {
            words.healthy = Some(false);
        }
    }
}

impl Rhythm {
    fn new(interval: f64, timeout: f64) -> Self {
        // No timeout is what zero means.
        let timeout = if timeout > 0.0 { seconds(timeout) } else { Duration::MAX };
        Self { interval: seconds(interval), timeout, next: None }
    }
}

impl Health {
    fn asks(&self) -> Option<Asked> {
        match health_kind(&self.info) {
            health_check::Type::Command => self.info.command.clone().map(Asked::Command),
            health_check::Type::Http => {
                let http = self.info.http.clone()?;
                let host = address(http.protocol());
                let scheme = http.scheme.unwrap_or_else(|| "http".to_owned());
                Some(Asked::Http(scheme, host, http.port, http.path.unwrap_or_default()))
            }
            health_check::Type::Tcp => self.info.tcp.map(|tcp| Asked::Tcp(address(tcp.protocol()), tcp.port)),
            health_check::Type::Unknown => None,
        }
    }

    fn answered(&mut self, answer: &Answer, now: Duration) -> Outcome {
        if is_success(answer) {
            self.failures = 0;
            let news = self.healthy != Some(true);
            self.healthy = Some(true);
            return if news { Outcome::Healthy(true) } else { Outcome::Nothing };
        }
        if self.healthy.is_none() && self.grace.is_some_and(|grace| now < grace) {
            return Outcome::Nothing;
        }
        self.healthy = Some(false);
        self.failures += 1;
        if self.failures >= self.info.consecutive_failures() {
            Outcome::Condemned
        } else {
            Outcome::Healthy(false)
        }
    }
}

impl Plain {
    fn asks(&self) -> Option<Asked> {
        let host = address(Protocol::IPv4);
        match self.info.r#type() {
            check_info::Type::Command => self.info.command.clone().map(|check| Asked::Command(check.command)),
            check_info::Type::Http => {
                let http = self.info.http.clone()?;
                Some(Asked::Http("http".to_owned(), host, http.port, http.path.unwrap_or_default()))
            }
            check_info::Type::Tcp => self.info.tcp.map(|tcp| Asked::Tcp(host, tcp.port)),
            check_info::Type::Unknown => None,
        }
    }

    fn answered(&mut self, answer: &Answer) -> Outcome {
        let mut status = no_status(self.info.r#type());
        match answer {
            Answer::Exited(code) => {
                status.command = Some(check_status_info::Command { exit_code: Some(*code) })
            }
            Answer::Status(code) => {
                status.http = Some(check_status_info::Http { status_code: Some(u32::from(*code)) });
            }
            Answer::Connected(succeeded) => {
                status.tcp = Some(check_status_info::Tcp { succeeded: Some(*succeeded) });
            }
            Answer::None(_) => {}
        }
        if status == self.status {
            return Outcome::Nothing;
        }
        self.status = status;
        Outcome::Checked(status)
    }
}

fn is_success(answer: &Answer) -> bool {
    match answer {
        Answer::Exited(code) => *code == 0,
        Answer::Status(code) => (200..400).contains(code),
        Answer::Connected(succeeded) => *succeeded,
        Answer::None(_) => false,
    }
}

/// The status of a check that has not been answered: its kind and nothing else.
fn no_status(kind: check_info::Type) -> CheckStatusInfo {
    let mut status = CheckStatusInfo { r#type: Some(kind as i32), ..CheckStatusInfo::default() };
    match kind {
        check_info::Type::Command => status.command = Some(check_status_info::Command { exit_code: None }),
        check_info::Type::Http => status.http = Some(check_status_info::Http { status_code: None }),
        check_info::Type::Tcp => status.tcp = Some(check_status_info::Tcp { succeeded: None }),
        check_info::Type::Unknown => {}
    }
    status
}

/// Older frameworks give no type; then what is set decides.
fn health_kind(info: &HealthCheck) -> health_check::Type {
    match info.r#type {
        Some(_) => info.r#type(),
        None if info.command.is_some() => health_check::Type::Command,
        None if info.http.is_some() => health_check::Type::Http,
        None => health_check::Type::Unknown,
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn address(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::IPv4 => "127.0.0.1",
        Protocol::IPv6 => "[::1]",
    }
}

impl Core {
    /// Asks what is due.
    pub(super) fn ask_checks(&mut self, cx: &mut Context<'_>) {
        let mut due = Vec::new();
        for container in self.containers.values_mut().filter(|c| c.phase == Phase::Running) {
            for task in &mut container.tasks {
                let whiches = task.checks.due(cx.now.at);
                due.extend(
                    whiches.into_iter().map(|which| (container.id.clone(), task.id().to_owned(), which)),
                );
            }
        }
        for (container, task, which) in due {
            if let Some(probe) = self.probe(&container, &task, which) {
                cx.push(Effect::Probe { container, task, which, probe: Box::new(probe) });
            }
        }
    }

    fn probe(&mut self, container: &str, task: &str, which: Which) -> Option<Probe> {
        let checks = &mut self.containers.get_mut(container)?.task(task)?.checks;
        let timeout = checks.rhythm(which)?.timeout;
        let asked = match which {
            Which::Health => checks.health.as_ref()?.asks(),
            Which::Plain => checks.plain.as_ref()?.asks(),
        }?;
        let owner = self.containers.get(container)?;
        let kind = match asked {
            Asked::Http(scheme, host, port, path) => {
                let slash = if path.starts_with('/') { "" } else { "/" };
                ProbeKind::Http { url: format!("{scheme}://{host}:{port}{slash}{path}") }
            }
            Asked::Tcp(host, port) => ProbeKind::Tcp { address: format!("{host}:{port}") },
            Asked::Command(command) => {
                let (program, argv) = command_line(&command).ok()?;
                let env = with_variables(self.task_environment(owner), &command);
                let (sandbox, user) = (owner.sandbox.clone(), owner.user().to_owned());
                ProbeKind::Command { program, argv, env, sandbox, user }
            }
        };
        Some(Probe { kind, timeout })
    }

    /// A check was answered.
    pub(super) fn probed(
        &mut self,
        id: &str,
        task: &str,
        which: Which,
        answer: &Answer,
        cx: &mut Context<'_>,
    ) {
        let Some(owner) = self.containers.get_mut(id) else { return };
        let framework = owner.key.framework.clone();
        let Some(entry) = owner.task(task).filter(|t| t.kill.is_none() && !t.is_over()) else { return };
        let outcome = entry.checks.answered(which, answer, cx.now.at);
        let mut words = match outcome {
            Outcome::Nothing => return,
            Outcome::Checked(_) => Words { reason: Some(Reason::TaskCheckStatusUpdated), ..Words::default() },
            Outcome::Healthy(_) | Outcome::Condemned => {
                Words { reason: Some(Reason::TaskHealthCheckStatusUpdated), ..Words::default() }
            }
        };
        if let Answer::None(why) = answer {
            words.message = Some(format!("The check was not answered: {why}"));
        }
        self.report(id, task, TaskState::TaskRunning, words, cx);
        if outcome == Outcome::Condemned {
            if let Some(entry) = self.containers.get_mut(id).and_then(|c| c.task(task)) {
                entry.checks.unhealthy = true;
            }
            self.kill(&framework, task, None, cx);
        }
    }
}

/// What is asked, before it is known where.
enum Asked {
    Command(CommandInfo),
    Http(String, &'static str, u32, String),
    Tcp(&'static str, u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    fn health(grace: f64, failures: u32) -> Checks {
        let info = HealthCheck {
            r#type: Some(health_check::Type::Tcp as i32),
            delay_seconds: Some(1.0),
            interval_seconds: Some(2.0),
            grace_period_seconds: Some(grace),
            consecutive_failures: Some(failures),
            ..HealthCheck::default()
        };
        Checks::of(&TaskInfo { health_check: Some(info), ..TaskInfo::default() })
    }

    #[test]
    fn failures_count_after_the_first_success_or_the_grace_and_only_in_a_row() {
        let mut checks = health(10.0, 2);
        checks.start(secs(0));
        assert_eq!((checks.due(secs(0)), checks.due(secs(1))), (vec![], vec![Which::Health]));
        assert!(checks.due(secs(9)).is_empty(), "not asked twice at a time");
        let mut answer = |good, at| checks.answered(Which::Health, &Answer::Connected(good), secs(at));
        assert_eq!(answer(false, 2), Outcome::Nothing);
        assert_eq!(answer(true, 4), Outcome::Healthy(true));
        assert_eq!(answer(true, 5), Outcome::Nothing);
        assert_eq!(answer(false, 6), Outcome::Healthy(false));
        assert_eq!(answer(true, 8), Outcome::Healthy(true));
        assert_eq!(answer(false, 9), Outcome::Healthy(false));
        assert_eq!(answer(false, 10), Outcome::Condemned);
        assert_eq!(checks.next(), Some(secs(12)));
    }

    #[test]
    fn a_check_tells_changes_only() {
        let info = CheckInfo { r#type: Some(check_info::Type::Http as i32), ..CheckInfo::default() };
        let mut checks = Checks::of(&TaskInfo { check: Some(info), ..TaskInfo::default() });
        let mut answer = |answer| checks.answered(Which::Plain, &answer, secs(1));
        assert_eq!(answer(Answer::None("refused".into())), Outcome::Nothing);
        assert!(matches!(answer(Answer::Status(200)), Outcome::Checked(_)));
        assert_eq!(answer(Answer::Status(200)), Outcome::Nothing);
        assert_eq!(
            answer(Answer::None("refused".into())),
            Outcome::Checked(no_status(check_info::Type::Http))
        );
    }
}

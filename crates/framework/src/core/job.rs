//! Jobs: instances that run to completion, at once or at their times.

use cairn_mesos::v1::{TaskState, TaskStatus};

use super::state::{Done, Record, TaskRecord};
use super::{Core, Millis};
use crate::{GoalState, Missed, Overlap, Run, RunState};

/// How many runs are remembered.
const RUNS: usize = 20;
/// A time that is older than this was missed, rather than noticed a little late.
const LATE: Millis = 60_000;
/// What the executor and Mesos say of a process that ended by itself.
const EXITED: &str = "exited with status ";

/// How a task has ended.
pub(crate) struct Ending {
    pub(crate) state: RunState,
    exit_code: Option<i32>,
    message: String,
}

impl Ending {
    pub(crate) fn of(status: &TaskStatus, killing: bool) -> Self {
        let message = status.message.clone().unwrap_or_default();
        let state = match status.state() {
            TaskState::TaskFinished => RunState::Finished,
            _ if killing => RunState::Stopped,
            _ => RunState::Failed,
        };
        let exit_code = message.split_once(EXITED).and_then(|(_, rest)| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        });
        Self { state, exit_code, message }
    }

    pub(crate) fn is_failure(&self) -> bool {
        self.state == RunState::Failed
    }
}

fn remember(record: &mut Record, run: Run) {
    record.runs.push(run);
    let surplus = record.runs.len().saturating_sub(RUNS);
    record.runs.drain(..surplus);
}

/// A run begins.
pub(crate) fn note_start(record: &mut Record, task_id: &str, now: Millis) {
    let agent_id = record.placement.as_ref().map(|place| place.agent_id.clone()).unwrap_or_default();
    remember(record, Run { task_id: task_id.to_owned(), agent_id, started_ms: now, ..Run::default() });
}

/// A run has ended. One that ended well is done; a timed one that has failed too often waits for its next time.
pub(crate) fn note_end(record: &mut Record, task: &TaskRecord, ending: &Ending, now: Millis) {
    if let Some(run) = record.runs.iter_mut().rev().find(|run| run.task_id == task.id) {
        run.state = ending.state;
        run.ended_ms = Some(now);
        run.exit_code = ending.exit_code;
        run.message.clone_from(&ending.message);
    }
    let last_try = record.is_timed() && record.spec.retries.is_some_and(|most| record.failed > most);
    if ending.state == RunState::Finished || (ending.is_failure() && last_try) {
        record.done = Some(Done { fingerprint: task.fingerprint.clone(), restart: task.restart });
        record.failed = 0;
        record.deployed |= ending.state == RunState::Finished;
    }
}

impl Core {
    /// It has done what it was there for.
    pub(crate) fn done(&self, name: &str) -> bool {
        match self.state.instances.get(name) {
            Some(record) if record.is_job() => self.job_is_done(name),
            _ => self.gang_is_done(name),
        }
    }

    /// A job has run as it should, or its time has not come.
    pub(crate) fn job_is_done(&self, name: &str) -> bool {
        let Some(record) = self.state.instances.get(name) else { return false };
        let Some(done) = &record.done else { return false };
        if record.task.is_some() || done.restart != record.restart {
            return false;
        }
        match self.rendered.get(name) {
            Some(Ok(ready)) if record.spec.goal == GoalState::Finish && record.spec.timing.is_none() => {
                ready.fingerprint == done.fingerprint
            }
            _ => true,
        }
    }

    /// It, or its gang, has failed more often than it is tried again.
    pub(crate) fn gave_up(&self, name: &str) -> bool {
        let retries = self.state.instances.get(name).and_then(|r| r.spec.retries);
        retries.is_some_and(|most| self.failures(name) > most)
    }

    pub(crate) fn why_given_up(&self, name: &str) -> String {
        let last = self.state.instances.get(name).and_then(|r| r.runs.last()).map(|run| run.message.clone());
        let last = last.or_else(|| self.live.get(name).map(|live| live.message.clone())).unwrap_or_default();
        let failures = match self.failures(name) {
            1 => "1 failure".to_owned(),
            more => format!("{more} failures"),
        };
        format!("given up after {failures}; `start` tries again. {last}").trim_end().to_owned()
    }

    /// Last words of a run that failed, for a job that rests.
    pub(crate) fn last_failure(&self, name: &str) -> String {
        let last = self.state.instances.get(name).and_then(|r| r.runs.last());
        let failed = last.filter(|run| run.state == RunState::Failed);
        failed.map(|run| format!("its last run failed: {}", run.message)).unwrap_or_default()
    }

    /// It rests until its time comes, or until those that it follows have ended.
    pub(crate) fn is_timed(&self, name: &str) -> bool {
        self.state.instances.get(name).is_some_and(|r| r.is_timed())
    }

    /// A job has ended well: those that follow it are asked for, if all others that they follow have ended well too.
    pub(crate) fn ask_followers(&mut self, name: &str) {
        let followers = self.model.instances.iter().filter(|i| i.follows.iter().any(|f| f == name));
        let due = followers.filter(|i| i.follows.iter().all(|f| self.has_succeeded(f)));
        let due: Vec<String> = due.map(|i| i.name.clone()).collect();
        for name in due {
            if let Some(record) = self.state.instances.get_mut(&name) {
                record.restart = record.restart.saturating_add(1);
                record.failed = 0;
            }
        }
    }

    fn has_succeeded(&self, name: &str) -> bool {
        let last = self.state.instances.get(name).and_then(|r| r.runs.last());
        last.is_some_and(|run| run.state == RunState::Finished) && self.job_is_done(name)
    }

    /// When a timed job runs next.
    pub(crate) fn time_of(&self, name: &str) -> Option<Millis> {
        let record = self.state.instances.get(name)?;
        record.spec.timing.as_ref()?.schedule.after(record.timed_to?)
    }

    /// The next time of any job.
    pub(crate) fn next_time(&self) -> Option<Millis> {
        self.model.instances.iter().filter_map(|i| self.time_of(&i.name)).min()
    }

    /// Asks for the runs whose time has come.
    pub(crate) fn keep_time(&mut self, now: Millis) {
        let names: Vec<String> =
            self.model.instances.iter().map(|i| i.name.clone()).filter(|n| self.is_timed(n)).collect();
        for name in names {
            if let Some(record) = self.state.instances.get_mut(&name) {
                take_times(record, now);
            }
        }
    }
}

/// Deals with all times up to now.
fn take_times(record: &mut Record, now: Millis) {
    let Some(from) = record.timed_to else {
        // Its first time is still to come.
        record.timed_to = Some(now);
        if record.done.is_none() && record.task.is_none() {
            record.done = Some(Done { restart: record.restart, ..Done::default() });
        }
        return;
    };
    let Some(timing) = record.spec.timing.clone() else { return };
    let Some(last) = timing.schedule.last_between(from, now) else { return };
    record.timed_to = Some(last);
    if timing.missed == Missed::Skip && now.saturating_sub(last) > LATE {
        return;
    }
    let busy =
        record.task.is_some() || record.done.as_ref().is_none_or(|done| done.restart != record.restart);
    if busy && timing.overlap == Overlap::Skip {
        let skipped =
            Run { state: RunState::Skipped, started_ms: last, ended_ms: Some(last), ..Run::default() };
        remember(record, Run { message: "the last run was not over".into(), ..skipped });
    } else if record.goal == super::state::Goal::Run {
        record.restart = record.restart.saturating_add(1);
        record.failed = 0;
    }
}

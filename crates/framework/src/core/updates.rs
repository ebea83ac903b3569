//! What a status means for an instance.

use std::collections::BTreeMap;

use cairn_mesos::v1::task_status::Source;
use cairn_mesos::v1::{TaskState, TaskStatus};
use cairn_planted::planted;

use super::live::{Live, Meaning, meaning};
use super::planted::Bug;
use super::state::State;
use super::{Core, Millis, Out, backoff, job, task};
use crate::{Phase, RunState};

/// How many taken ports of an agent are remembered.
const TAKEN: usize = 64;

/// Transient states are derived: at the start, every task on record is one that has to be asked about.
pub(crate) fn unknown(state: &State) -> BTreeMap<String, Live> {
    state
        .instances
        .iter()
        .filter(|(_, record)| record.task.is_some())
        .map(|(name, _)| (name.clone(), Live { phase: Phase::Reconciling, ..Live::default() }))
        .collect()
}

impl Core {
    /// Takes a status; acknowledges it after what it brings is stored.
    pub(crate) fn update(&mut self, status: &TaskStatus, now: Millis, out: &mut Out) {
        let id = &status.task_id.value;
        if self.doubt.is_told(id) {
            return;
        }
        match self.owner(id) {
            Some(name) => match meaning(status) {
                Meaning::Alive(phase) => self.alive(&name, phase, status, now),
                Meaning::Over => self.over(&name, status, now),
            },
            None => self.stray(status, out),
        }
        out.calls.extend(task::acknowledge(status));
    }

    /// The instance whose live task this is.
    fn owner(&self, task_id: &str) -> Option<String> {
        let (name, _) = task_id.rsplit_once('.')?;
        let record = self.state.instances.get(name)?;
        (record.task.as_ref()?.id == task_id).then(|| name.to_owned())
    }

    /// A task that no record claims must not live beside the one that a record does claim.
    fn stray(&mut self, status: &TaskStatus, out: &mut Out) {
        assert!(!planted(Bug::TrustMaster), "{} is in no record", status.task_id.value);
        let agent = status.agent_id.as_ref().map(|a| a.value.clone()).unwrap_or_default();
        let lives = matches!(meaning(status), Meaning::Alive(phase) if phase != Phase::Unreachable);
        if lives && status.state() != TaskState::TaskKilling {
            out.calls.push(task::kill(&status.task_id.value, &agent));
        }
    }

    fn alive(&mut self, name: &str, phase: Phase, status: &TaskStatus, now: Millis) {
        let killing = self.killing(name);
        let live = self.live_mut(name);
        live.heard = now;
        // After its KILL a task may still report that it runs; it is on its way out all the same.
        let phase = if killing && phase != Phase::Unreachable { Phase::Stopping } else { phase };
        if live.phase != phase && phase == Phase::Ready {
            live.ready_since = Some(now);
        }
        let reconciled = status.reason() == cairn_mesos::v1::task_status::Reason::Reconciliation;
        if live.phase != phase || !reconciled {
            live.message = words(status, phase);
        }
        let before = std::mem::replace(&mut live.phase, phase);
        if before != phase {
            // What others run may wait for this one to serve.
            if phase == Phase::Ready || before == Phase::Ready {
                self.touch_and_hurry(name);
            } else {
                self.hurry_for(name);
            }
        }
    }

    fn killing(&self, name: &str) -> bool {
        self.state.instances.get(name).and_then(|r| r.task.as_ref()).is_some_and(|t| t.killing)
    }

    fn over(&mut self, name: &str, status: &TaskStatus, now: Millis) {
        self.avoid_taken_port(name, status);
        let since = self.live.get(name).and_then(|live| live.ready_since);
        let recovered = since.is_some_and(|since| now.saturating_sub(since) >= backoff::RECOVERED);
        let Some(record) = self.state.instances.get_mut(name) else { return };
        let Some(task) = record.task.take() else { return };
        let ending = job::Ending::of(status, task.killing);
        if ending.is_failure() && (record.is_job() || record.spec.gang.is_some()) {
            record.failed = if recovered { 1 } else { record.failed.saturating_add(1) };
        }
        if record.is_job() {
            job::note_end(record, &task, &ending, now);
        }
        let finished = record.is_job() && ending.state == RunState::Finished;
        let relaunch = record.spec.relaunch_ms;
        let served = record.deployed;
        let live = self.live_mut(name);
        live.ready_since = None;
        live.heard = now;
        if left_a_sandbox(status) {
            live.last_task = Some(task.id);
        }
        if task.killing || finished {
            *live = Live { phase: Phase::Waiting, last_task: live.last_task.take(), ..Live::default() };
        } else {
            live.failures = if recovered { 1 } else { live.failures + 1 };
            // A session elsewhere has to expire only if the process ran at all.
            let ran =
                matches!(live.phase, Phase::Running | Phase::Ready | Phase::Unhealthy | Phase::Reconciling);
            let pause = backoff::delay(live.failures, served);
            live.retry_at = now + if ran { pause.max(relaunch) } else { pause };
            live.phase = Phase::BackOff;
            live.message = format!("{}: {}", ended(status), words(status, Phase::BackOff));
        }
        if finished {
            self.ask_followers(name);
        }
        self.touch_and_hurry(name);
    }
}

impl Core {
    /// An instance that has never served takes another port when its own turns out to be somebody else's. One that has
    /// served keeps its ports: clients know them.
    fn avoid_taken_port(&mut self, name: &str, status: &TaskStatus) {
        let labels = status.labels.iter().flat_map(|l| &l.labels);
        let told = labels.filter(|l| l.key == cairn_task::LABEL_PORT_TAKEN);
        let Some(port) = told.filter_map(|l| l.value.as_ref()?.parse::<u16>().ok()).next() else { return };
        let Some(record) = self.state.instances.get_mut(name).filter(|r| !r.deployed) else { return };
        let Some(placement) = &mut record.placement else { return };
        placement.ports.retain(|_, p| *p != port);
        let taken = self.taken.entry(placement.agent_id.clone()).or_default();
        // Forgotten after many, so that ports that have become free are tried again.
        if taken.len() >= TAKEN {
            taken.clear();
        }
        taken.insert(port);
    }
}

/// What was killed before an executor had it, or never launched at all, has none.
fn left_a_sandbox(status: &TaskStatus) -> bool {
    match status.state() {
        TaskState::TaskKilled => status.source() == Source::Executor,
        TaskState::TaskError | TaskState::TaskDropped => false,
        _ => true,
    }
}

fn ended(status: &TaskStatus) -> String {
    status.state().as_str_name().trim_start_matches("TASK_").to_lowercase()
}

fn words(status: &TaskStatus, phase: Phase) -> String {
    match &status.message {
        Some(message) if !message.is_empty() && phase != Phase::Ready => message.clone(),
        _ if phase == Phase::Unreachable => {
            "its agent cannot be reached; it may still run. If the agent is gone for good: replace".into()
        }
        _ => String::new(),
    }
}

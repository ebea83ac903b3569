//! What an instance needs next: one decision, from its record, what is known of it, and the target.

use super::Millis;
use super::live::Live;
use super::state::{Goal, Record};
use crate::{Action, Phase};

/// What the target wants of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// It should run.
    Run,
    /// It should be stopped and kept.
    Stop,
    /// It has left the target.
    Leave,
}

/// What is next for an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is as it should be.
    Nothing,
    /// It needs a task.
    Launch,
    /// It needs a task, but not before this time.
    BackOff(Millis),
    /// It comes up or goes down by itself.
    Busy,
    /// It serves; its gate has to say that the step is done.
    Verify(Action),
    /// It has to be stopped, for this reason, when its gate agrees.
    Disrupt(Action),
    /// Its resources are to be given back.
    CleanUp,
    /// It has stopped for good; its gate has to say so.
    Retire,
}

/// Decides. `outdated`: its task runs with something else than the target asks for.
pub(crate) fn next(record: &Record, live: &Live, want: Want, outdated: bool, now: Millis) -> Next {
    match (&record.task, want) {
        (Some(task), _) if task.killing => Next::Busy,
        (Some(_), Want::Leave) => Next::Disrupt(Action::Remove),
        (Some(_), Want::Stop) => Next::Disrupt(Action::Stop),
        (Some(task), Want::Run) => running(task.verified, task.first, live.phase, outdated),
        (None, Want::Run) if live.retry_at > now => Next::BackOff(live.retry_at),
        (None, Want::Run) => Next::Launch,
        (None, Want::Stop) => Next::Nothing,
        (None, Want::Leave) => leaving(record),
    }
}

fn running(verified: bool, first: bool, phase: Phase, outdated: bool) -> Next {
    match phase {
        // Not known to live: neither restarted nor judged until the agent speaks.
        Phase::Unreachable | Phase::Reconciling => Next::Busy,
        _ if outdated => Next::Disrupt(Action::Restart),
        Phase::Ready if !verified => Next::Verify(if first { Action::Launch } else { Action::Restart }),
        Phase::Ready => Next::Nothing,
        _ => Next::Busy,
    }
}

fn leaving(record: &Record) -> Next {
    let keeps_data = !record.spec.volumes.is_empty() && !record.delete_data;
    match &record.placement {
        _ if !record.retired => Next::Retire,
        Some(_) if !keeps_data => Next::CleanUp,
        _ => Next::Nothing,
    }
}

/// What the target wants of a record.
pub(crate) fn want(record: &Record, in_target: bool, destroying: bool) -> Want {
    match record.goal {
        _ if !in_target || destroying => Want::Leave,
        Goal::Run => Want::Run,
        Goal::Stop => Want::Stop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::state::TaskRecord;
    use crate::{Placement, VolumeSpec};

    fn record(task: Option<TaskRecord>) -> Record {
        Record { task, ..Record::default() }
    }

    fn live(phase: Phase) -> Live {
        Live { phase, ..Live::default() }
    }

    #[test]
    fn a_lost_task_is_never_replaced_by_itself() {
        let record = record(Some(TaskRecord::default()));
        for phase in [Phase::Unreachable, Phase::Reconciling] {
            assert_eq!(next(&record, &live(phase), Want::Run, true, 0), Next::Busy);
        }
    }

    #[test]
    fn a_task_that_never_gets_ready_can_still_be_corrected() {
        let record = record(Some(TaskRecord::default()));
        assert_eq!(next(&record, &live(Phase::Running), Want::Run, true, 0), Next::Disrupt(Action::Restart));
        assert_eq!(next(&record, &live(Phase::Running), Want::Run, false, 0), Next::Busy);
    }

    #[test]
    fn data_outlives_removal_until_told_otherwise() {
        let mut gone = record(None);
        gone.placement = Some(Placement::default());
        gone.spec.volumes = vec![VolumeSpec::default()];
        assert_eq!(next(&gone, &live(Phase::Waiting), Want::Leave, false, 0), Next::Retire);
        gone.retired = true;
        assert_eq!(next(&gone, &live(Phase::Waiting), Want::Leave, false, 0), Next::Nothing);
        gone.delete_data = true;
        assert_eq!(next(&gone, &live(Phase::Waiting), Want::Leave, false, 0), Next::CleanUp);
    }

    #[test]
    fn a_failed_instance_waits_out_its_back_off() {
        let mut waiting = live(Phase::BackOff);
        waiting.retry_at = 500;
        assert_eq!(next(&record(None), &waiting, Want::Run, false, 400), Next::BackOff(500));
        assert_eq!(next(&record(None), &waiting, Want::Run, false, 500), Next::Launch);
    }
}

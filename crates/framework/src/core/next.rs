//! What an instance needs next: one decision, from its record, what is known of it, and the target.

use cairn_planted::planted;

use super::Millis;
use super::live::Live;
use super::planted::Bug;
use super::state::{Goal, Record};
use crate::{Action, Phase};

/// What the target wants of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// It should run.
    Run,
    /// It should be stopped and kept.
    Stop,
    /// It has done what it was there for.
    Rest,
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
    /// It has failed too often; an operator has to look.
    GivenUp,
    /// Its resources are to be given back.
    CleanUp,
    /// It has stopped for good; its gate has to say so.
    Retire,
}

/// Decides. `outdated`: its task runs with something else than the target asks for. `gave_up`: it, or its gang, has failed
/// too often.
pub(crate) fn next(
    record: &Record,
    live: &Live,
    want: Want,
    outdated: bool,
    gave_up: bool,
    now: Millis,
) -> Next {
    match (&record.task, want) {
        (Some(task), _) if task.killing => Next::Busy,
        (Some(_), Want::Leave) => Next::Disrupt(Action::Remove),
        (Some(_), Want::Stop) => Next::Disrupt(Action::Stop),
        (Some(_), Want::Rest) => Next::Busy,
        (Some(task), Want::Run) => match running(task.verified, task.first, live.phase, outdated) {
            // A job is done when it has ended.
            Next::Verify(_) | Next::Nothing if record.is_job() => Next::Busy,
            next => next,
        },
        (None, Want::Run) if gave_up => Next::GivenUp,
        (None, Want::Run) if live.retry_at > now => Next::BackOff(live.retry_at),
        (None, Want::Run) => Next::Launch,
        (None, Want::Stop) if planted(Bug::FreeStopped) => Next::CleanUp,
        (None, Want::Stop) => Next::Nothing,
        (None, Want::Rest) if record.placement.is_some() && record.spec.volumes.is_empty() => Next::CleanUp,
        (None, Want::Rest) => Next::Nothing,
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
        Phase::Waiting
        | Phase::Staging
        | Phase::Starting
        | Phase::Running
        | Phase::Unhealthy
        | Phase::Stopping
        | Phase::BackOff
        | Phase::Stopped
        | Phase::Finished
        | Phase::Failed => Next::Busy,
    }
}

fn leaving(record: &Record) -> Next {
    let delete = record.delete_data || planted(Bug::DeleteOnScaleIn);
    let keeps_data = !record.spec.volumes.is_empty() && !delete;
    match &record.placement {
        _ if !record.retired => Next::Retire,
        Some(_) if !keeps_data => Next::CleanUp,
        _ => Next::Nothing,
    }
}

/// What the target wants of a record. `done`: it has done what it was there for.
pub(crate) fn want(record: &Record, in_target: bool, destroying: bool, done: bool) -> Want {
    match record.goal {
        _ if !in_target || destroying => Want::Leave,
        Goal::Run if done => Want::Rest,
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
            assert_eq!(next(&record, &live(phase), Want::Run, true, false, 0), Next::Busy);
        }
    }

    #[test]
    fn a_task_that_never_gets_ready_can_still_be_corrected() {
        let record = record(Some(TaskRecord::default()));
        assert_eq!(
            next(&record, &live(Phase::Running), Want::Run, true, false, 0),
            Next::Disrupt(Action::Restart)
        );
        assert_eq!(next(&record, &live(Phase::Running), Want::Run, false, false, 0), Next::Busy);
    }

    #[test]
    fn data_outlives_removal_until_told_otherwise() {
        let mut gone = record(None);
        gone.placement = Some(Placement::default());
        gone.spec.volumes = vec![VolumeSpec::default()];
        assert_eq!(next(&gone, &live(Phase::Waiting), Want::Leave, false, false, 0), Next::Retire);
        gone.retired = true;
        assert_eq!(next(&gone, &live(Phase::Waiting), Want::Leave, false, false, 0), Next::Nothing);
        gone.delete_data = true;
        assert_eq!(next(&gone, &live(Phase::Waiting), Want::Leave, false, false, 0), Next::CleanUp);
    }

    #[test]
    fn a_failed_instance_waits_out_its_back_off() {
        let mut waiting = live(Phase::BackOff);
        waiting.retry_at = 500;
        assert_eq!(next(&record(None), &waiting, Want::Run, false, false, 400), Next::BackOff(500));
        assert_eq!(next(&record(None), &waiting, Want::Run, false, false, 500), Next::Launch);
    }
}

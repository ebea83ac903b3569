//! Gangs: all of them or none.

use super::next::{Next, Want};
use super::offers::Purpose;
use super::{Core, Millis, Out};

impl Core {
    /// Everybody in the target who belongs to the same gang, if it is in one.
    fn gang_of(&self, name: &str) -> Option<Vec<String>> {
        let gang = self.state.instances.get(name)?.spec.gang.as_ref()?;
        let members = self.model.instances.iter().filter(|i| i.gang.as_ref() == Some(gang));
        Some(members.map(|i| i.name.clone()).collect())
    }

    /// Every job of the instance's gang is done, so that the others may go.
    pub(crate) fn gang_is_done(&self, name: &str) -> bool {
        let Some(gang) = self.gang_of(name) else { return false };
        let mut jobs =
            gang.iter().filter(|n| self.state.instances.get(*n).is_some_and(|r| r.is_job())).peekable();
        jobs.peek().is_some() && jobs.all(|n| self.job_is_done(n))
    }

    /// Failures of the whole gang, or of the instance alone.
    pub(crate) fn failures(&self, name: &str) -> u32 {
        let failed = |n: &str| self.state.instances.get(n).map_or(0, |r| r.failed);
        self.gang_of(name).map_or_else(|| failed(name), |gang| gang.iter().map(|n| failed(n)).sum())
    }

    /// A gang of which a member has to be launched is stopped, so that all are launched together. One whose jobs are
    /// done is stopped too.
    pub(crate) fn keep_gangs_whole(&mut self, now: Millis, out: &mut Out) {
        let mut names: Vec<String> = self.model.instances.iter().map(|i| i.name.clone()).collect();
        names.retain(|n| self.state.instances.get(n).is_some_and(|r| r.spec.gang.is_some()));
        for name in names {
            match self.need(&name, now) {
                Next::Launch | Next::BackOff(_) | Next::GivenUp => self.break_up(&name, out),
                Next::Busy if self.want_of(&name) == Want::Rest => self.stop_once(&name, out),
                _ => {}
            }
        }
    }

    /// Stops the other members, and forgets what those have done that had finished.
    fn break_up(&mut self, name: &str, out: &mut Out) {
        for other in self.gang_of(name).into_iter().flatten().filter(|other| other != name) {
            if let Some(record) = self.state.instances.get_mut(&other) {
                record.done = None;
            }
            self.stop_once(&other, out);
        }
    }

    fn stop_once(&mut self, name: &str, out: &mut Out) {
        let task = self.state.instances.get(name).and_then(|r| r.task.as_ref());
        if task.is_some_and(|t| !t.killing) {
            self.stop(name, out);
        }
    }

    /// Without launches of gangs of which somebody cannot be launched now.
    pub(crate) fn whole_gangs(&self, mut all: Vec<(String, Purpose)>) -> Vec<(String, Purpose)> {
        let launching: Vec<String> = all
            .iter()
            .filter(|(_, purpose)| matches!(purpose, Purpose::Launch { .. }))
            .map(|(name, _)| name.clone())
            .collect();
        all.retain(|(name, purpose)| {
            *purpose == Purpose::CleanUp
                || self.gang_of(name).is_none_or(|gang| gang.iter().all(|member| launching.contains(member)))
        });
        all
    }

    /// The gang that has to be launched together with an instance.
    pub(crate) fn gang_to_launch(&self, name: &str) -> Option<Vec<String>> {
        self.gang_of(name)
    }

    /// Everybody of an instance's gang can be launched now.
    pub(crate) fn gang_is_rendered(&self, name: &str) -> bool {
        self.gang_of(name).is_none_or(|gang| gang.iter().all(|n| matches!(self.rendered.get(n), Some(Ok(_)))))
    }
}

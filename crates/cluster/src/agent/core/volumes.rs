//! Volumes that are destroyed: that their data is to be deleted is stored before it is, and until it is.

use std::path::PathBuf;

use cairn_mesos::v1::Resource;
use cairn_planted::planted;

use super::planted::Bug;
use super::{Context, Core, Effect, Record};
use crate::wire::FromAgent;

impl Core {
    /// The master says what there is by now, and which volumes there are not any more.
    pub(super) fn checkpoint(
        &mut self,
        resources: Vec<Resource>,
        destroyed: &[Resource],
        cx: &mut Context<'_>,
    ) {
        let paths: Vec<PathBuf> = destroyed.iter().filter_map(|r| self.volume_path(r)).collect();
        self.deleting.extend(paths.iter().cloned());
        self.resources = Some(resources);
        self.keep_living();
        if !planted(Bug::ForgetReservations) {
            cx.push(Effect::Save(Record::Agent));
        }
        if !destroyed.is_empty() {
            cx.tell_master(FromAgent::Destroyed);
        }
        if !paths.is_empty() {
            cx.push(Effect::DeleteVolumes(paths));
        }
    }

    pub(super) fn deleted(&mut self, volumes: &[PathBuf], cx: &mut Context<'_>) {
        for volume in volumes {
            self.deleting.remove(volume);
        }
        cx.push(Effect::Save(Record::Agent));
    }

    /// What an earlier agent process may not have come to.
    pub(super) fn delete_again(&self) -> Option<Effect> {
        (!self.deleting.is_empty()).then(|| Effect::DeleteVolumes(self.deleting.iter().cloned().collect()))
    }

    /// A volume that was created anew under the same id must not lose its data at the next start.
    fn keep_living(&mut self) {
        let resources = self.resources.iter().flatten();
        let living: Vec<PathBuf> = resources.filter_map(|r| self.volume_path(r)).collect();
        self.deleting.retain(|path| !living.contains(path));
    }
}

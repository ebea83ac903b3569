//! What containers are given that somebody starts within a running one.

use super::Core;
use super::container::Phase;
use crate::agent::nested::Ground;

/// Why nothing can be started in a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoGround {
    /// There is no such container, or it has ended.
    Unknown,
    /// It does not run yet.
    Starting,
    /// It is being ended.
    Ending,
}

impl Core {
    /// What the container gives that is named by its id and those of the containers it is in, the outermost first.
    ///
    /// # Errors
    /// It is not one of this agent's, or does not run.
    pub(crate) fn ground(&self, ids: &[String]) -> Result<Ground, NoGround> {
        let (id, root) = match ids {
            [id] => (id, id),
            [root, id] => (id, root),
            _ => return Err(NoGround::Unknown),
        };
        let above = (ids.len() > 1).then_some(root.as_str());
        let container = self.containers.get(id).filter(|container| container.parent.as_deref() == above);
        let container = container.ok_or(NoGround::Unknown)?;
        let root = self.containers.get(root).ok_or(NoGround::Unknown)?;
        match container.phase {
            Phase::Over => Err(NoGround::Unknown),
            Phase::Preparing => Err(NoGround::Starting),
            Phase::Stopping { .. } => Err(NoGround::Ending),
            Phase::Registering { .. } | Phase::Running | Phase::Recovering { .. } => Ok(Ground {
                host: id.clone(),
                host_sandbox: container.sandbox.clone(),
                root_sandbox: root.sandbox.clone(),
                sandbox: container.sandbox.clone(),
                env: self.task_environment(container),
                basis: self.basis(container),
                user: container.user().to_owned(),
            }),
        }
    }

    /// Whether a container has not ended.
    pub(crate) fn is_alive(&self, id: &str) -> bool {
        self.containers.get(id).is_some_and(|container| !container.is_over())
    }
}

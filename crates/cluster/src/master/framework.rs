//! What the master knows of one framework.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use cairn_mesos::v1::framework_info::capability::Type as Capability;
use cairn_mesos::v1::{FrameworkInfo, OperationStatus, Task};

use super::constraints::{Constraints, Groups};
use super::event::{StreamKey, Time};
use super::operator::Tally;
use super::tasks::Tasks;
use crate::packed::Packed;

/// How many finished tasks are remembered for each framework, for operators to look at.
const COMPLETED_TASKS: usize = 100;

/// How many operations are remembered for reconciliation.
const OPERATIONS: usize = 500;

/// Whether events reach the framework.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Connection {
    /// A stream is open.
    Connected { stream: StreamKey, stream_id: String, next_heartbeat: Time },
    /// None is; at the deadline the framework is removed.
    Disconnected { deadline: Time },
}

/// One role of a framework.
#[derive(Debug, Clone, Default)]
pub(crate) struct RoleState {
    pub(crate) suppressed: bool,
}

/// A framework that is subscribed, or may subscribe again.
#[derive(Debug, Clone)]
pub(crate) struct Framework {
    pub(crate) info: FrameworkInfo,
    pub(crate) connection: Connection,
    pub(crate) roles: BTreeMap<String, RoleState>,
    /// Of which agents it wants to hear.
    pub(crate) constraints: Constraints,
    /// Tasks whose end is not acknowledged yet.
    pub(crate) tasks: Tasks,
    /// Tasks on agents that are gone but may come back.
    pub(crate) unreachable: Tasks,
    pub(crate) completed: VecDeque<Packed<Task>>,
    operations: VecDeque<OperationStatus>,
    pub(crate) registered: Time,
    pub(crate) reregistered: Time,
    /// Known from the registry or an agent, not heard of since the master started.
    pub(crate) recovered: bool,
    pub(crate) tally: Tally,
}

impl Framework {
    pub(crate) fn new(info: FrameworkInfo, connection: Connection, now: Time) -> Self {
        let roles = roles_of(&info).into_iter().map(|role| (role, RoleState::default())).collect();
        Self {
            info,
            connection,
            roles,
            constraints: Constraints::default(),
            tasks: Tasks::default(),
            unreachable: Tasks::default(),
            completed: VecDeque::new(),
            operations: VecDeque::new(),
            registered: now,
            reregistered: now,
            recovered: false,
            tally: Tally::default(),
        }
    }

    pub(crate) fn stream(&self) -> Option<StreamKey> {
        match &self.connection {
            Connection::Connected { stream, .. } => Some(*stream),
            Connection::Disconnected { .. } => None,
        }
    }

    pub(crate) fn can(&self, capability: Capability) -> bool {
        has_capability(&self.info, capability)
    }

    /// Take over what the framework now says about itself: everything but user, checkpoint and id. The roles it has left.
    pub(crate) fn update(&mut self, info: FrameworkInfo) -> Vec<String> {
        let old = std::mem::replace(&mut self.info, info);
        self.info.id = old.id;
        self.info.user = old.user;
        // As Mesos does: from now on it is told even when it is not set.
        self.info.checkpoint = Some(old.checkpoint.unwrap_or(false));
        let wanted = roles_of(&self.info);
        let left =
            self.roles.extract_if(.., |role, _| !wanted.contains(role)).map(|(role, _)| role).collect();
        for role in wanted {
            self.roles.entry(role).or_default();
        }
        left
    }

    /// The roles in which it takes offers.
    pub(crate) fn awake_roles(&self) -> impl Iterator<Item = &String> {
        self.roles.iter().filter(|(_, state)| !state.suppressed).map(|(role, _)| role)
    }

    /// The roles in which it takes offers, and of which agents.
    pub(crate) fn wishes(&self) -> impl Iterator<Item = (&String, Option<Arc<Groups>>)> {
        self.awake_roles().map(|role| (role, self.constraints.of(role)))
    }

    /// Put these roles, and no others, to sleep.
    pub(crate) fn set_suppressed(&mut self, suppressed: &[String]) {
        for (role, state) in &mut self.roles {
            state.suppressed = suppressed.contains(role);
        }
    }

    /// The roles that a SUPPRESS or REVIVE means: those named, or all.
    pub(crate) fn select_roles<'a>(
        &'a mut self,
        named: &'a [String],
    ) -> impl Iterator<Item = (&'a String, &'a mut RoleState)> + 'a {
        self.roles.iter_mut().filter(|(role, _)| named.is_empty() || named.contains(role))
    }

    /// Whether a task of it, over or not, is on this agent.
    pub(crate) fn has_task_on(&self, agent: &str) -> bool {
        self.tasks.has_on(agent)
    }

    pub(crate) fn complete_task(&mut self, task: &Task) {
        self.completed.push_back(Packed::new(task));
        if self.completed.len() > COMPLETED_TASKS {
            self.completed.pop_front();
        }
    }

    pub(crate) fn remember_operation(&mut self, status: OperationStatus) {
        self.operations.retain(|known| known.operation_id != status.operation_id);
        self.operations.push_back(status);
        if self.operations.len() > OPERATIONS {
            self.operations.pop_front();
        }
    }

    /// Whether it was remembered.
    pub(crate) fn forget_operation(&mut self, operation_id: &str) -> bool {
        let before = self.operations.len();
        self.operations.retain(|known| known.operation_id.as_ref().is_none_or(|id| id.value != operation_id));
        self.operations.len() < before
    }

    pub(crate) fn operations(&self) -> impl Iterator<Item = &OperationStatus> {
        self.operations.iter()
    }
}

/// Whether the framework said that it can do this.
pub(crate) fn has_capability(info: &FrameworkInfo, capability: Capability) -> bool {
    info.capabilities.iter().any(|given| given.r#type == Some(capability as i32))
}

/// The roles a framework is in: `roles` with MULTI_ROLE, else the single `role`.
pub(crate) fn roles_of(info: &FrameworkInfo) -> Vec<String> {
    if has_capability(info, Capability::MultiRole) {
        return info.roles.clone();
    }
    vec![info.role.clone().unwrap_or_else(|| "*".to_owned())]
}

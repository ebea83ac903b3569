//! The scheduler's calls: who may make them, and those that need but a few lines.

use cairn_mesos::v1::scheduler::{Call, Event, call, event};
use cairn_mesos::v1::{FrameworkInfo, OperationState, OperationStatus, TaskState};
use cairn_planted::planted;

use super::constraints::Constraints;
use super::core::Master;
use super::event::{CallKey, Reply, Time};
use super::framework::{Connection, roles_of};
use super::framework_check;
use super::planted::Bug;
use super::told::of;
use crate::terminal::is_terminal;
use crate::wire::ToAgent;

/// What is wrong when somebody has proved to be one principal and speaks for another.
pub(crate) fn mismatch(proved: Option<&str>, claimed: Option<&str>) -> Option<String> {
    let (proved, claimed) = (proved?, claimed?);
    (proved != claimed).then(|| {
        format!(
            "Authenticated principal '{proved}' does not match principal '{claimed}' set in `FrameworkInfo`"
        )
    })
}

impl Master {
    pub(crate) fn scheduler_call(
        &mut self,
        key: CallKey,
        stream_id: Option<&str>,
        principal: Option<&str>,
        call: Call,
        now: Time,
    ) {
        let id = call.framework_id.as_ref().map(|id| id.value.clone()).unwrap_or_default();
        if let Err(refusal) = self.authorize(&id, stream_id, principal) {
            return self.reply(key, refusal);
        }
        let reply = self.dispatch(&id, call, now);
        self.reply(key, reply);
    }

    /// Only the connected scheduler of a known framework may call.
    fn authorize(&self, id: &str, stream_id: Option<&str>, principal: Option<&str>) -> Result<(), Reply> {
        let Some(framework) = self.frameworks.get(id) else {
            return Err(Reply::bad_request("Framework cannot be found"));
        };
        if let Some(mismatch) = mismatch(principal, framework.info.principal.as_deref()) {
            return Err(Reply::bad_request(mismatch));
        }
        let Connection::Connected { stream_id: current, .. } = &framework.connection else {
            return Err(Reply::Refused { status: 403, text: "Framework is not subscribed".to_owned() });
        };
        match stream_id {
            None => {
                Err(Reply::bad_request("All non-subscribe calls should include the 'Mesos-Stream-Id' header"))
            }
            Some(given) if given != current && !planted(Bug::HeedOldStream) => {
                Err(Reply::bad_request(format!(
                    "The stream ID '{given}' included in this request didn't match the stream ID currently \
                 associated with framework ID {id}"
                )))
            }
            Some(_) => Ok(()),
        }
    }

    fn dispatch(&mut self, id: &str, call: Call, now: Time) -> Reply {
        use call::Type;
        self.count_call(id, &call);
        match call.r#type.and_then(|kind| Type::try_from(kind).ok()) {
            Some(Type::Teardown) => self.remove_framework(id, now),
            Some(Type::Accept) => self.accept(id, call.accept.unwrap_or_default(), now),
            Some(Type::Decline) => self.decline(id, &call.decline.unwrap_or_default(), now),
            Some(Type::Revive) => self.revive(id, &call.revive.unwrap_or_default().roles),
            Some(Type::Suppress) => self.suppress(id, &call.suppress.unwrap_or_default().roles),
            Some(Type::Kill) => self.kill(id, call.kill.unwrap_or_default(), now),
            Some(Type::Shutdown) => self.shutdown_executor(id, call.shutdown.unwrap_or_default()),
            Some(Type::Acknowledge) => self.acknowledge(id, call.acknowledge.unwrap_or_default(), now),
            Some(Type::AcknowledgeOperationStatus) => {
                let operation = call.acknowledge_operation_status.unwrap_or_default().operation_id.value;
                self.acknowledge_operation(id, &operation);
            }
            Some(Type::Reconcile) => self.reconcile(id, &call.reconcile.unwrap_or_default().tasks, now),
            Some(Type::ReconcileOperations) => {
                self.reconcile_operations(id, &call.reconcile_operations.unwrap_or_default());
            }
            Some(Type::Message) => self.message(id, call.message.unwrap_or_default()),
            Some(Type::UpdateFramework) => {
                return self.update_framework(id, call.update_framework.unwrap_or_default());
            }
            Some(Type::AcceptInverseOffers) => {
                let call = call.accept_inverse_offers.unwrap_or_default();
                self.answer_inverse_offers(id, &call.inverse_offer_ids, call.filters.as_ref(), true, now);
            }
            Some(Type::DeclineInverseOffers) => {
                let call = call.decline_inverse_offers.unwrap_or_default();
                self.answer_inverse_offers(id, &call.inverse_offer_ids, call.filters.as_ref(), false, now);
            }
            // Everything that is free is on offer anyway, so there is nothing to ask for.
            Some(Type::Request) => {}
            Some(Type::Unknown | Type::Subscribe) | None => {
                return Reply::Refused { status: 501, text: "Call is not supported".to_owned() };
            }
        }
        Reply::Accepted
    }

    fn count_call(&mut self, id: &str, call: &Call) {
        use call::Type;
        if let Some(framework) = self.frameworks.get_mut(id) {
            framework.tally.call(call.r#type());
        }
        let name = match call.r#type() {
            Type::Accept => return self.count_accept(call),
            Type::Decline => "master/messages_decline_offers",
            Type::Revive => "master/messages_revive_offers",
            Type::Suppress => "master/messages_suppress_offers",
            Type::Kill => "master/messages_kill_task",
            Type::Acknowledge => "master/messages_status_update_acknowledgement",
            Type::AcknowledgeOperationStatus => "master/messages_operation_status_update_acknowledgement",
            Type::Reconcile => "master/messages_reconcile_tasks",
            Type::ReconcileOperations => "master/messages_reconcile_operations",
            Type::Message => "master/messages_framework_to_executor",
            Type::Request => "master/messages_resource_request",
            Type::Teardown => "master/messages_unregister_framework",
            _ => return,
        };
        self.counters.add(name);
    }

    /// Each LAUNCH is counted; one of no tasks declines.
    fn count_accept(&mut self, call: &Call) {
        let operations = call.accept.iter().flat_map(|accept| &accept.operations);
        for launch in operations.filter_map(|operation| operation.launch.as_ref()) {
            let declines = launch.task_infos.is_empty();
            let name =
                if declines { "master/messages_decline_offers" } else { "master/messages_launch_tasks" };
            self.counters.add(name);
        }
    }

    fn revive(&mut self, id: &str, roles: &[String]) {
        let Some(framework) = self.frameworks.get_mut(id) else { return };
        for (role, state) in framework.select_roles(roles) {
            state.suppressed = false;
            self.filters.clear_of(&self.sorter, role, id);
        }
        self.wake(id);
    }

    fn suppress(&mut self, id: &str, roles: &[String]) {
        let Some(framework) = self.frameworks.get_mut(id) else { return };
        for (_, state) in framework.select_roles(roles) {
            state.suppressed = true;
        }
        self.place_seekers(id);
    }

    fn kill(&mut self, id: &str, kill: call::Kill, now: Time) {
        let agent = self
            .frameworks
            .get(id)
            .and_then(|framework| framework.tasks.get(&kill.task_id.value).map(|task| task.agent_id.value));
        let Some(agent) = agent else {
            let asked = kill.agent_id.as_ref().map(|agent| agent.value.clone());
            return self.reconcile_task(id, &kill.task_id.value, asked.as_deref(), now);
        };
        self.tell(
            &agent,
            ToAgent::Kill {
                framework_id: super::core::framework_id(id),
                task_id: kill.task_id,
                kill_policy: kill.kill_policy,
            },
        );
    }

    fn shutdown_executor(&mut self, id: &str, shutdown: call::Shutdown) {
        self.tell(
            &shutdown.agent_id.value.clone(),
            ToAgent::ShutdownExecutor {
                framework_id: super::core::framework_id(id),
                executor_id: shutdown.executor_id,
            },
        );
    }

    fn message(&mut self, id: &str, message: call::Message) {
        let reached = self.agents.get(&message.agent_id.value).is_some_and(|agent| agent.link().is_some());
        self.counters.add(match reached {
            true => "master/valid_framework_to_executor_messages",
            false => "master/invalid_framework_to_executor_messages",
        });
        self.tell(
            &message.agent_id.value.clone(),
            ToAgent::MessageToExecutor {
                framework_id: super::core::framework_id(id),
                executor_id: message.executor_id,
                data: message.data,
            },
        );
    }

    fn acknowledge_operation(&mut self, id: &str, operation: &str) {
        let Some(framework) = self.frameworks.get_mut(id) else { return };
        let name = match framework.forget_operation(operation) {
            true => "master/valid_operation_status_update_acknowledgements",
            false => "master/invalid_operation_status_update_acknowledgements",
        };
        self.counters.add(name);
    }

    /// Pass an acknowledgement on. A task whose end is acknowledged is forgotten.
    fn acknowledge(&mut self, id: &str, acknowledge: call::Acknowledge, now: Time) {
        let task_id = acknowledge.task_id.value.clone();
        let reached =
            self.agents.get(&acknowledge.agent_id.value).is_some_and(|agent| agent.link().is_some());
        self.counters.add(match reached {
            true => "master/valid_status_update_acknowledgements",
            false => "master/invalid_status_update_acknowledgements",
        });
        self.tell(
            &acknowledge.agent_id.value.clone(),
            ToAgent::Acknowledge {
                framework_id: super::core::framework_id(id),
                task_id: acknowledge.task_id,
                uuid: acknowledge.uuid.clone(),
            },
        );
        let Some(framework) = self.frameworks.get_mut(id) else { return };
        let is_over = framework.tasks.get(&task_id).is_some_and(|task| {
            let told = task.status_update_state.and_then(|state| TaskState::try_from(state).ok());
            told.is_some_and(is_terminal)
                && task.status_update_uuid.as_deref() == Some(acknowledge.uuid.as_slice())
        });
        if is_over && let Some(task) = framework.tasks.remove(&task_id) {
            let agent = task.agent_id.value.as_str();
            framework.complete_task(&task);
            self.check_drained(agent, now);
        }
    }

    fn reconcile_operations(&mut self, id: &str, call: &call::ReconcileOperations) {
        let Some(framework) = self.frameworks.get(id) else { return };
        let mut answers: Vec<OperationStatus> = Vec::new();
        if call.operations.is_empty() {
            answers.extend(framework.operations().cloned());
        }
        for asked in &call.operations {
            let known = framework.operations().find(|status| {
                status.operation_id.as_ref().is_some_and(|id| id.value == asked.operation_id.value)
            });
            answers.push(known.cloned().unwrap_or_else(|| OperationStatus {
                operation_id: Some(asked.operation_id.clone()),
                state: OperationState::OperationUnknown as i32,
                message: Some("Reconciliation: Operation is unknown".to_owned()),
                agent_id: asked.agent_id.clone(),
                ..OperationStatus::default()
            }));
        }
        for mut status in answers {
            status.uuid = None;
            self.send_operation_status(id, status);
        }
    }

    fn update_framework(&mut self, id: &str, call: call::UpdateFramework) -> Reply {
        let info: FrameworkInfo = call.framework_info;
        if let Err(problem) = self.check_roles(&info, None) {
            return Reply::Refused { status: 403, text: problem };
        }
        let Some(framework) = self.frameworks.get_mut(id) else {
            return Reply::bad_request("Framework cannot be found");
        };
        if let Err(problem) = framework_check::check(&info) {
            return Reply::bad_request(format!("Supplied FrameworkInfo is not valid: {problem}"));
        }
        if info.principal != framework.info.principal {
            return Reply::bad_request("Changing framework's principal is not allowed.");
        }
        if info.user != framework.info.user {
            return Reply::bad_request("Updating 'FrameworkInfo.user' is unsupported");
        }
        if info.checkpoint.unwrap_or(false) != framework.info.checkpoint.unwrap_or(false) {
            return Reply::bad_request("Updating 'FrameworkInfo.checkpoint' is unsupported");
        }
        let roles = roles_of(&info);
        let checked = framework_check::check_suppressed(&call.suppressed_roles, &roles);
        let constraints = match checked.and_then(|()| Constraints::read(call.offer_constraints, &roles)) {
            Ok(constraints) => constraints,
            Err(problem) => return Reply::bad_request(problem),
        };
        for role in framework.update(info) {
            self.filters.clear_of(&self.sorter, &role, id);
        }
        framework.set_suppressed(&call.suppressed_roles);
        framework.constraints = constraints;
        self.withdraw_offers_of_lost_roles(id);
        self.persist();
        self.tell_agents_about(id);
        self.publish_framework(id, false);
        self.wake(id);
        Reply::Ok
    }

    pub(crate) fn send_operation_status(&mut self, id: &str, status: OperationStatus) {
        let update = event::UpdateOperationStatus { status };
        let event = Event { update_operation_status: Some(update), ..of(event::Type::UpdateOperationStatus) };
        self.send_to(id, event);
    }
}

//! LAUNCH and LAUNCH_GROUP: from a task that a framework wants to one that an agent is told to run.

use cairn_mesos::v1::offer::operation::{self, LaunchGroup};
use cairn_mesos::v1::resource::AllocationInfo;
use cairn_mesos::v1::task_status::Reason;
use cairn_mesos::v1::{ExecutorId, ExecutorInfo, Resource, Task, TaskInfo, TaskState};

use super::accept::Acceptance;
use super::core::{Master, framework_id};
use super::event::Time;
use super::pool::Pool;
use super::{format, status, task_check};
use crate::wire::ToAgent;

impl Master {
    pub(crate) fn launch(&mut self, work: &mut Acceptance, mut task: TaskInfo, now: Time) {
        task.resources = format::refined(task.resources);
        if let Some(executor) = &mut task.executor {
            executor.resources = format::refined(std::mem::take(&mut executor.resources));
        }
        let executor = task.executor.clone();
        let checked = task_check::check_alone(&task);
        match checked.and_then(|()| self.claim(work, std::slice::from_ref(&task), executor.as_ref())) {
            Ok(()) => self.run(work, vec![task], executor, false),
            Err(problem) => self.reject(work, &task, Reason::TaskInvalid, problem, now),
        }
    }

    /// All tasks of the group, or none.
    pub(crate) fn launch_group(&mut self, work: &mut Acceptance, group: LaunchGroup, now: Time) {
        let mut executor = group.executor;
        executor.resources = format::refined(std::mem::take(&mut executor.resources));
        let mut tasks = group.task_group.tasks;
        for task in &mut tasks {
            task.resources = format::refined(std::mem::take(&mut task.resources));
        }
        let checked = task_check::check_group(&tasks, &executor);
        match checked.and_then(|()| self.claim(work, &tasks, Some(&executor))) {
            Ok(()) => self.run(work, tasks, Some(executor), true),
            Err(problem) => {
                for task in &tasks {
                    self.reject(work, task, Reason::TaskGroupInvalid, problem.clone(), now);
                }
            }
        }
    }

    fn reject(&mut self, work: &Acceptance, task: &TaskInfo, reason: Reason, problem: String, now: Time) {
        let update = status::from_master(&task.task_id.value, TaskState::TaskError, reason, problem, now);
        self.counters.add_end(TaskState::TaskError, &update);
        // The agent that the task names, even where there is none of that name: so its scheduler finds it again.
        self.send_status(&work.framework, status::on_agent(update, &task.agent_id.value));
    }

    /// Check the tasks, and take what they need from what was offered.
    fn claim(
        &mut self,
        work: &mut Acceptance,
        tasks: &[TaskInfo],
        executor: Option<&ExecutorInfo>,
    ) -> Result<(), String> {
        for (index, task) in tasks.iter().enumerate() {
            task_check::check(task, &work.agent, &work.framework, executor)?;
            let twice = tasks[..index].iter().any(|other| other.task_id == task.task_id);
            if twice || self.knows_task(&work.framework, &task.task_id.value) {
                return Err(format!("Task has duplicate ID: {}", task.task_id.value));
            }
        }
        let mut wanted: Vec<Resource> = tasks.iter().flat_map(|task| task.resources.clone()).collect();
        if let Some(executor) = executor
            && !self.runs_executor(work, executor)?
        {
            wanted.extend(executor.resources.iter().cloned());
        }
        let is_group = executor.is_some() && tasks.iter().all(|task| task.executor.is_none());
        let whose = if is_group { "task group and its executor are" } else { "task and its executor is" };
        let need = need(&wanted, work, whose)?;
        work.pool.subtract(&need);
        work.used = true;
        Ok(())
    }

    pub(crate) fn knows_task(&self, framework: &str, task: &str) -> bool {
        let known = self.frameworks.get(framework);
        known.is_some_and(|known| known.tasks.contains(task) || known.unreachable.contains(task))
    }

    /// Whether this executor is on the agent already. Another one of the same name is a mistake.
    fn runs_executor(&self, work: &Acceptance, executor: &ExecutorInfo) -> Result<bool, String> {
        let key = (work.framework.clone(), executor.executor_id.value.clone());
        let Some(running) = self.agents.get(&work.agent).and_then(|agent| agent.executors.get(&key)) else {
            return Ok(false);
        };
        if *running == owned(executor.clone(), work) {
            return Ok(true);
        }
        Err(format!(
            "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID '{}'",
            executor.executor_id.value
        ))
    }

    /// Count the tasks as running, and have the agent run them.
    fn run(&mut self, work: &Acceptance, tasks: Vec<TaskInfo>, executor: Option<ExecutorInfo>, group: bool) {
        let Some(framework) = self.frameworks.get(&work.framework).map(|known| known.info.clone()) else {
            return;
        };
        let custom = executor.is_some();
        let executor = match executor {
            Some(executor) => owned(executor, work),
            None => command_executor(&tasks, work),
        };
        if custom {
            self.count_executor(work, &executor);
        }
        // As Mesos counts: each task of a LAUNCH, each group.
        let (kind, count) =
            if group { (operation::Type::LaunchGroup, 1) } else { (operation::Type::Launch, tasks.len()) };
        if let Some(known) = self.frameworks.get_mut(&work.framework) {
            known.tally.operations(kind, count);
        }
        let mut launched = Vec::new();
        for mut info in tasks {
            info.resources = allocated(info.resources, &work.role);
            if let Some(own) = &mut info.executor {
                own.clone_from(&executor);
            }
            let executor_id = custom.then(|| executor.executor_id.clone());
            self.count_task(work, &record(&info, executor_id, work));
            launched.push(info);
        }
        self.tell(&work.agent, ToAgent::RunTasks { framework, executor, tasks: launched, group });
    }

    fn count_executor(&mut self, work: &Acceptance, executor: &ExecutorInfo) {
        let Some(agent) = self.agents.get_mut(&work.agent) else { return };
        let key = (work.framework.clone(), executor.executor_id.value.clone());
        if agent.executors.insert(key, executor.clone()).is_none() {
            agent.use_more(&work.framework, &Pool::from_list(executor.resources.clone()));
        }
    }

    fn count_task(&mut self, work: &Acceptance, task: &Task) {
        self.publish_task(task);
        self.maintenance.look_again();
        if let Some(agent) = self.agents.get_mut(&work.agent) {
            agent.use_more(&work.framework, &Pool::from_list(task.resources.clone()));
        }
        if let Some(framework) = self.frameworks.get_mut(&work.framework) {
            framework.tasks.insert(task);
        }
    }
}

/// What these resources take from the pool, if it has them and they are for the role of the offer.
fn need(wanted: &[Resource], work: &Acceptance, whose: &str) -> Result<Pool, String> {
    let need = Pool::unallocated_from(wanted.to_vec());
    let elsewhere = wanted.iter().any(|resource| {
        resource
            .allocation_info
            .as_ref()
            .is_some_and(|info| info.role.as_ref().is_some_and(|role| *role != work.role))
    });
    if elsewhere || !work.pool.contains(&need) {
        return Err(format!(
            "Total resources {} required by {whose} more than available {}",
            Pool::from_list(wanted.to_vec()),
            work.pool.allocated_to(&work.role)
        ));
    }
    Ok(need)
}

fn allocated(resources: Vec<Resource>, role: &str) -> Vec<Resource> {
    let info = AllocationInfo { role: Some(role.to_owned()) };
    resources
        .into_iter()
        .map(|resource| Resource { allocation_info: Some(info.clone()), ..resource })
        .collect()
}

/// The executor with what the master adds: whose it is, and for which role its resources are.
fn owned(executor: ExecutorInfo, work: &Acceptance) -> ExecutorInfo {
    ExecutorInfo {
        framework_id: Some(framework_id(&work.framework)),
        resources: allocated(executor.resources, &work.role),
        ..executor
    }
}

/// The executor of a plain command; the agent runs the command itself.
fn command_executor(tasks: &[TaskInfo], work: &Acceptance) -> ExecutorInfo {
    let task = tasks.first();
    let id = task.map(|task| task.task_id.value.clone()).unwrap_or_default();
    let command = task.and_then(|task| task.command.clone());
    let shown = command.as_ref().map(shown_command).unwrap_or_default();
    ExecutorInfo {
        name: Some(format!("Command Executor (Task: {id}) (Command: {shown})")),
        executor_id: ExecutorId { value: id },
        framework_id: Some(framework_id(&work.framework)),
        command,
        ..ExecutorInfo::default()
    }
}

/// The beginning of a command, for people: 15 characters with the dots.
fn shown_command(command: &cairn_mesos::v1::CommandInfo) -> String {
    const SHOWN: usize = 15;
    let value = command.value.clone().unwrap_or_default();
    let is_long = value.chars().count() > SHOWN;
    let start: String = value.chars().take(if is_long { SHOWN - 3 } else { SHOWN }).collect();
    let more = if is_long { "..." } else { "" };
    if command.shell.unwrap_or(true) { format!("sh -c '{start}{more}'") } else { format!("{start}{more}") }
}

fn record(info: &TaskInfo, executor_id: Option<ExecutorId>, work: &Acceptance) -> Task {
    let own_user = info.command.as_ref().and_then(|command| command.user.clone());
    Task {
        name: info.name.clone(),
        task_id: info.task_id.clone(),
        framework_id: framework_id(&work.framework),
        executor_id,
        agent_id: info.agent_id.clone(),
        state: TaskState::TaskStaging as i32,
        resources: info.resources.clone(),
        labels: info.labels.clone(),
        discovery: info.discovery.clone(),
        container: info.container.clone(),
        user: own_user,
        health_check: info.health_check.clone(),
        kill_policy: info.kill_policy,
        limits: info.limits.clone(),
        ..Task::default()
    }
}

//! Whether a task that a framework wants to launch makes sense. The texts are those that Apache Mesos gives.

use cairn_mesos::v1::environment::variable::Type as VariableType;
use cairn_mesos::v1::executor_info::Type as ExecutorType;
use cairn_mesos::v1::value::Type as ValueType;
use cairn_mesos::v1::{CommandInfo, ExecutorInfo, Resource, TaskInfo, container_info};

use super::{container_check, probe_check};

/// The least CPUs and memory (MiB) of a group's executor: `MIN_CPUS` and `MIN_MEM` of Apache Mesos.
const LEAST_CPUS: f64 = 0.01;
const LEAST_MEM_MIB: f64 = 32.0;

/// Task, executor and persistence ids become directory names.
pub(crate) fn check_id(id: &str) -> Result<(), String> {
    if id.is_empty() {
        return Err("ID must not be empty".to_owned());
    }
    if id.len() > 255 {
        return Err("ID must not be greater than 255 characters".to_owned());
    }
    if id == "." || id == ".." {
        return Err(format!("'{id}' is disallowed"));
    }
    if id.contains(|c: char| c == '/' || c == '\\' || c.is_ascii_control()) {
        return Err(format!("'{id}' contains invalid characters"));
    }
    Ok(())
}

/// Everything that can be said about the task alone. `agent` is where it would go, `executor` what would run it
/// unless it is a plain command.
pub(crate) fn check(
    task: &TaskInfo,
    agent: &str,
    framework: &str,
    executor: Option<&ExecutorInfo>,
) -> Result<(), String> {
    check_id(&task.task_id.value)?;
    if task.agent_id.value != agent {
        return Err(format!(
            "Task uses invalid agent {} while agent {agent} is expected",
            task.agent_id.value
        ));
    }
    let in_group = executor.is_some() && task.executor.is_none();
    if !in_group && task.executor.is_some() == task.command.is_some() {
        return Err(
            "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present".to_owned()
        );
    }
    if let Some(executor) = executor {
        check_executor(executor, framework)?;
    }
    if let Some(command) = &task.command {
        check_environment(command)
            .map_err(|problem| format!("Task's `CommandInfo` is invalid: {problem}"))?;
    }
    if let Some(container) = &task.container {
        container_check::check(container)
            .map_err(|problem| format!("Task's `ContainerInfo` is invalid: {problem}"))?;
    }
    probe_check::check(task)?;
    container_check::check_limits(task)?;
    if task.max_completion_time.is_some_and(|time| time.nanoseconds < 0) {
        return Err("Task's `max_completion_time` must be non-negative".to_owned());
    }
    if task.resources.is_empty() {
        return Err("Task uses no resources".to_owned());
    }
    check_resources(&task.resources)?;
    let grace = task.kill_policy.as_ref().and_then(|policy| policy.grace_period.as_ref());
    if grace.is_some_and(|grace| grace.nanoseconds < 0) {
        return Err("Task's 'kill_policy.grace_period' must be non-negative".to_owned());
    }
    Ok(())
}

/// What is asked of the task of a LAUNCH besides.
pub(crate) fn check_alone(task: &TaskInfo) -> Result<(), String> {
    if let Some(executor) = &task.executor
        && executor.r#type.is_some()
        && executor.r#type() != ExecutorType::Custom
    {
        return Err("'ExecutorInfo.type' must be 'CUSTOM'".to_owned());
    }
    if container_check::shares_cgroups(task.container.as_ref()) == Some(false) {
        return Err("Only tasks in a task group may have 'share_cgroups' set to 'false'".to_owned());
    }
    Ok(())
}

/// What is asked of the tasks of a group besides, and of their executor.
pub(crate) fn check_group(tasks: &[TaskInfo], executor: &ExecutorInfo) -> Result<(), String> {
    if tasks.is_empty() {
        return Err("Task group cannot be empty".to_owned());
    }
    for task in tasks {
        check_member(task)
            .map_err(|problem| format!("Task '{}' is invalid: {problem}", task.task_id.value))?;
    }
    if executor.r#type.is_none() {
        return Err("'ExecutorInfo.type' must be set".to_owned());
    }
    if is_docker(executor.container.as_ref()) {
        return Err("Docker ContainerInfo is not supported on the executor".to_owned());
    }
    check_least(executor)
}

fn check_member(task: &TaskInfo) -> Result<(), String> {
    if is_docker(task.container.as_ref()) {
        return Err("Docker ContainerInfo is not supported on the task".to_owned());
    }
    if !task.limits.is_empty() && container_check::shares_cgroups(task.container.as_ref()) != Some(false) {
        return Err(
            "Resource limits may only be set for tasks within a task group when the 'share_cgroups' field is set \
             to 'false'."
                .to_owned(),
        );
    }
    Ok(())
}

fn is_docker(container: Option<&cairn_mesos::v1::ContainerInfo>) -> bool {
    container.is_some_and(|container| container.r#type() == container_info::Type::Docker)
}

/// Whether the executor of a group asks for the least that one may have.
fn check_least(executor: &ExecutorInfo) -> Result<(), String> {
    let id = &executor.executor_id.value;
    let asked = |name: &str| container_check::asked(&executor.resources, name);
    for (name, least, shown, unit) in
        [("cpus", LEAST_CPUS, "CPUs", ""), ("mem", LEAST_MEM_MIB, "memory", "MB")]
    {
        let asked = asked(name);
        if asked.is_none_or(|asked| asked < least) {
            let amount = asked.map_or_else(|| "None".to_owned(), |asked| format!("{asked}{unit}"));
            return Err(format!(
                "Executor '{id}' uses less {shown} ({amount}) than the minimum required ({least}{unit})"
            ));
        }
    }
    match asked("disk") {
        Some(_) => Ok(()),
        None => Err(format!("Executor '{id}' uses no disk")),
    }
}

fn check_executor(executor: &ExecutorInfo, framework: &str) -> Result<(), String> {
    check_id(&executor.executor_id.value).map_err(|problem| format!("Executor ID is invalid: {problem}"))?;
    if let Some(owner) = &executor.framework_id
        && owner.value != framework
    {
        return Err(format!(
            "ExecutorInfo has an invalid FrameworkID (Actual: {} vs Expected: {framework})",
            owner.value
        ));
    }
    if executor.command.is_some() && executor.r#type == Some(ExecutorType::Default as i32) {
        return Err("'ExecutorInfo.command' must not be set for 'DEFAULT' executor".to_owned());
    }
    if executor.command.is_none() && executor.r#type != Some(ExecutorType::Default as i32) {
        return Err("'ExecutorInfo.command' must be set for 'CUSTOM' executor".to_owned());
    }
    if let Some(command) = &executor.command {
        check_environment(command)
            .map_err(|problem| format!("Executor's `CommandInfo` is invalid: {problem}"))?;
    }
    if let Some(container) = &executor.container {
        container_check::check(container)
            .map_err(|problem| format!("Executor's `ContainerInfo` is invalid: {problem}"))?;
    }
    if container_check::shares_cgroups(executor.container.as_ref()) == Some(true) {
        return Err("The 'share_cgroups' field cannot be set to 'true' on executor containers".to_owned());
    }
    let grace = executor.shutdown_grace_period.as_ref();
    if grace.is_some_and(|grace| grace.nanoseconds < 0) {
        return Err("ExecutorInfo's 'shutdown_grace_period' must be non-negative".to_owned());
    }
    check_resources(&executor.resources)
}

/// Whether each variable has exactly the kind of value that it says.
pub(crate) fn check_environment(command: &CommandInfo) -> Result<(), String> {
    let variables = command.environment.iter().flat_map(|environment| &environment.variables);
    variables.into_iter().try_for_each(|variable| {
        let (kind, wanted, other) = match variable.r#type() {
            VariableType::Secret => {
                ("SECRET", ("secret", variable.secret.is_some()), ("value", variable.value.is_some()))
            }
            VariableType::Value => {
                ("VALUE", ("value", variable.value.is_some()), ("secret", variable.secret.is_some()))
            }
            VariableType::Unknown => {
                return Err("Environment variable of type 'UNKNOWN' is not allowed".to_owned());
            }
        };
        let about = format!("Environment variable '{}' of type '{kind}'", variable.name);
        match (wanted, other) {
            ((name, false), _) => Err(format!("{about} must have a {name} set")),
            (_, (name, true)) => Err(format!("{about} must not have a {name} set")),
            _ => Ok(()),
        }
    })
}

/// Whether each resource has a sensible value. Zero is let through, as Apache Mesos does.
pub(crate) fn check_resources(resources: &[Resource]) -> Result<(), String> {
    resources.iter().try_for_each(|resource| {
        let invalid = |problem: &str| {
            Err(format!("Resource '{}' is invalid: {problem}", super::pool::describe(resource)))
        };
        match ValueType::try_from(resource.r#type) {
            Ok(ValueType::Scalar) => match &resource.scalar {
                Some(scalar) if !scalar.value.is_finite() => {
                    invalid("Invalid scalar resource: value is not finite")
                }
                Some(scalar) if rounds_to_nothing(scalar.value) => {
                    invalid("Invalid scalar resource: value <= 0")
                }
                Some(_) => Ok(()),
                None => invalid("Invalid scalar resource"),
            },
            Ok(ValueType::Ranges) => match &resource.ranges {
                Some(ranges) if ranges.range.iter().any(|range| range.begin > range.end) => {
                    invalid("Invalid ranges resource: begin is greater than end")
                }
                Some(_) => Ok(()),
                None => invalid("Invalid ranges resource"),
            },
            Ok(ValueType::Set) if resource.set.is_some() => Ok(()),
            _ => invalid("Unsupported resource type"),
        }
    })
}

/// Negative, or so small that three decimals do not show it. A plain zero is not meant: see above.
fn rounds_to_nothing(value: f64) -> bool {
    value < 0.0 || (value > 0.0 && (value * 1000.0).round() < 1.0)
}

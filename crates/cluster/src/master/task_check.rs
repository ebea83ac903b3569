//! Whether a task that a framework wants to launch makes sense. The texts are those that Apache Mesos gives.

use cairn_mesos::v1::environment::variable::Type as VariableType;
use cairn_mesos::v1::executor_info::Type as ExecutorType;
use cairn_mesos::v1::value::Type as ValueType;
use cairn_mesos::v1::{CommandInfo, ExecutorInfo, Resource, TaskInfo};

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
        check_environment(command)?;
    }
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
        check_environment(command)?;
    }
    let grace = executor.shutdown_grace_period.as_ref();
    if grace.is_some_and(|grace| grace.nanoseconds < 0) {
        return Err("ExecutorInfo's 'shutdown_grace_period' must be non-negative".to_owned());
    }
    check_resources(&executor.resources)
}

/// Whether each variable has exactly the kind of value that it says.
fn check_environment(command: &CommandInfo) -> Result<(), String> {
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

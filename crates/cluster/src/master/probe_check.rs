//! Whether the checks that a task wants make sense. The texts are those that Apache Mesos gives.

use cairn_mesos::v1::{CheckInfo, CommandInfo, HealthCheck, TaskInfo, check_info, health_check};

use super::task_check::check_environment;

/// Both checks that a task may have.
///
/// # Errors
/// What is wrong with one of them.
pub(crate) fn check(task: &TaskInfo) -> Result<(), String> {
    let plain = task.check.as_ref().map_or(Ok(()), check_plain);
    plain.map_err(|problem| format!("Task uses invalid check: {problem}"))?;
    let health = task.health_check.as_ref().map_or(Ok(()), check_health);
    health.map_err(|problem| format!("Task uses invalid health check: {problem}"))
}

fn check_plain(check: &CheckInfo) -> Result<(), String> {
    use check_info::Type;
    if check.r#type.is_none() {
        return Err("CheckInfo must specify 'type'".to_owned());
    }
    match check.r#type() {
        Type::Unknown => return Err("'UNKNOWN' is not a valid check type".to_owned()),
        Type::Command => {
            let asked = check.command.as_ref().ok_or_else(|| missing("command", "COMMAND check"))?;
            check_command(&asked.command, "Command check", "Check's")?;
        }
        Type::Http => {
            let asked = check.http.as_ref().ok_or_else(|| missing("http", "HTTP check"))?;
            check_path(asked.path.as_deref(), "HTTP check")?;
        }
        Type::Tcp => {
            check.tcp.as_ref().ok_or_else(|| missing("tcp", "TCP check"))?;
        }
    }
    check_times(&[
        ("delay_seconds", check.delay_seconds),
        ("interval_seconds", check.interval_seconds),
        ("timeout_seconds", check.timeout_seconds),
    ])
}

/// One that names no type is let through, as by Apache Mesos 1.11: nothing is asked then.
fn check_health(check: &HealthCheck) -> Result<(), String> {
    use health_check::Type;
    match check.r#type() {
        Type::Unknown if check.r#type.is_none() => {}
        Type::Unknown => return Err("'UNKNOWN' is not a valid health check type".to_owned()),
        Type::Command => {
            let command = check.command.as_ref().ok_or_else(|| missing("command", "COMMAND health check"))?;
            check_command(command, "Command health check", "Health check's")?;
        }
        Type::Http => {
            let asked = check.http.as_ref().ok_or_else(|| missing("http", "HTTP health check"))?;
            match asked.scheme.as_deref() {
                None | Some("http" | "https") => {}
                Some(other) => return Err(format!("Unsupported HTTP health check scheme: '{other}'")),
            }
            check_path(asked.path.as_deref(), "HTTP health check")?;
        }
        Type::Tcp => {
            check.tcp.as_ref().ok_or_else(|| missing("tcp", "TCP health check"))?;
        }
    }
    check_times(&[
        ("delay_seconds", check.delay_seconds),
        ("grace_period_seconds", check.grace_period_seconds),
        ("interval_seconds", check.interval_seconds),
        ("timeout_seconds", check.timeout_seconds),
    ])
}

fn missing(name: &str, kind: &str) -> String {
    format!("Expecting '{name}' to be set for {kind}")
}

fn check_command(command: &CommandInfo, kind: &str, whose: &str) -> Result<(), String> {
    if command.value.is_none() {
        let wanted = if command.shell.unwrap_or(true) { "'shell command'" } else { "'executable path'" };
        return Err(format!("{kind} must contain {wanted}"));
    }
    check_environment(command).map_err(|problem| format!("{whose} `CommandInfo` is invalid: {problem}"))
}

fn check_path(path: Option<&str>, kind: &str) -> Result<(), String> {
    match path.filter(|path| !path.starts_with('/')) {
        Some(path) => Err(format!("The path '{path}' of {kind} must start with '/'")),
        None => Ok(()),
    }
}

fn check_times(times: &[(&str, Option<f64>)]) -> Result<(), String> {
    match times.iter().find(|(_, time)| time.is_some_and(|time| time < 0.0)) {
        Some((name, _)) => Err(format!("Expecting '{name}' to be non-negative")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn checked(field: &str, value: Value) -> Result<(), String> {
        let mut task = json!({"name": "t", "task_id": {"value": "t"}, "agent_id": {"value": "a"}});
        task[field] = value;
        check(&serde_json::from_value(task).unwrap())
    }

    #[test]
    fn checks_say_what_they_check() {
        let refused = |check: Value| checked("check", check).unwrap_err();
        let about = |problem: &str| format!("Task uses invalid check: {problem}");
        assert_eq!(refused(json!({})), about("CheckInfo must specify 'type'"));
        assert_eq!(refused(json!({"type": "UNKNOWN"})), about("'UNKNOWN' is not a valid check type"));
        assert_eq!(
            refused(json!({"type": "TCP", "http": {"port": 1}})),
            about("Expecting 'tcp' to be set for TCP check")
        );
        assert_eq!(
            refused(json!({"type": "HTTP", "http": {"port": 1, "path": "x"}})),
            about("The path 'x' of HTTP check must start with '/'")
        );
        assert_eq!(
            refused(json!({"type": "COMMAND", "command": {"command": {}}})),
            about("Command check must contain 'shell command'")
        );
        let fine =
            json!({"type": "COMMAND", "command": {"command": {"value": "true"}}, "delay_seconds": 0.0});
        assert_eq!(checked("check", fine.clone()), Ok(()));
        let mut early = fine;
        early["delay_seconds"] = json!(-1.0);
        assert_eq!(refused(early), about("Expecting 'delay_seconds' to be non-negative"));
    }

    #[test]
    fn health_checks_say_what_they_check() {
        let refused = |check: Value| checked("health_check", check).unwrap_err();
        let about = |problem: &str| format!("Task uses invalid health check: {problem}");
        assert_eq!(checked("health_check", json!({"http": {"port": 31000}})), Ok(()));
        assert_eq!(
            refused(json!({"type": "HTTP"})),
            about("Expecting 'http' to be set for HTTP health check")
        );
        assert_eq!(
            refused(json!({"type": "HTTP", "http": {"port": 1, "scheme": "ftp"}})),
            about("Unsupported HTTP health check scheme: 'ftp'")
        );
        let command =
            |command: Value| json!({"type": "COMMAND", "command": command, "grace_period_seconds": -0.5});
        assert_eq!(
            refused(command(json!({"shell": false}))),
            about("Command health check must contain 'executable path'")
        );
        assert_eq!(
            refused(command(json!({"value": "true", "environment": {"variables": [{"name": "A"}]}}))),
            about(
                "Health check's `CommandInfo` is invalid: Environment variable 'A' of type 'VALUE' must have a value set"
            )
        );
        assert_eq!(
            refused(command(json!({"value": "true"}))),
            about("Expecting 'grace_period_seconds' to be non-negative")
        );
    }
}

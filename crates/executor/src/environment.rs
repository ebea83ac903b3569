//! What the agent tells an executor through its environment.

use std::path::PathBuf;
use std::time::Duration;

/// A variable that is missing or cannot be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EnvironmentError {
    /// The executor was not started by an agent.
    #[error("{0} is not set: the executor is started by a Mesos agent, not by hand")]
    Missing(&'static str),
    /// The value has another form than agents write.
    #[error("{name} is {value:?}, which is not a duration such as 15mins, 2secs or 250ms")]
    NotADuration {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
    },
}

/// The `MESOS_*` variables, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Environment {
    pub(crate) framework_id: String,
    pub(crate) executor_id: String,
    /// `host:port` of the agent.
    pub(crate) agent_endpoint: String,
    /// Absolute path of the sandbox, which is also the working directory.
    pub(crate) sandbox: PathBuf,
    /// How long to wait for an agent that went away; none when the framework does not checkpoint, and then the
    /// executor ends as soon as the agent is gone.
    pub(crate) recovery_timeout: Option<Duration>,
    /// Longest pause between two attempts to reach the agent.
    pub(crate) backoff_max: Duration,
    /// How long the agent waits for the executor to end once it is told to shut down.
    pub(crate) shutdown_grace: Duration,
    /// Token to present to the agent, if it wants one.
    pub(crate) token: Option<String>,
}

impl Environment {
    /// Reads the variables through `get`.
    pub(crate) fn read(get: impl Fn(&'static str) -> Option<String>) -> Result<Self, EnvironmentError> {
        let need = |name| get(name).filter(|v| !v.is_empty()).ok_or(EnvironmentError::Missing(name));
        let duration = |name: &'static str, default: Duration| match get(name) {
            None => Ok(default),
            Some(value) => parse_duration(&value).ok_or(EnvironmentError::NotADuration { name, value }),
        };
        let checkpoint = get("MESOS_CHECKPOINT").as_deref() == Some("1");
        let recovery = duration("MESOS_RECOVERY_TIMEOUT", Duration::from_secs(15 * 60))?;
        let sandbox = need("MESOS_SANDBOX").or_else(|_| need("MESOS_DIRECTORY"))?;
        Ok(Self {
            framework_id: need("MESOS_FRAMEWORK_ID")?,
            executor_id: need("MESOS_EXECUTOR_ID")?,
            agent_endpoint: need("MESOS_AGENT_ENDPOINT")?,
            sandbox: PathBuf::from(sandbox),
            recovery_timeout: checkpoint.then_some(recovery),
            backoff_max: duration("MESOS_SUBSCRIPTION_BACKOFF_MAX", Duration::from_secs(2))?,
            shutdown_grace: duration("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", Duration::from_secs(5))?,
            token: get("MESOS_EXECUTOR_AUTHENTICATION_TOKEN"),
        })
    }

    /// The host part of the agent's endpoint.
    pub(crate) fn agent_host(&self) -> &str {
        self.agent_endpoint.rsplit_once(':').map_or(self.agent_endpoint.as_str(), |(host, _)| host)
    }
}

/// Parses a duration as libprocess writes it: a number and one of `ns us ms secs mins hrs days weeks`.
fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let number: f64 = number.trim().parse().ok()?;
    let seconds = match unit {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "secs" => 1.0,
        "mins" => 60.0,
        "hrs" => 3_600.0,
        "days" => 86_400.0,
        "weeks" => 604_800.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(name: &'static str) -> Option<String> {
        let value = match name {
            "MESOS_FRAMEWORK_ID" => "f",
            "MESOS_EXECUTOR_ID" => "e",
            "MESOS_AGENT_ENDPOINT" => "127.0.0.2:5051",
            "MESOS_SANDBOX" => "/s",
            "MESOS_CHECKPOINT" => "1",
            "MESOS_RECOVERY_TIMEOUT" => "15mins",
            "MESOS_SUBSCRIPTION_BACKOFF_MAX" => "250ms",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn reads_what_an_agent_sets() {
        let env = Environment::read(get).unwrap();
        assert_eq!(env.agent_host(), "127.0.0.2");
        assert_eq!(env.recovery_timeout, Some(Duration::from_secs(900)));
        assert_eq!(env.backoff_max, Duration::from_millis(250));
        assert_eq!(env.shutdown_grace, Duration::from_secs(5));
    }

    #[test]
    fn without_checkpointing_nobody_waits_for_a_lost_agent() {
        let env =
            Environment::read(|n| if n == "MESOS_CHECKPOINT" { Some("0".into()) } else { get(n) }).unwrap();
        assert_eq!(env.recovery_timeout, None);
    }

    #[test]
    fn a_missing_variable_is_named() {
        let error = Environment::read(|n| (n != "MESOS_FRAMEWORK_ID").then(|| get(n)).flatten()).unwrap_err();
        assert_eq!(error, EnvironmentError::Missing("MESOS_FRAMEWORK_ID"));
    }

    #[test]
    fn durations_as_libprocess_writes_them() {
        assert_eq!(parse_duration("2secs"), Some(Duration::from_secs(2)));
        assert_eq!(parse_duration("1.5mins"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("2 parsecs"), None);
        assert_eq!(parse_duration("-2secs"), None);
    }
}

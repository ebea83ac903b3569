//! What an agent tells an executor through its environment.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use super::access::{Access, AccessError, Credentials};
use super::authorities::Authorities;
use super::masters::parse_address;
use super::parse_duration;
use crate::v1::{AgentId, ExecutorId, FrameworkId};

/// The variable with an executor's token. It is for the executor alone, not for what it starts.
pub const EXECUTOR_TOKEN: &str = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN";

/// A variable that is not there or cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name}: {reason}; executors are started by a Mesos agent, which sets it")]
pub struct EnvironmentError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

/// An executor's place in the world.
#[derive(Debug, Clone)]
pub struct ExecutorEnvironment {
    /// Where the agent listens (`MESOS_AGENT_ENDPOINT`).
    pub agent: Url,
    /// `MESOS_FRAMEWORK_ID`.
    pub framework_id: FrameworkId,
    /// `MESOS_EXECUTOR_ID`.
    pub executor_id: ExecutorId,
    /// `MESOS_SLAVE_ID`, which not every agent sets.
    pub agent_id: Option<AgentId>,
    /// The working directory (`MESOS_SANDBOX`, or else `MESOS_DIRECTORY`).
    pub sandbox: Option<PathBuf>,
    /// Whether the framework checkpoints, so that executors outlive a restart of the agent (`MESOS_CHECKPOINT`).
    pub checkpoint: bool,
    /// How long to try to reach a restarted agent (`MESOS_RECOVERY_TIMEOUT`; 15 min when unset).
    pub recovery_timeout: Duration,
    /// The longest wait between attempts to subscribe (`MESOS_SUBSCRIPTION_BACKOFF_MAX`; 2 s when unset).
    pub subscription_backoff_max: Duration,
    /// How long the agent waits after SHUTDOWN before it kills (`MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD`; 5 s when unset).
    pub shutdown_grace_period: Duration,
    /// Whose certificates prove who the agent is, where it speaks TLS (`LIBPROCESS_SSL_CA_FILE`).
    pub authorities: Option<PathBuf>,
    /// The token for agents that ask for one ([`EXECUTOR_TOKEN`]).
    pub token: Option<Credentials>,
}

impl ExecutorEnvironment {
    /// From the environment of this process.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn from_process() -> Result<Self, EnvironmentError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// From any environment.
    ///
    /// # Errors
    /// Which variable is missing, or says what cannot be.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        let present = |name: &str| variable(name).filter(|value| !value.is_empty());
        let required = |name: &'static str| {
            present(name).ok_or_else(|| EnvironmentError { name, reason: "is not set".to_owned() })
        };
        let duration = |name: &'static str, default: Duration| match present(name) {
            None => Ok(default),
            Some(text) => parse_duration(&text).ok_or_else(|| {
                let reason = format!("{text:?} is no duration such as 15mins, 2secs or 250ms");
                EnvironmentError { name, reason }
            }),
        };
        let on = |name: &str| present(name).is_some_and(|value| value == "1" || value == "true");

        let endpoint = required("MESOS_AGENT_ENDPOINT")?;
        let secure = on("LIBPROCESS_SSL_ENABLED");
        let scheme = if secure { "https" } else { "http" };
        let agent = parse_address(&format!("{scheme}://{endpoint}"))
            .map_err(|error| EnvironmentError { name: "MESOS_AGENT_ENDPOINT", reason: error.to_string() })?;
        Ok(Self {
            agent,
            framework_id: FrameworkId { value: required("MESOS_FRAMEWORK_ID")? },
            executor_id: ExecutorId { value: required("MESOS_EXECUTOR_ID")? },
            agent_id: present("MESOS_SLAVE_ID").map(|value| AgentId { value }),
            sandbox: present("MESOS_SANDBOX").or_else(|| present("MESOS_DIRECTORY")).map(PathBuf::from),
            checkpoint: on("MESOS_CHECKPOINT"),
            recovery_timeout: duration("MESOS_RECOVERY_TIMEOUT", Duration::from_secs(900))?,
            subscription_backoff_max: duration("MESOS_SUBSCRIPTION_BACKOFF_MAX", Duration::from_secs(2))?,
            shutdown_grace_period: duration("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", Duration::from_secs(5))?,
            authorities: present("LIBPROCESS_SSL_CA_FILE").filter(|_| secure).map(PathBuf::from),
            token: present(EXECUTOR_TOKEN).map(Credentials::Bearer),
        })
    }

    /// How the executor comes to its agent.
    ///
    /// # Errors
    /// The file with the authorities cannot be used.
    pub fn access(&self) -> Result<Access, AccessError> {
        let authorities = self.authorities.as_deref().map(Authorities::load).transpose()?;
        Ok(Access { credentials: self.token.clone(), authorities })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ExecutorEnvironment, EnvironmentError> {
        ExecutorEnvironment::read(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    const LEAST: [(&str, &str); 3] = [
        ("MESOS_AGENT_ENDPOINT", "127.0.0.1:5051"),
        ("MESOS_FRAMEWORK_ID", "f-1"),
        ("MESOS_EXECUTOR_ID", "e1"),
    ];

    #[test]
    fn what_an_agent_sets_is_understood() {
        let mut pairs = LEAST.to_vec();
        pairs.extend([
            ("MESOS_CHECKPOINT", "1"),
            ("MESOS_RECOVERY_TIMEOUT", "15mins"),
            ("MESOS_SUBSCRIPTION_BACKOFF_MAX", "250ms"),
            ("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "3secs"),
            ("MESOS_DIRECTORY", "/sandbox"),
        ]);
        let environment = read(&pairs).unwrap();
        assert_eq!(environment.agent.as_str(), "http://127.0.0.1:5051/");
        assert!(environment.checkpoint);
        assert_eq!(environment.recovery_timeout, Duration::from_secs(900));
        assert_eq!(environment.subscription_backoff_max, Duration::from_millis(250));
        assert_eq!(environment.shutdown_grace_period, Duration::from_secs(3));
        assert_eq!(environment.sandbox, Some(PathBuf::from("/sandbox")));
    }

    #[test]
    fn an_agent_that_speaks_tls_says_so() {
        let mut pairs = LEAST.to_vec();
        pairs.push(("LIBPROCESS_SSL_CA_FILE", "/ca.pem"));
        let environment = read(&pairs).unwrap();
        assert_eq!((environment.agent.scheme(), environment.authorities), ("http", None));
        pairs.push(("LIBPROCESS_SSL_ENABLED", "true"));
        let environment = read(&pairs).unwrap();
        assert_eq!(environment.agent.scheme(), "https");
        assert_eq!(environment.authorities, Some(PathBuf::from("/ca.pem")));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        assert_eq!(read(&LEAST[1..]).unwrap_err().name, "MESOS_AGENT_ENDPOINT");
        let mut pairs = LEAST.to_vec();
        pairs.push(("MESOS_RECOVERY_TIMEOUT", "soon"));
        assert_eq!(read(&pairs).unwrap_err().name, "MESOS_RECOVERY_TIMEOUT");
    }
}

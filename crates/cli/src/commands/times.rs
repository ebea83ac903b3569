//! How long masters and agents wait for what: the options of Apache Mesos, by its names, where it has the same.

use cairn_cluster::ClusterOptions;
use cairn_cluster::{agent, master};
use cairn_units::Duration;

/// What a master waits for.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct MasterTimes {
    /// How long an agent may be away before its tasks count as unreachable
    #[arg(long, value_name = "TIME", default_value = "75s")]
    agent_timeout: Duration,
    /// How long agents that an earlier master knew have to come back
    #[arg(long, value_name = "TIME", default_value = "60s")]
    agent_reregister_timeout: Duration,
    /// How long a framework may hold an offer; 0s for ever
    #[arg(long, value_name = "TIME", default_value = "60s")]
    offer_timeout: Duration,
}

impl MasterTimes {
    pub(crate) fn put_into(&self, times: &mut master::Timeouts) {
        times.agent = self.agent_timeout.into();
        times.agent_recovery = self.agent_reregister_timeout.into();
        times.offer = Some(self.offer_timeout.into()).filter(|time: &std::time::Duration| !time.is_zero());
    }
}

/// What an agent and its executors wait for.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ExecutorTimes {
    /// How long an executor may take from its start to its subscription
    #[arg(long, value_name = "TIME", default_value = "1m")]
    executor_registration_timeout: Duration,
    /// How long executors have to come back to an agent that was away
    #[arg(long, value_name = "TIME", default_value = "15s")]
    executor_reregistration_timeout: Duration,
    /// How long an executor may take to end when it is told to, unless it asks for another time itself
    #[arg(long, value_name = "TIME", default_value = "5s")]
    executor_shutdown_grace_period: Duration,
    /// How long executors go on without their agent; by Mesos 15m [default: a year]
    #[arg(long, value_name = "TIME")]
    recovery_timeout: Option<Duration>,
}

impl ExecutorTimes {
    pub(crate) fn timeouts(&self) -> agent::Timeouts {
        agent::Timeouts {
            registration: self.executor_registration_timeout.into(),
            reregistration: self.executor_reregistration_timeout.into(),
            shutdown_grace: self.executor_shutdown_grace_period.into(),
            recovery: self.recovery_timeout.map_or(ClusterOptions::EXECUTOR_PATIENCE, Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct All {
        #[command(flatten)]
        master: MasterTimes,
        #[command(flatten)]
        executors: ExecutorTimes,
    }

    fn times(args: &[&str]) -> (master::Timeouts, agent::Timeouts) {
        let all = All::try_parse_from([&["x"][..], args].concat()).unwrap();
        let mut times = ClusterOptions::new(([127, 0, 0, 1], 0).into(), 1, "w".into(), "").master_timeouts;
        all.master.put_into(&mut times);
        (times, all.executors.timeouts())
    }

    /// What is said as the default is what a cluster does that is told nothing.
    #[test]
    fn defaults_are_those_of_the_cluster() {
        let usual = ClusterOptions::new(([127, 0, 0, 1], 0).into(), 1, "w".into(), "");
        assert_eq!(times(&[]), (usual.master_timeouts, usual.agent_timeouts));
    }

    #[test]
    fn times_can_be_set() {
        let (master, agents) =
            times(&["--agent-timeout", "4s", "--offer-timeout", "0s", "--recovery-timeout", "15m"]);
        assert_eq!((master.agent.as_secs(), master.offer), (4, None));
        assert_eq!(agents.recovery.as_secs(), 900);
    }
}

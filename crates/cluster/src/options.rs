//! How a cluster is set up.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use cairn_mesos::resources::{ResourceError, Resources, parse_attributes};
use cairn_mesos::v1::domain_info::FaultDomain;
use cairn_mesos::v1::domain_info::fault_domain::{RegionInfo, ZoneInfo};
use cairn_mesos::v1::{Attribute, DomainInfo, Resource};

use crate::agent;
use crate::master;
use crate::security::{Acls, Credentials, Exposed, Key, Tls, Trust, exposure};

/// The most agents one cluster may have: each needs a loopback address of its own.
pub const MAX_AGENTS: u8 = 250;

/// The ports an agent offers when its resources do not say.
const DEFAULT_PORTS: &str = "ports:[31000-32000]";

/// A master and its agents on one machine.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Where the master listens.
    pub listen: SocketAddr,
    /// How many agents there are in its process; others may come as processes of their own.
    pub agents: u8,
    /// Address of the first agent; the others have those that follow. Two clusters on one machine need addresses of
    /// their own, since services keep their ports.
    pub first_address: Ipv4Addr,
    /// Where everything is kept: the registry, sandboxes, volumes, the cache of the fetcher.
    pub work_dir: PathBuf,
    /// What each agent has, for example `cpus:4;mem:8192;disk:40960;ports:[31000-31999]`: one text for all, or one for
    /// each.
    pub resources: Vec<String>,
    /// What agents say of themselves, for example `rack:r1`: nothing, one text for all, or one for each.
    pub attributes: Vec<String>,
    /// Where agents are, as `REGION/ZONE`: nothing, one text for all, or one for each; an empty one says nothing.
    pub domains: Vec<String>,
    /// Where the master is, as `REGION/ZONE`.
    pub master_domain: Option<String>,
    /// Who may use the APIs of master and agents: needed, as is `tls`, unless the master listens on a loopback address.
    pub credentials: Option<Credentials>,
    /// What principals may do.
    pub acls: Option<Acls>,
    /// What the tokens of executors are signed with. Without it agents make one of their own where they have credentials, and
    /// ask for no tokens elsewhere.
    pub executor_secret: Option<Key>,
    /// Whether agents let in executors that show no token all the same.
    pub anonymous_executors: bool,
    /// What master and agents show clients that come by TLS; without it they are spoken to without.
    pub tls: Option<Tls>,
    /// Whose certificates executors and the fetcher believe: executors nobody else's, the fetcher the system's too. Without it
    /// both believe those whom the system trusts.
    pub trust: Option<Trust>,
    /// How long the master waits for what.
    pub master_timeouts: master::Timeouts,
    /// How long agents wait for what.
    pub agent_timeouts: agent::Timeouts,
    /// What sets containers apart.
    pub containment: agent::Containment,
    /// What becomes of what containers leave and say.
    pub housekeeping: agent::Housekeeping,
}

impl ClusterOptions {
    /// How long executors go on without their agent: a year.
    pub const EXECUTOR_PATIENCE: Duration = Duration::from_secs(52 * 7 * 24 * 3_600);

    /// A cluster with the usual timeouts.
    pub fn new(listen: SocketAddr, agents: u8, work_dir: PathBuf, resources: impl Into<String>) -> Self {
        Self {
            listen,
            agents,
            first_address: Ipv4Addr::LOCALHOST,
            work_dir,
            resources: vec![resources.into()],
            attributes: Vec::new(),
            domains: Vec::new(),
            master_domain: None,
            credentials: None,
            acls: None,
            executor_secret: None,
            anonymous_executors: false,
            tls: None,
            trust: None,
            // Local agents are back within moments; one that is not was left out.
            master_timeouts: master::Timeouts {
                agent_recovery: Duration::from_secs(60),
                ..master::Timeouts::default()
            },
            // Stopping the cluster must not stop what runs on it, however long it is away: master, agents and machine
            // are one here, so an agent that does not answer is being upgraded, not lost. Mesos gives up after 15 min.
            agent_timeouts: agent::Timeouts {
                recovery: Self::EXECUTOR_PATIENCE,
                ..agent::Timeouts::default()
            },
            containment: agent::Containment::default(),
            housekeeping: agent::Housekeeping::default(),
        }
    }
}

/// Options that make no sense.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// Too many agents.
    #[error("a cluster has at most {MAX_AGENTS} agents, not {0}")]
    Agents(u8),
    /// Agents would be reachable from elsewhere, or nowhere.
    #[error(
        "--first-address {first}: {agents} agents need loopback addresses (127.0.0.0/8), and the last would be {last}"
    )]
    Address {
        /// Address of the first agent.
        first: Ipv4Addr,
        /// How many agents there are.
        agents: u8,
        /// Address of the last.
        last: Ipv4Addr,
    },
    /// The resources cannot be read.
    #[error("--resources: {0}")]
    Resources(ResourceError),
    /// The attributes cannot be read.
    #[error("--attributes: {0}")]
    Attributes(ResourceError),
    /// The cluster could be used or overheard from elsewhere.
    #[error("--listen {0}")]
    Open(#[from] Exposed),
    /// A domain is not two names.
    #[error("a domain is written as REGION/ZONE, which `{0}` is not")]
    Domain(String),
    /// Neither none nor one nor one for each agent.
    #[error("{option} is given {given} times for {agents} agents; give it once, or once for each agent")]
    Count {
        /// Which option.
        option: &'static str,
        /// How often it was given.
        given: usize,
        /// How many agents there are.
        agents: u8,
    },
}

/// What has been checked for one agent.
#[derive(Debug, Clone)]
pub(crate) struct AgentPlan {
    /// From 1.
    pub(crate) number: u8,
    pub(crate) address: IpAddr,
    pub(crate) resources: Vec<Resource>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) domain: Option<DomainInfo>,
}

/// One plan for each agent.
pub(crate) fn plan(options: &ClusterOptions) -> Result<Vec<AgentPlan>, OptionsError> {
    if options.agents > MAX_AGENTS {
        return Err(OptionsError::Agents(options.agents));
    }
    exposure::check(options.listen, options.credentials.is_some(), options.tls.is_some())?;
    let address = |number: u8| {
        let first = options.first_address.to_bits();
        Ipv4Addr::from_bits(first.saturating_add(u32::from(number).saturating_sub(1)))
    };
    let (first, last) = (options.first_address, address(options.agents));
    if !first.is_loopback() || !last.is_loopback() {
        return Err(OptionsError::Address { first, agents: options.agents, last });
    }
    (1..=options.agents)
        .map(|number| {
            let own = |option, texts| own(option, texts, number, options.agents);
            let attributes = own("--attributes", &options.attributes)?.unwrap_or_default();
            Ok(AgentPlan {
                number,
                address: IpAddr::V4(address(number)),
                resources: agent_resources(own("--resources", &options.resources)?.unwrap_or_default())
                    .map_err(OptionsError::Resources)?,
                attributes: parse_attributes(attributes).map_err(OptionsError::Attributes)?,
                domain: own("--domain", &options.domains)?
                    .filter(|text| !text.is_empty())
                    .map(domain)
                    .transpose()?,
            })
        })
        .collect()
}

/// The text that is for one agent.
fn own<'a>(
    option: &'static str,
    texts: &'a [String],
    number: u8,
    agents: u8,
) -> Result<Option<&'a str>, OptionsError> {
    let index = match texts.len() {
        0 | 1 => 0,
        given if given == usize::from(agents) => usize::from(number) - 1,
        given => return Err(OptionsError::Count { option, given, agents }),
    };
    Ok(texts.get(index).map(String::as_str))
}

/// A domain from `REGION/ZONE`.
pub(crate) fn domain(text: &str) -> Result<DomainInfo, OptionsError> {
    let names = text.split_once('/').filter(|(region, zone)| !region.is_empty() && !zone.is_empty());
    let (region, zone) = names.ok_or_else(|| OptionsError::Domain(text.to_owned()))?;
    let region = RegionInfo { name: region.to_owned() };
    Ok(DomainInfo { fault_domain: Some(FaultDomain { region, zone: ZoneInfo { name: zone.to_owned() } }) })
}

/// The resources of an agent from their text; it has ports even where the text does not say so.
///
/// # Errors
/// The text cannot be read.
pub fn agent_resources(text: &str) -> Result<Vec<Resource>, ResourceError> {
    let mut resources: Resources = text.parse()?;
    if resources.total_ports().is_empty() {
        resources += DEFAULT_PORTS.parse::<Resources>()?;
    }
    Ok(resources.to_vec())
}

/// The attributes of an agent from their text.
///
/// # Errors
/// The text cannot be read.
pub fn agent_attributes(text: &str) -> Result<Vec<Attribute>, ResourceError> {
    parse_attributes(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(first: [u8; 4], agents: u8) -> ClusterOptions {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        ClusterOptions {
            first_address: first.into(),
            ..ClusterOptions::new(listen, agents, "w".into(), "cpus:1")
        }
    }

    #[test]
    fn agents_have_addresses_in_a_row() {
        let plans = plan(&options([127, 0, 7, 254], 3)).unwrap();
        let addresses: Vec<String> = plans.iter().map(|p| p.address.to_string()).collect();
        assert_eq!(addresses, ["127.0.7.254", "127.0.7.255", "127.0.8.0"]);
    }

    #[test]
    fn a_cluster_that_others_reach_needs_credentials_and_a_certificate() {
        let open =
            ClusterOptions { listen: SocketAddr::from(([0, 0, 0, 0], 0)), ..options([127, 0, 0, 1], 1) };
        let error = plan(&open).unwrap_err().to_string();
        assert!(error.contains("--credentials"), "{error}");
        let credentials = Some(Credentials::parse("p s").unwrap());
        let error = plan(&ClusterOptions { credentials, ..open }).unwrap_err().to_string();
        assert!(error.contains("--tls-cert"), "{error}");
    }

    #[test]
    fn agents_are_never_reachable_from_elsewhere() {
        for first in [[10, 0, 0, 1], [127, 255, 255, 254], [255, 255, 255, 255]] {
            let error = plan(&options(first, 3)).unwrap_err().to_string();
            assert!(error.contains("3 agents need loopback addresses"), "{error}");
        }
    }
}

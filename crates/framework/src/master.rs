//! The master, as schedulers are told of it.

use cairn_mesos::client::{Access, AgentClient, ClientError, Masters, OperatorClient, Options};

/// Who schedulers are to a master that does not ask.
const PRINCIPAL: &str = "cairn";

/// Where the master is, and how one comes to it and its agents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Master {
    /// `host:port` or a URL, several separated by commas, or `zk://host:port,host:port/path`.
    pub address: String,
    /// How one comes there.
    pub access: Access,
}

impl Master {
    /// Who its frameworks are, and who has made their reservations. Mesos does not let a framework change that.
    pub fn principal(&self) -> &str {
        self.access.principal().unwrap_or(PRINCIPAL)
    }

    /// # Errors
    /// The address makes no sense.
    pub(crate) fn masters(&self) -> Result<Masters, ClientError> {
        self.address.parse()
    }

    pub(crate) fn options(&self) -> Options {
        Options { access: self.access.clone(), ..Options::default() }
    }

    /// Who asks it.
    ///
    /// # Errors
    /// The address makes no sense.
    pub(crate) fn operator(&self) -> Result<OperatorClient, ClientError> {
        OperatorClient::new(self.masters()?, self.options())
    }

    /// Who asks one of its agents, which is at `host:port`.
    ///
    /// # Errors
    /// The address makes no sense.
    pub(crate) fn agent(&self, address: &str) -> Result<AgentClient, ClientError> {
        let scheme = if self.speaks_tls() { "https" } else { "http" };
        AgentClient::new(&format!("{scheme}://{address}"), self.options())
    }

    /// Agents do not say whether they do; they do as their master does.
    fn speaks_tls(&self) -> bool {
        self.access.authorities.is_some() || self.address.starts_with("https://")
    }
}

/// One that does not ask who comes.
impl From<String> for Master {
    fn from(address: String) -> Self {
        Self { address, access: Access::default() }
    }
}

impl From<&str> for Master {
    fn from(address: &str) -> Self {
        Self::from(address.to_owned())
    }
}

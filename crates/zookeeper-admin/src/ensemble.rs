//! How servers are, asked from themselves.

use std::collections::BTreeMap;

use crate::fourletter::{self, Mode, Monitor, ask};
use crate::members::{Members, ServerId};

/// What a server that serves says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its part.
    pub mode: Mode,
    /// The last change it knows.
    pub zxid: String,
    /// What it says of its followers.
    pub monitor: Monitor,
    /// The membership it knows.
    pub members: Members,
}

impl Report {
    /// Asks the server at `host:port`.
    ///
    /// # Errors
    /// Why it does not serve.
    pub async fn of(endpoint: &str) -> Result<Self, String> {
        let text = |word| async move { ask(endpoint, word).await.map_err(|e| e.to_string()) };
        let silent = || "it is not serving: no quorum, or still starting".to_owned();
        let (mode, zxid) = fourletter::srvr(&text("srvr").await?).ok_or_else(silent)?;
        let monitor = fourletter::mntr(&text("mntr").await?);
        let members = Members::parse(&text("conf").await?).ok_or_else(silent)?;
        Ok(Self { mode, zxid, monitor, members })
    }
}

/// What all servers say, or why they do not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ensemble {
    /// By id.
    pub servers: BTreeMap<ServerId, Result<Report, String>>,
}

impl Ensemble {
    /// What a server says, if it serves.
    pub fn report(&self, id: ServerId) -> Option<&Report> {
        self.servers.get(&id)?.as_ref().ok()
    }

    /// Servers that serve.
    pub fn serving(&self) -> impl Iterator<Item = (ServerId, &Report)> {
        self.servers.iter().filter_map(|(id, report)| Some((*id, report.as_ref().ok()?)))
    }

    /// The server that leads.
    pub fn leader(&self) -> Option<(ServerId, &Report)> {
        self.serving().find(|(_, r)| matches!(r.mode, Mode::Leader | Mode::Standalone))
    }

    /// Newest membership that a serving server knows.
    pub fn members(&self) -> Option<&Members> {
        self.serving().map(|(_, r)| &r.members).max_by_key(|m| m.version)
    }

    /// Servers that vote, whether they serve or not.
    pub fn voters(&self) -> Vec<ServerId> {
        self.members().map(|m| m.voters().collect()).unwrap_or_default()
    }
}

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

    /// All members connected and in step, apart from `except`: the membership and the leader.
    ///
    /// # Errors
    /// What is not well.
    pub fn in_step(&self, except: Option<ServerId>) -> Result<(&Members, ServerId), String> {
        let members = self.members().ok_or("no server serves")?;
        let (leader, report) = self.leader().ok_or("the ensemble has no leader")?;
        let voters = || members.voters().filter(|id| Some(*id) != except);
        if let Some(absent) = voters().find(|id| self.report(*id).is_none()) {
            return Err(format!("server-{} does not serve, and no other may be missing meanwhile", absent));
        }
        let monitor = &report.monitor;
        if report.mode == Mode::Leader && monitor.peer_state != "leading - broadcast" {
            return Err(format!("server-{} leads but is not ready yet: {}", leader, monitor.peer_state));
        }
        if monitor.pending_syncs > 0 {
            return Err(format!("{} followers are being brought up to date", monitor.pending_syncs));
        }
        let followers = voters().filter(|id| *id != leader).count();
        if (monitor.synced_followers as usize) < followers {
            return Err(format!("{} of {followers} followers are in step", monitor.synced_followers));
        }
        Ok((members, leader))
    }
}

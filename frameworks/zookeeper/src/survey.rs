//! How all servers are at this moment, asked from themselves.

use std::collections::BTreeMap;

use cairn_framework::{Placement, View};
use tokio::task::JoinSet;

use crate::fourletter::{self, Mode, Monitor, ask};
use crate::members::Members;
use crate::names::{CLIENT, ServerId, id_of};

/// What a server that serves says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) mode: Mode,
    pub(crate) zxid: String,
    pub(crate) monitor: Monitor,
    pub(crate) members: Members,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) place: Placement,
    /// Why not, where it does not serve.
    pub(crate) report: Result<Report, String>,
}

/// All servers that have a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    pub(crate) servers: BTreeMap<ServerId, Server>,
}

impl Survey {
    /// Asks every server that has a task, all at the same time.
    pub(crate) async fn take(view: &View) -> Self {
        let mut asked = JoinSet::new();
        for instance in view.instances.values().filter(|i| i.task_id.is_some()) {
            if let (Some(id), Some(place)) = (id_of(&instance.name), instance.placement.clone()) {
                asked.spawn(async move {
                    let report = report(&place).await;
                    (id, Server { place, report })
                });
            }
        }
        Self { servers: asked.join_all().await.into_iter().collect() }
    }

    /// What a server says, if it serves.
    pub(crate) fn report(&self, id: ServerId) -> Option<&Report> {
        self.servers.get(&id)?.report.as_ref().ok()
    }

    /// Servers that serve.
    pub(crate) fn serving(&self) -> impl Iterator<Item = (ServerId, &Report)> {
        self.servers.iter().filter_map(|(id, s)| Some((*id, s.report.as_ref().ok()?)))
    }

    /// The server that leads.
    pub(crate) fn leader(&self) -> Option<(ServerId, &Report)> {
        self.serving().find(|(_, r)| matches!(r.mode, Mode::Leader | Mode::Standalone))
    }

    /// Newest membership that a serving server knows.
    pub(crate) fn members(&self) -> Option<&Members> {
        self.serving().map(|(_, r)| &r.members).max_by_key(|m| m.version)
    }
}

async fn report(place: &Placement) -> Result<Report, String> {
    let endpoint = place.endpoint(CLIENT).ok_or("it has no client port")?;
    let text = |word| {
        let endpoint = &endpoint;
        async move { ask(endpoint, word).await.map_err(|e| e.to_string()) }
    };
    let silent = || "it is not serving: no quorum, or still starting".to_owned();
    let (mode, zxid) = fourletter::srvr(&text("srvr").await?).ok_or_else(silent)?;
    let monitor = fourletter::mntr(&text("mntr").await?);
    let members = Members::parse(&text("conf").await?).ok_or_else(silent)?;
    Ok(Report { mode, zxid, monitor, members })
}

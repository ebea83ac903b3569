//! The agent's side: to a master that may be away.

use std::sync::Arc;
use std::time::Duration;

use cairn_mesos::client::{Access, ClientError, Url};
use tokio::sync::{mpsc, watch};

use super::{CONTENT_TYPE, PATH, carry, outgoing};
use crate::wire::{self, AgentLink, FromAgent, MasterLink, ToAgent};

/// Pauses between attempts to reach the master; the last one again and again.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// A master that is reached over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    master: Url,
    access: Access,
    client: reqwest::Client,
    entrance: Arc<watch::Sender<Entrance>>,
}

/// How the master has taken the agent so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// It has not answered yet.
    Unknown,
    /// It has let the agent in.
    Open,
    /// It does not let the agent in, and never has.
    Refused(String),
}

impl Remote {
    /// A master at `HOST:PORT` or a URL.
    ///
    /// # Errors
    /// That is no address, or there can be no HTTP client.
    pub(crate) fn new(master: &str, access: Access) -> Result<Self, ClientError> {
        let mut master = cairn_mesos::client::parse_address(master)?;
        master.set_path(PATH);
        let builder = reqwest::Client::builder().no_proxy().http1_only().tcp_nodelay(true);
        let client = access.client(builder, std::slice::from_ref(&master))?;
        Ok(Self { master, access, client, entrance: Arc::new(watch::Sender::new(Entrance::Unknown)) })
    }

    /// Ends with the reason when the master does not let the agent in from the beginning. Later refusals are waited out: the
    /// credentials of the cluster may just be changing.
    pub(crate) async fn refused(&self) -> String {
        let mut entrance = self.entrance.subscribe();
        // The sender lives as long as this.
        let refused = entrance.wait_for(|now| matches!(now, Entrance::Refused(_))).await;
        match refused.as_deref() {
            Ok(Entrance::Refused(why)) => why.clone(),
            _ => std::future::pending().await,
        }
    }

    /// Notes what the first answer is; what comes after it is no news.
    fn note(&self, entrance: Entrance) {
        self.entrance.send_if_modified(|now| {
            let first = *now == Entrance::Unknown;
            if first {
                *now = entrance;
            }
            first
        });
    }

    /// A link whose other end is at the master as soon as that can be reached. Until then the agent serves its executors.
    pub(crate) fn connect(&self) -> AgentLink {
        let (agent, master) = wire::link();
        tokio::spawn(self.clone().keep(master));
        agent
    }

    async fn keep(self, link: MasterLink) {
        let MasterLink { to_agent, from_agent } = link;
        let Some(first) = first(from_agent, &to_agent).await else { return };
        let (message, from_agent) = first;
        let mut pauses = PAUSES.into_iter();
        let mut pause = PAUSES[0];
        let answer = loop {
            match self.ask(&message).await {
                Ok(answer) => break answer,
                Err(error) => {
                    tracing::warn!(master = %self.master, %error, "the master cannot be reached; trying again");
                    pause = pauses.next().unwrap_or(pause);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = to_agent.closed() => return,
            }
        };
        let (sender, response) = answer;
        tracing::info!(master = %self.master, "the agent is connected");
        let up = forward(from_agent, sender);
        let down = carry(response.bytes_stream(), to_agent);
        tokio::select! {
            () = up => {}
            ended = down => {
                let why = ended.err().unwrap_or_else(|| "the master ended it".to_owned());
                tracing::warn!(master = %self.master, %why, "the link to the master is broken");
            }
        }
    }

    /// Opens the request, with the first message in it.
    async fn ask(
        &self,
        first: &FromAgent,
    ) -> Result<(mpsc::Sender<FromAgent>, reqwest::Response), ClientError> {
        let (sender, receiver) = mpsc::channel(wire::LINK_CAPACITY);
        let _ = sender.send(first.clone()).await;
        let mut request = self
            .client
            .post(self.master.clone())
            .header(reqwest::header::CONTENT_TYPE, CONTENT_TYPE)
            .body(reqwest::Body::wrap_stream(outgoing(receiver)));
        if let Some(credentials) = &self.access.credentials {
            request = request.header(reqwest::header::AUTHORIZATION, credentials.header()?);
        }
        let failed = |error| ClientError::unreachable(&self.master, &error);
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        if !status.is_success() {
            let body = response.text().await.unwrap_or_default();
            let refusal = ClientError::refused(self.master.clone(), status.as_u16(), body, &self.access);
            if matches!(status.as_u16(), 401 | 403) {
                self.note(Entrance::Refused(refusal.to_string()));
            }
            return Err(refusal);
        }
        self.note(Entrance::Open);
        Ok((sender, response))
    }
}

/// The agent's registration, which every link begins with.
async fn first(
    mut from_agent: mpsc::Receiver<FromAgent>,
    to_agent: &mpsc::Sender<ToAgent>,
) -> Option<(FromAgent, mpsc::Receiver<FromAgent>)> {
    tokio::select! {
        message = from_agent.recv() => message.map(|message| (message, from_agent)),
        () = to_agent.closed() => None,
    }
}

async fn forward(mut from: mpsc::Receiver<FromAgent>, to: mpsc::Sender<FromAgent>) {
    while let Some(message) = from.recv().await {
        if to.send(message).await.is_err() {
            return;
        }
    }
}

//! The agent's side: to a master that may be away.

use std::time::Duration;

use tokio::sync::mpsc;

use super::{CONTENT_TYPE, PATH, carry, outgoing};
use crate::wire::{self, AgentLink, FromAgent, MasterLink, ToAgent};

/// Pauses between attempts to reach the master; the last one again and again.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// A master that is reached over HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    master: String,
    client: reqwest::Client,
}

impl Remote {
    /// A master at `HOST:PORT`.
    ///
    /// # Errors
    /// There can be no HTTP client.
    pub(crate) fn new(master: &str) -> Result<Self, String> {
        cairn_mesos::client::install_crypto();
        // Plain HTTP: nobody needs the certificate roots, which cost megabytes.
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).tcp_nodelay(true).build();
        Ok(Self { master: master.to_owned(), client: client.map_err(|error| error.to_string())? })
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
    async fn ask(&self, first: &FromAgent) -> Result<(mpsc::Sender<FromAgent>, reqwest::Response), String> {
        let (sender, receiver) = mpsc::channel(wire::LINK_CAPACITY);
        let _ = sender.send(first.clone()).await;
        let request = self
            .client
            .post(format!("http://{}{PATH}", self.master))
            .header(reqwest::header::CONTENT_TYPE, CONTENT_TYPE)
            .body(reqwest::Body::wrap_stream(outgoing(receiver)));
        let response = request.send().await.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            let status = response.status();
            return Err(format!("{status}: {}", response.text().await.unwrap_or_default()));
        }
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

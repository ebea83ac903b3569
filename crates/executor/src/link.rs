//! The connection to the agent: one stream of events, and calls beside it.

use std::time::Duration;

use cairn_mesos::codec::{CodecError, MediaType};
use cairn_mesos::recordio::{Decoder, RecordError};
use cairn_mesos::v1::executor::{Call, Event};
use reqwest::{Client, RequestBuilder, Response, StatusCode, header};

use crate::environment::Environment;

/// Encoding of both directions: the smaller one.
const MEDIA: MediaType = MediaType::Protobuf;
/// Largest event.
const MAX_EVENT: usize = 16 * 1024 * 1024;
/// How long the agent may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// The agent cannot be talked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("{0}")]
    Http(String),
    #[error("the agent did not answer within {} s", ANSWER.as_secs())]
    Silent,
    #[error("the agent answered {status}: {body}")]
    Refused { status: StatusCode, body: String },
    #[error("{0}")]
    Codec(#[from] CodecError),
}

impl From<reqwest::Error> for LinkError {
    /// The innermost cause says most: `connection refused`.
    fn from(error: reqwest::Error) -> Self {
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        Self::Http(cause.to_string())
    }
}

/// The connection.
pub(crate) struct Link {
    url: String,
    token: Option<String>,
    client: Option<Client>,
    stream: Option<(Response, Decoder)>,
}

impl Link {
    pub(crate) fn new(env: &Environment) -> Self {
        let url = format!("http://{}/slave(1)/api/v1/executor", env.agent_endpoint);
        Self { url, token: env.token.clone(), client: None, stream: None }
    }

    /// Opens the stream with a SUBSCRIBE call. Calls go over connections made from now on, since those to an agent
    /// that restarted are dead.
    pub(crate) async fn open(&mut self, subscribe: &Call) -> Result<(), LinkError> {
        self.close();
        let client = self.client.insert(client()?);
        let request = request(client, &self.url, self.token.as_deref(), subscribe)?;
        let response = answered(request.header(header::ACCEPT, MEDIA.as_str())).await?;
        self.stream = Some((response, Decoder::new(MAX_EVENT)));
        Ok(())
    }

    pub(crate) fn close(&mut self) {
        self.stream = None;
        self.client = None;
    }

    /// The next event; none when the stream is over or broken. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        let (response, decoder) = self.stream.as_mut()?;
        loop {
            match decoder.next_record() {
                Ok(Some(record)) => match MEDIA.decode(&record) {
                    Ok(event) => return Some(event),
                    Err(error) => tracing::warn!(%error, "the agent sent an event that cannot be read"),
                },
                Ok(None) => decoder.feed(&response.chunk().await.ok()??),
                Err(error) => return broken(&error),
            }
        }
    }

    /// Sends a call, and waits until the agent has taken it.
    pub(crate) async fn send(&self, call: &Call) -> Result<(), LinkError> {
        let Some(client) = &self.client else { return Err(LinkError::Http("not connected".to_owned())) };
        answered(request(client, &self.url, self.token.as_deref(), call)?).await.map(drop)
    }
}

fn broken(error: &RecordError) -> Option<Event> {
    tracing::warn!(%error, "the stream of the agent is damaged");
    None
}

/// Agents are spoken to without TLS, so certificate roots, which cost megabytes, are left out.
fn client() -> Result<Client, LinkError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(Client::builder().tls_certs_only([]).connect_timeout(ANSWER).no_proxy().build()?)
}

fn request(
    client: &Client,
    url: &str,
    token: Option<&str>,
    call: &Call,
) -> Result<RequestBuilder, LinkError> {
    let request = client.post(url).header(header::CONTENT_TYPE, MEDIA.as_str()).body(MEDIA.encode(call)?);
    Ok(match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    })
}

async fn answered(request: RequestBuilder) -> Result<Response, LinkError> {
    let response = tokio::time::timeout(ANSWER, request.send()).await.map_err(|_| LinkError::Silent)??;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.text().await.unwrap_or_default().chars().take(300).collect();
    Err(LinkError::Refused { status, body })
}

//! One HTTP POST as the v1 API wants it: media types, credentials, redirects to the leading master, time limits.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url, redirect};
use serde::de::DeserializeOwned;

use super::ClientError;
use super::access::{Access, Credentials};
use super::advice::CHECK;
use super::backoff::{Backoff, random};
use crate::codec::{Body, CodecError, MediaType};

/// The header that ties a call to a subscription.
pub(crate) const STREAM_ID: &str = "Mesos-Stream-Id";

/// A master that is no leader sends on to the one it takes for it; more hops than this are a circle.
const MAX_REDIRECTS: usize = 5;
/// Error texts are for people; more than this says nothing.
const MAX_ERROR_BODY: usize = 4096;
/// A peer that answers 503 is starting or has lost its leadership.
const UNAVAILABLE: Backoff = Backoff { first: Duration::from_millis(200), cap: Duration::from_secs(2) };

/// How a client talks. The defaults suit a cluster in reach of the local network.
#[derive(Debug, Clone)]
pub struct Options {
    /// What bodies are written in and asked for.
    pub media: MediaType,
    /// How it comes to its peers.
    pub access: Access,
    /// For a connection to be made.
    pub connect_timeout: Duration,
    /// For a call to be answered, retries after a 503 included; for subscriptions, until SUBSCRIBED.
    pub call_timeout: Duration,
    /// The longest record of a stream, and the longest body of an answer, in bytes.
    pub max_message: usize,
    /// Events that may wait for their reader before the stream is read no further.
    pub queue: usize,
    /// Between attempts to subscribe.
    pub backoff: Backoff,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            media: MediaType::Protobuf,
            access: Access::default(),
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(15),
            max_message: 64 << 20,
            queue: 256,
            backoff: Backoff { first: Duration::from_millis(250), cap: Duration::from_secs(15) },
        }
    }
}

/// A client's connections.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    authorization: Option<HeaderValue>,
    pub(crate) options: Options,
}

impl Http {
    /// `peers` decide whether root certificates are needed.
    pub(crate) fn new(peers: &[Url], options: Options) -> Result<Self, ClientError> {
        let builder = Client::builder()
            .no_proxy()
            .http1_only()
            .redirect(redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .tcp_keepalive(Duration::from_secs(30))
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(Duration::from_secs(20))
            .user_agent(concat!("cairn/", env!("CARGO_PKG_VERSION")));
        let client = options.access.client(builder, peers)?;
        let authorization = options.access.credentials.as_ref().map(Credentials::header).transpose()?;
        Ok(Self { client, authorization, options })
    }

    /// The address as it is reached: masters do not say in ZooKeeper whether they speak TLS, so whoever names authorities does.
    pub(crate) fn toward(&self, mut url: Url) -> Url {
        if self.options.access.authorities.is_some() {
            // It fails only for schemes that are no web addresses'.
            let _ = url.set_scheme("https");
        }
        url
    }

    /// Posts a message, follows redirects, and gives the answer once its head is there. Statuses other than success
    /// are errors.
    pub(crate) async fn post<M: Body>(
        &self,
        url: &Url,
        message: &M,
        stream_id: Option<&HeaderValue>,
    ) -> Result<Response, ClientError> {
        let body = bytes::Bytes::from(self.options.media.encode(message)?);
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(&url, body.clone(), stream_id).await?;
            match response.status() {
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                    url = redirect_target(&url, &response)?;
                }
                status if status.is_success() => return Ok(response),
                _ => return Err(self.refused(url, response).await),
            }
        }
        Err(ClientError::Redirect { location: url.to_string(), url })
    }

    async fn send(
        &self,
        url: &Url,
        body: bytes::Bytes,
        stream_id: Option<&HeaderValue>,
    ) -> Result<Response, ClientError> {
        let media = self.options.media.as_str();
        let mut request =
            self.client.post(url.clone()).header(CONTENT_TYPE, media).header(ACCEPT, media).body(body);
        if let Some(stream_id) = stream_id {
            request = request.header(STREAM_ID, stream_id);
        }
        self.ask(url, request).await
    }

    async fn ask(&self, url: &Url, mut request: RequestBuilder) -> Result<Response, ClientError> {
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.send().await.map_err(|error| ClientError::unreachable(url, &error))
    }

    /// Gets what is at `url`, all within the call timeout.
    pub(crate) async fn get(&self, url: &Url) -> Result<Answer, ClientError> {
        let after = self.options.call_timeout;
        let answer = async {
            let response = self.ask(url, self.client.get(url.clone())).await?;
            match response.status().is_success() {
                true => self.read_answer(response).await,
                false => Err(self.refused(url.clone(), response).await),
            }
        };
        let timeout = |_| ClientError::Timeout { url: url.clone(), after };
        tokio::time::timeout(after, answer).await.map_err(timeout)?
    }

    /// Posts a call and reads its whole answer, all within the call timeout. A 503 is tried again.
    pub(crate) async fn call<M: Body>(
        &self,
        url: &Url,
        message: &M,
        stream_id: Option<&HeaderValue>,
    ) -> Result<Answer, ClientError> {
        let after = self.options.call_timeout;
        let attempts = async {
            let mut failures = 0;
            loop {
                match self.post(url, message, stream_id).await {
                    Err(ClientError::Refused { status: 503, body, .. }) => {
                        failures += 1;
                        tracing::debug!(%url, %body, "unavailable; trying again");
                        tokio::time::sleep(UNAVAILABLE.delay(failures, random())).await;
                    }
                    Err(error) => return Err(error),
                    Ok(response) => return self.read_answer(response).await,
                }
            }
        };
        let timeout = |_| ClientError::Timeout { url: url.clone(), after };
        tokio::time::timeout(after, attempts).await.map_err(timeout)?
    }

    async fn refused(&self, url: Url, mut response: Response) -> ClientError {
        let status = response.status().as_u16();
        let body = match read_body(&mut response, MAX_ERROR_BODY).await {
            Ok((body, _)) => String::from_utf8_lossy(&body).trim().to_owned(),
            Err(_) => String::new(),
        };
        ClientError::refused(url, status, body, &self.options.access)
    }

    async fn read_answer(&self, mut response: Response) -> Result<Answer, ClientError> {
        let url = response.url().clone();
        let media = media_of(&response).unwrap_or(self.options.media);
        let (body, whole) = read_body(&mut response, self.options.max_message)
            .await
            .map_err(|error| ClientError::unreachable(&url, &error))?;
        if !whole {
            let reason = format!("the answer exceeds {} bytes", self.options.max_message);
            return Err(ClientError::Unreachable { url, reason, advice: CHECK });
        }
        Ok(Answer { url, media, body })
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Who answered in the end.
    pub(crate) url: Url,
    media: MediaType,
    body: Vec<u8>,
}

impl Answer {
    /// Calls that only do something are answered without a body: the message is then empty.
    pub(crate) fn decode<M: Body>(&self) -> Result<M, ClientError> {
        if self.body.is_empty() {
            return Ok(M::default());
        }
        Ok(self.media.decode(&self.body)?)
    }

    /// An answer of the older endpoints, which is always JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| CodecError::Json(error).into())
    }
}

/// The media type that an answer says it has.
pub(crate) fn media_of(response: &Response) -> Option<MediaType> {
    MediaType::from_content_type(response.headers().get(CONTENT_TYPE)?.to_str().ok()?)
}

/// Mesos redirects to `//host:port/path`, without a scheme; others to full URLs or paths.
fn redirect_target(url: &Url, response: &Response) -> Result<Url, ClientError> {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bad = || ClientError::Redirect { url: url.clone(), location: location.to_owned() };
    if location.is_empty() {
        return Err(bad());
    }
    let mut target = url.join(location).map_err(|_| bad())?;
    // What was meant for nobody but the peer is not told to everybody.
    if url.scheme() == "https" && target.scheme() != "https" {
        return Err(bad());
    }
    // Some masters name only the place, as for a page that a person opens.
    if target.path() == "/" {
        target.set_path(url.path());
    }
    Ok(target)
}

/// At most `cap` bytes, and whether that was all.
async fn read_body(response: &mut Response, cap: usize) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = cap - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok((body, false));
        }
    }
    Ok((body, true))
}

//! Requests to the controller.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::problem;
use super::secrets::Value as Secret;
use super::target::Target;
use crate::failure::Failure;

const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection is kept for the next request: the controller closes one after 30 s.
const IDLE: Duration = Duration::from_secs(20);
/// Until an answer has come whole; the controller itself gives a scheduler two minutes.
const ANSWER: Duration = Duration::from_secs(150);

/// A controller to talk to.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    target: Target,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// Nobody answers; later somebody may.
    Silent(Failure),
    /// The answer is no.
    Refused(StatusCode, Failure),
}

impl From<NoAnswer> for Failure {
    fn from(no: NoAnswer) -> Self {
        match no {
            NoAnswer::Silent(failure) | NoAnswer::Refused(_, failure) => failure,
        }
    }
}

/// Parameters of a request.
pub(crate) type Query<'a> = &'a [(&'a str, &'a str)];

impl Client {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub(crate) fn new(target: Target) -> Result<Self, Failure> {
        cairn_framework::http::install_crypto();
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("cairn/", env!("CARGO_PKG_VERSION")));
        // Certificates take time to load, and only https needs them.
        let builder =
            if target.url.starts_with("https://") { builder } else { builder.tls_certs_only([]).no_proxy() };
        let http = builder
            .build()
            .map_err(|error| Failure::new(format!("cannot build the HTTP client: {error}")))?;
        Ok(Self { http, target })
    }

    /// `GET`, as a value of ours.
    ///
    /// # Errors
    /// When there is no answer, or none that can be read.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, query: Query<'_>) -> Result<T, NoAnswer> {
        let answer = self.answer(self.request(Method::GET, path, query)).await?;
        read(answer).await
    }

    /// A change, with a body that is text.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn send_text<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: Query<'_>,
        body: Vec<u8>,
    ) -> Result<T, NoAnswer> {
        let request = self.request(method, path, query).header("content-type", "application/yaml").body(body);
        read(self.answer(request).await?).await
    }

    /// A stack spec and the type of its text, with the secrets that it declares.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn send_stack<T: DeserializeOwned>(
        &self,
        query: Query<'_>,
        (kind, spec): (&str, Vec<u8>),
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<T, NoAnswer> {
        let request = self.request(Method::POST, "/v1/stacks", query);
        let request = request.header("content-type", kind).body(spec);
        let request = match header(secrets) {
            Some(secrets) => request.header("cairn-secrets", secrets),
            None => request,
        };
        read(self.answer(request).await?).await
    }

    /// A change, with a body that is JSON, or none.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        query: Query<'_>,
        body: Option<&Value>,
    ) -> Result<Value, NoAnswer> {
        let request = self.request(method, path, query);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = self.answer(request).await?;
        if answer.status() == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        read(answer).await
    }

    /// An answer that goes on: the stream of events.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn stream(&self, path: &str) -> Result<Response, NoAnswer> {
        let request = self.authorized(self.http.get(format!("{}{path}", self.target.url)));
        let answer = tokio::time::timeout(ANSWER, request.send()).await;
        let answer = answer.map_err(|_| self.silent("no answer in time"))?;
        success(answer.map_err(|error| self.silent(&reason(&error)))?).await
    }

    fn request(&self, method: Method, path: &str, query: Query<'_>) -> RequestBuilder {
        let mut url = format!("{}{path}", self.target.url);
        for (index, (name, value)) in query.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.push_str(&format!("{}={}", escape(name), escape(value)));
        }
        self.authorized(self.http.request(method, url).timeout(ANSWER))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.target.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Response, NoAnswer> {
        success(request.send().await.map_err(|error| self.silent(&reason(&error)))?).await
    }

    fn silent(&self, why: &str) -> NoAnswer {
        let Target { url, named_by, hint, .. } = &self.target;
        NoAnswer::Silent(Failure::hint(
            format!("the controller does not answer: tried {url}, named by {named_by}: {why}"),
            hint,
        ))
    }
}

/// The secrets of a stack as the controller reads them. Never shown in a debug form of the request.
fn header(secrets: &BTreeMap<String, Secret>) -> Option<HeaderValue> {
    let values: BTreeMap<&String, &str> =
        secrets.iter().map(|(name, value)| (name, value.reveal())).collect();
    let text = BASE64.encode(serde_json::to_vec(&values).ok().filter(|_| !values.is_empty())?);
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

async fn success(answer: Response) -> Result<Response, NoAnswer> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let url = answer.url().to_string();
    // A refusal without a body is a refusal too.
    let body = answer.bytes().await.unwrap_or_default();
    Err(NoAnswer::Refused(status, problem::failure(status.as_u16(), &url, &body)))
}

async fn read<T: DeserializeOwned>(answer: Response) -> Result<T, NoAnswer> {
    let (status, url) = (answer.status(), answer.url().to_string());
    let unreadable = |why: String| {
        let message = format!("{url} gives an answer that cannot be read: {why}");
        NoAnswer::Refused(
            status,
            Failure::hint(message, "is the controller of the same version as this program?"),
        )
    };
    let body = answer.bytes().await.map_err(|error| unreadable(reason(&error)))?;
    serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))
}

/// An error in words, without the URL and with its first cause: `connection refused` rather than `error sending request`.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// A text as a part of a path or query.
pub(crate) fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().fold(String::with_capacity(text.len()), |mut escaped, byte| {
        if plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_an_address_is_escaped() {
        assert_eq!(escape("kafka/broker-0"), "kafka%2Fbroker-0");
        assert_eq!(escape("0,2 *ü"), "0%2C2%20%2A%C3%BC");
    }

    #[tokio::test]
    async fn a_controller_that_is_not_there_is_named_with_what_to_do() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let target = Target {
            url: format!("http://{free}"),
            token: None,
            named_by: "/c.json".into(),
            hint: "start one with `cairn dev`".into(),
        };
        let error = Client::new(target).unwrap().get::<Value>("/v1/stacks", &[]).await.unwrap_err();
        let NoAnswer::Silent(Failure::Error { message, hint }) = error else { panic!("{error:?}") };
        assert!(
            message.starts_with(&format!(
                "the controller does not answer: tried http://{free}, named by /c.json"
            ))
        );
        assert!(message.to_lowercase().contains("connection refused"), "{message}");
        assert_eq!(hint.as_deref(), Some("start one with `cairn dev`"));
    }
}

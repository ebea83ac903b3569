//! Plain HTTP for tests.

use std::time::Duration;

use serde_json::Value;

/// How long a request may take unless a test says otherwise.
const SLOWEST: Duration = Duration::from_secs(60);
/// How long a connection is kept for the next request: servers close one after 30 s.
const IDLE: Duration = Duration::from_secs(20);

/// A client with or without a token.
pub struct Http {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    base: String,
    token: Option<String>,
    principal: Option<(String, String)>,
}

fn builder(time: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy().timeout(time).pool_idle_timeout(IDLE)
}

impl Http {
    /// A client for `base`, `http://host:port`.
    ///
    /// # Panics
    /// When the machine has no threads left.
    pub fn new(base: &str, token: Option<String>) -> Self {
        Self::within(SLOWEST, base, token)
    }

    /// A client that gives each request so much time.
    ///
    /// # Panics
    /// When the machine has no threads left.
    #[expect(clippy::unwrap_used, reason = "a test without a client is over")]
    pub fn within(time: Duration, base: &str, token: Option<String>) -> Self {
        // reqwest is built without a provider of its own; a second installation changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = builder(time).tls_certs_only([]);
        Self { runtime, client: client.build().unwrap(), base: base.to_owned(), token, principal: None }
    }

    /// The same, but it believes servers whose certificates this authority has signed, and speaks TLS only.
    ///
    /// # Panics
    /// When that is no certificate.
    #[must_use]
    #[expect(clippy::unwrap_used, reason = "a test without a client is over")]
    pub fn trusting(self, authority: &str) -> Self {
        let authority = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
        let client = builder(SLOWEST).tls_certs_only([authority]);
        let base = self.base.replacen("http://", "https://", 1);
        Self { client: client.build().unwrap(), base, ..self }
    }

    /// The same as a principal of the cluster.
    #[must_use]
    pub fn principal(self, name: &str, secret: &str) -> Self {
        Self { principal: Some((name.to_owned(), secret.to_owned())), ..self }
    }

    /// The same without its token.
    pub fn anonymous(&self) -> Self {
        Self::new(&self.base, None)
    }

    /// Sends a request; the body is JSON unless it is a string. An answer that is not JSON comes as a string.
    ///
    /// # Panics
    /// When nobody answers.
    #[expect(clippy::unwrap_used, reason = "a test's failure is a panic")]
    pub fn send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.try_send(method, path, body).unwrap()
    }

    /// Sends text of a media type.
    ///
    /// # Panics
    /// When nobody answers.
    #[expect(clippy::unwrap_used, reason = "a test's failure is a panic")]
    pub fn send_as(&self, method: &str, path: &str, media_type: &str, text: &str) -> (u16, Value) {
        self.try_send_as(method, path, media_type, text).unwrap()
    }

    /// The same, for when it is not sure that somebody answers.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn try_send_as(
        &self,
        method: &str,
        path: &str,
        media_type: &str,
        text: &str,
    ) -> Result<(u16, Value), reqwest::Error> {
        let method = method.parse().unwrap_or(reqwest::Method::GET);
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = request.header("content-type", media_type).body(text.to_owned());
        self.runtime.block_on(answer(request))
    }

    /// As [`Self::send`], for when it is not sure that somebody answers.
    ///
    /// # Errors
    /// When nobody answers.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<(u16, Value), reqwest::Error> {
        let method = method.parse().unwrap_or(reqwest::Method::GET);
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some((name, secret)) = &self.principal {
            request = request.basic_auth(name, Some(secret));
        }
        match body {
            Some(Value::String(text)) => request = request.body(text),
            Some(json) => request = request.json(&json),
            None => {}
        }
        self.runtime.block_on(answer(request))
    }

    /// GET that must succeed.
    ///
    /// # Panics
    /// On any status but 2xx.
    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, None);
        assert!((200..300).contains(&status), "GET {path}: {status} {body:#}");
        body
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<(u16, Value), reqwest::Error> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let text = response.text().await?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

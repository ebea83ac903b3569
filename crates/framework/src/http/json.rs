//! Services that speak JSON over HTTP: requests to whichever of their instances answers.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::{Method, Request, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use reqwest::Response;
use serde_json::Value;

use super::reason;
use crate::kit::Kept;
use crate::rest::Problem;
use crate::{InstanceStatus, View};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of an answer.
const LARGEST: usize = 32 << 20;

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// Nobody answers; the reason of the last one.
    #[error("nobody answers: {0}")]
    Silent(String),
    /// The service refuses.
    #[error("{reason}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// In the service's words.
        reason: String,
    },
}

impl ApiError {
    /// It would say the same next time.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { status: 400..=499, .. })
            && !self.is(404)
            && !self.is(408)
            && !self.is(429)
    }

    /// It has this HTTP status.
    pub fn is(&self, wanted: u16) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == wanted)
    }
}

/// A service, by the addresses of its instances.
#[derive(Debug, Clone)]
pub struct JsonClient(Vec<String>);

impl JsonClient {
    /// Through this port of any instance that is ready, or, if none is, of those that have a task.
    pub fn of(view: &View, port: &str) -> Self {
        let endpoint = |i: &InstanceStatus| i.placement.as_ref().and_then(|p| p.endpoint(port));
        let those = |which: fn(&InstanceStatus) -> bool| -> Vec<String> {
            view.instances.values().filter(|i| which(i)).filter_map(endpoint).collect()
        };
        let ready = those(InstanceStatus::is_ready);
        Self(if ready.is_empty() { those(|i| i.task_id.is_some()) } else { ready })
    }

    /// GET.
    ///
    /// # Errors
    /// Nobody answers, or not with a success.
    pub async fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.call(Method::GET, path, None).await
    }

    /// GET of all of these, at the same time.
    ///
    /// # Errors
    /// One of them has none.
    pub async fn get_all(&self, paths: &[&str]) -> Result<Vec<Value>, ApiError> {
        try_join_all(paths.iter().map(|path| self.get(path))).await
    }

    /// GET of something that need not be there: then it is null.
    ///
    /// # Errors
    /// Nobody answers, or with anything but a success or that there is nothing.
    pub async fn find(&self, path: &str) -> Result<Value, ApiError> {
        match self.get(path).await {
            Err(error) if error.is(404) => Ok(Value::Null),
            other => other,
        }
    }

    /// A request as data, whose body is null if it has none.
    ///
    /// # Errors
    /// Nobody answers, or not with a success.
    pub async fn ask(&self, request: &Request<Value>) -> Result<Value, ApiError> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let body = Some(request.body()).filter(|body| !body.is_null());
        self.call(request.method().clone(), path, body).await
    }

    /// A request with a body of JSON, if any; an empty answer is null.
    ///
    /// # Errors
    /// Nobody answers, or not with a success.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ApiError> {
        let body = body.map(|b| b.to_string().into_bytes()).unwrap_or_default();
        let (status, answer) = self.send(method, path, body, TIMEOUT).await?;
        let text = String::from_utf8_lossy(&answer);
        if (200..300).contains(&status) {
            return Ok(serde_json::from_str(&text).unwrap_or_default());
        }
        Err(ApiError::Refused { status, reason: told(status, &text) })
    }

    /// The same with bytes, and with whatever status the answer has. The next instance is asked only if one cannot be
    /// reached.
    ///
    /// # Errors
    /// Nobody answers, or not in time, or with more than 32 MiB.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<(u16, Vec<u8>), ApiError> {
        let mut last = "no instance is running".to_owned();
        for endpoint in &self.0 {
            let Some(client) = client() else { break };
            let request = client
                .request(method.clone(), format!("http://{endpoint}{path}"))
                .timeout(timeout)
                .header("content-type", "application/json")
                .body(body.clone());
            match request.send().await {
                Ok(response) => return read(response).await.map_err(ApiError::Silent),
                Err(error) if error.is_connect() => last = reason(error),
                Err(error) => return Err(ApiError::Silent(reason(error))),
            }
        }
        Err(ApiError::Silent(last))
    }
}

impl JsonClient {
    /// The service's own answer to a request that a client of the REST makes, with its own status.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn forward(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<axum::response::Response, ApiError> {
        let (status, answer) = self.send(method, path, body, timeout).await?;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        Ok((status, [(header::CONTENT_TYPE, "application/json")], answer).into_response())
    }

    /// Carries out what brings the service nearer to what is declared, each with what it is about. A refusal of the service is
    /// one of the gate.
    pub(crate) async fn carry_out(&self, changes: Vec<(String, Request<Value>)>, kept: &mut Kept) {
        for (what, request) in changes {
            match self.ask(&request).await {
                Ok(_) => tracing::info!(what, "done as declared"),
                Err(error) if error.is_final() => kept.refused(format!("{what}: {error}")),
                Err(error) => kept.waits(format!("{what}: {error}")),
            }
        }
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Silent(_) => Self::unavailable(error.to_string()),
            ApiError::Refused { status, reason } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
                Self::new(status, "refused-by-the-cluster", reason)
            }
        }
    }
}

fn client() -> Option<&'static reqwest::Client> {
    static CLIENT: OnceLock<Option<reqwest::Client>> = OnceLock::new();
    CLIENT.get_or_init(|| super::client().ok()).as_ref()
}

async fn read(response: Response) -> Result<(u16, Vec<u8>), String> {
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece.map_err(reason)?);
        if bytes.len() > LARGEST {
            return Err(format!("the answer is larger than {} MiB", LARGEST >> 20));
        }
    }
    Ok((status, bytes))
}

/// The reason that an error's body gives: `error`, as text or as an object with a `reason` and the causes below it.
fn told(status: u16, text: &str) -> String {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let error = &body["error"];
    let causes = error["root_cause"].as_array().into_iter().flatten().filter_map(|c| c["reason"].as_str());
    let reason = error["reason"].as_str().or_else(|| error.as_str());
    let all: Vec<&str> = reason.into_iter().chain(causes.filter(|c| Some(*c) != reason)).take(3).collect();
    if all.is_empty() { format!("HTTP {status}") } else { all.join(": ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_in_the_services_words() {
        let body =
            r#"{"error":{"root_cause":[{"reason":"no such setting"}],"reason":"invalid"},"status":400}"#;
        assert_eq!(told(400, body), "invalid: no such setting");
        assert_eq!(told(405, r#"{"error":"Incorrect HTTP method","status":405}"#), "Incorrect HTTP method");
        assert_eq!(told(503, "<html>"), "HTTP 503");
    }
}

//! A client for schedulers, agents and services: plain HTTP, so no certificates are loaded.

mod json;

use std::time::Duration;

pub use cairn_mesos::client::install_crypto;
pub use json::{ApiError, JsonClient};

const CONNECT: Duration = Duration::from_secs(5);

/// How long a connection is kept for the next request: less than the 30 s after which our servers close one, so that no
/// request is sent on a connection that is being closed.
const IDLE: Duration = Duration::from_secs(20);

/// A client without an overall timeout; every request sets its own.
///
/// # Errors
/// When the client cannot be built.
pub fn client() -> Result<reqwest::Client, reqwest::Error> {
    install_crypto();
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(IDLE)
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
}

/// An error in words, without the URL and with its cause: `connection refused` rather than `error sending request`.
pub fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// What a URL answers, if that is text of at most `limit` bytes.
///
/// # Errors
/// Why it cannot be had, with the URL.
pub async fn text(url: &str, patience: Duration, limit: usize) -> Result<String, String> {
    let told = |error| format!("{url}: {}", reason(error));
    let mut answer = client().map_err(told)?.get(url).timeout(patience).send().await.map_err(told)?;
    if !answer.status().is_success() {
        return Err(format!("{url} answers {}", answer.status()));
    }
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(told)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > limit {
            return Err(format!("{url} answers with more than {limit} bytes"));
        }
    }
    String::from_utf8(bytes).map_err(|_| format!("{url} answers with what is no text"))
}

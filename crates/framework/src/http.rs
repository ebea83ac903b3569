//! A client for schedulers, agents and services: plain HTTP, so no certificates are loaded.

use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(5);

/// A client without an overall timeout; every request sets its own.
///
/// # Errors
/// When the client cannot be built.
pub fn client() -> Result<reqwest::Client, reqwest::Error> {
    // Another part of the program may have installed one already; either will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(1)
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

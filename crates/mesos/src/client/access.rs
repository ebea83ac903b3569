//! How a client comes to a cluster: who it is, and whom it believes who the cluster is.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::HeaderValue;
use serde::Deserialize;

use super::error::with_causes;
use super::{Authorities, ClientError};

/// How a client comes to a cluster. By default it says nothing of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Who it is, where peers ask for it.
    pub credentials: Option<Credentials>,
    /// Whom it believes who its peers are: it reaches all of them by TLS. `None`: those whom the system trusts, and by TLS only
    /// where an address says `https`.
    pub authorities: Option<Authorities>,
}

impl Access {
    /// The name it proves, if it proves one.
    pub fn principal(&self) -> Option<&str> {
        match &self.credentials {
            Some(Credentials::Basic { principal, .. }) => Some(principal),
            Some(Credentials::Bearer(_)) | None => None,
        }
    }

    /// Makes a client of this one. `peers` are the addresses that are known: no root certificates, which cost megabytes, are
    /// loaded where none of them needs them.
    ///
    /// # Errors
    /// One of them is to be reached without TLS although authorities are given, or there can be no client.
    pub fn client(
        &self,
        builder: reqwest::ClientBuilder,
        peers: &[Url],
    ) -> Result<reqwest::Client, ClientError> {
        super::install_crypto();
        let plain = peers.iter().find(|url| url.scheme() == "http");
        let builder = match (&self.authorities, plain) {
            (Some(_), Some(url)) => return Err(without_tls(url)),
            (Some(authorities), None) => builder.tls_certs_only(authorities.certificates()),
            (None, _) if peers.iter().all(|url| url.scheme() == "http") => builder.tls_certs_only([]),
            (None, _) => builder,
        };
        builder.build().map_err(|error| ClientError::Setup(with_causes(&error)))
    }
}

fn without_tls(url: &Url) -> ClientError {
    let address = url.as_str().trim_end_matches('/').to_owned();
    let reason = format!(
        "it is reached without TLS, although --ca says whom to trust; write https://{}",
        address.trim_start_matches("http://")
    );
    ClientError::Address { address, reason }
}

/// Who a client is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// HTTP basic authentication.
    Basic {
        /// The name.
        principal: String,
        /// Its secret.
        secret: String,
    },
    /// A token, such as executors get from their agent.
    Bearer(String),
}

/// The secret is left out.
impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { principal, .. } => write!(out, "Basic({principal:?}, …)"),
            Self::Bearer(_) => out.write_str("Bearer(…)"),
        }
    }
}

/// A file of a client's that cannot be used. What stands in it is never told.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {}: {problem}", path.display())]
pub struct AccessError {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    principal: String,
    secret: String,
}

impl Credentials {
    /// From a file as agents of Apache Mesos have it (`--credential`): a line `principal secret`, or the same as JSON.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn load(path: &Path) -> Result<Self, AccessError> {
        let failed = |problem: String| AccessError {
            path: path.to_owned(),
            problem: format!(
                "{problem}; a credential is a line `principal secret`, or {{\"principal\": \"p\", \"secret\": \"s\"}}"
            ),
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Self::parse(&text).map_err(failed)
    }

    /// The same from a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Pair { principal, secret } = if text.trim_start().starts_with('{') {
            // The error itself may quote what stands there.
            serde_json::from_str(text)
                .map_err(|error| format!("line {} is not as it should be", error.line()))?
        } else {
            pair(text)?
        };
        if principal.is_empty() || principal.contains(':') {
            // Basic authentication separates the two by it.
            return Err("a principal is not empty and has no colon in it".to_owned());
        }
        let credentials = Self::Basic { principal, secret };
        credentials.header().map_err(|error| error.to_string())?;
        Ok(credentials)
    }

    /// As a file holds it.
    pub fn to_file(&self) -> Option<String> {
        match self {
            Self::Basic { principal, secret } => {
                Some(serde_json::json!({ "principal": principal, "secret": secret }).to_string())
            }
            Self::Bearer(_) => None,
        }
    }

    /// The value of the header `Authorization`.
    ///
    /// # Errors
    /// It holds what no header may hold.
    pub fn header(&self) -> Result<HeaderValue, ClientError> {
        let text = match self {
            Self::Basic { principal, secret } => {
                format!("Basic {}", STANDARD.encode(format!("{principal}:{secret}")))
            }
            Self::Bearer(token) => format!("Bearer {token}"),
        };
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| ClientError::Setup("the credentials hold characters no header may hold".into()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn pair(text: &str) -> Result<Pair, String> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let mut words = lines.next().unwrap_or_default().split_whitespace().map(str::to_owned);
    match (words.next(), words.next(), words.next(), lines.next()) {
        (Some(principal), Some(secret), None, None) => Ok(Pair { principal, secret }),
        (None, ..) => Err("it is empty".to_owned()),
        (.., Some(_)) => Err("it holds more than one line".to_owned()),
        _ => Err("its line is not two words".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(principal: &str, secret: &str) -> Credentials {
        Credentials::Basic { principal: principal.into(), secret: secret.into() }
    }

    #[test]
    fn a_credential_is_a_line_or_json_and_comes_back_from_its_file() {
        let odd = basic("p 1", "s:\"1\" ü");
        for (text, expected) in [
            ("p1 s:1\n", basic("p1", "s:1")),
            ("\n  p1\t\ts1", basic("p1", "s1")),
            (r#"{"principal": "p1", "secret": "s 1"}"#, basic("p1", "s 1")),
            (&odd.to_file().unwrap(), odd.clone()),
        ] {
            assert_eq!(Credentials::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        for (text, hint) in [
            ("", "empty"),
            ("p1", "two words"),
            ("p1 hush more", "two words"),
            ("p1 hush\np2 hush", "more than one line"),
            ("p:1 hush", "no colon"),
            ("{\"principal\": \"p1\",\n \"secret\": hush}", "line 2"),
            (r#"{"principal": "", "secret": "hush"}"#, "not empty"),
        ] {
            let problem = Credentials::parse(text).unwrap_err();
            assert!(problem.contains(hint) && !problem.contains("hush"), "{text}: {problem}");
        }
        assert!(
            !format!("{:?}", Access { credentials: Some(basic("p", "hush")), authorities: None })
                .contains("hush")
        );
        let missing = Credentials::load(Path::new("/nowhere/at/all")).unwrap_err().to_string();
        assert!(missing.contains("/nowhere/at/all") && missing.contains("principal secret"), "{missing}");
    }
}

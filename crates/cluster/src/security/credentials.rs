//! Principals and their secrets, as the credentials file of Apache Mesos has them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{SecurityError, read};

/// Known principals. Secrets are kept as their digests only.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(BTreeMap<String, [u8; 32]>);

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.0.keys()).finish()
    }
}

#[derive(Deserialize)]
struct File {
    credentials: Vec<Pair>,
}

#[derive(Deserialize)]
struct Pair {
    principal: String,
    secret: String,
}

impl Credentials {
    /// From a file: `{"credentials": [{"principal": "p", "secret": "s"}]}`, or a line `p s` for each.
    ///
    /// # Errors
    /// The file cannot be read, is neither of these, or holds nothing.
    pub fn load(path: &Path) -> Result<Self, SecurityError> {
        Self::parse(&read(path)?).map_err(|problem| SecurityError::Content { path: path.to_owned(), problem })
    }

    /// The same from a text.
    ///
    /// # Errors
    /// What is wrong with it; never what it says, since that may be secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        let pairs = if text.trim_start().starts_with('{') {
            serde_json::from_str::<File>(text)
                .map_err(|error| {
                    format!(
                        "line {} is not what it should be: \
                         {{\"credentials\": [{{\"principal\": \"p\", \"secret\": \"s\"}}]}}",
                        error.line()
                    )
                })?
                .credentials
        } else {
            let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            lines.map(|(number, line)| pair(number, line)).collect::<Result<_, _>>()?
        };
        if pairs.is_empty() {
            return Err("there is no principal in it; write a line `principal secret` for each".to_owned());
        }
        Ok(Self(pairs.into_iter().map(|pair| (pair.principal, digest(&pair.secret))).collect()))
    }

    /// The principal that the value of an `Authorization` header proves.
    pub(crate) fn check(&self, authorization: Option<&str>) -> Option<&str> {
        let (scheme, encoded) = authorization?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (principal, secret) = pair.split_once(':')?;
        let (known, expected) = self.0.get_key_value(principal)?;
        // Digests are compared, so that the time this takes tells nothing of the secret.
        (digest(secret) == *expected).then_some(known.as_str())
    }
}

fn pair(number: usize, line: &str) -> Result<Pair, String> {
    let mut words = line.split_whitespace().map(str::to_owned);
    match (words.next(), words.next(), words.next()) {
        (Some(principal), Some(secret), None) => Ok(Pair { principal, secret }),
        _ => Err(format!("line {} is not `principal secret`", number + 1)),
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn only_the_right_secret_proves_a_principal() {
        let json =
            r#"{"credentials": [{"principal": "p1", "secret": "s:1"}, {"principal": "p2", "secret": "s2"}]}"#;
        for text in [json, "p1 s:1\n\np2\ts2\n"] {
            let known = Credentials::parse(text).unwrap();
            assert_eq!(known.check(Some(&basic("p1:s:1"))), Some("p1"));
            for wrong in [basic("p1:s2"), basic("p3:s2"), basic("p1"), "Bearer x".into(), "Basic %".into()] {
                assert_eq!(known.check(Some(&wrong)), None, "{wrong}");
            }
            assert_eq!(known.check(None), None);
            assert!(!format!("{known:?}").contains("s2"));
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        for (text, hint) in [("p1 hush more", "line 1"), ("", "no principal"), ("{\n \"hush\": 1}", "line 2")]
        {
            let problem = Credentials::parse(text).unwrap_err();
            assert!(problem.contains(hint) && !problem.contains("hush"), "{problem}");
        }
    }
}

//! Where the masters are.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;

use super::ClientError;

/// The addresses of one or more masters, any of which may lead: `host:port`, a URL, or several with commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masters(Vec<Url>);

impl Masters {
    /// The addresses, at least one, each as a URL with the path `/`.
    pub fn urls(&self) -> &[Url] {
        &self.0
    }

    /// The address to try after `failures` failures in a row.
    pub(crate) fn pick(&self, failures: usize) -> &Url {
        &self.0[failures % self.0.len()]
    }
}

impl FromStr for Masters {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let bad = |reason: &str| ClientError::Address { address: text.to_owned(), reason: reason.to_owned() };
        if text.trim_start().starts_with("zk://") {
            return Err(bad(
                "finding masters through ZooKeeper is not supported; name them as host:port,host:port",
            ));
        }
        let pieces = text.split(',').map(str::trim).filter(|piece| !piece.is_empty());
        let urls = pieces.map(parse_address).collect::<Result<Vec<_>, _>>()?;
        if urls.is_empty() {
            return Err(bad("name at least one master as host:port"));
        }
        Ok(Self(urls))
    }
}

impl From<Url> for Masters {
    fn from(url: Url) -> Self {
        Self(vec![url])
    }
}

impl fmt::Display for Masters {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces: Vec<&str> = self.0.iter().map(|url| url.as_str().trim_end_matches('/')).collect();
        out.write_str(&pieces.join(","))
    }
}

/// `host:port` or an `http(s)://` URL; nothing but its origin is kept.
pub(crate) fn parse_address(text: &str) -> Result<Url, ClientError> {
    let bad = |reason: String| ClientError::Address { address: text.to_owned(), reason };
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url =
        Url::parse(&full).map_err(|error| bad(format!("{error}; write host:port or http://host:port")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(bad("write host:port, http://host:port or https://host:port".to_owned()));
    }
    url.set_path("/");
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let masters: Masters = "127.0.0.1:5050, https://b:5051/x?y".parse().unwrap();
        assert_eq!(masters.to_string(), "http://127.0.0.1:5050,https://b:5051");
        assert_eq!(masters.pick(3).as_str(), "https://b:5051/");
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_hint() {
        for (bad, hint) in [
            ("zk://a:2181/mesos", "ZooKeeper"),
            ("", "host:port"),
            ("ftp://a", "http://"),
            ("a:b", "host:port"),
        ] {
            let error = bad.parse::<Masters>().unwrap_err().to_string();
            assert!(error.contains(hint), "{bad}: {error}");
        }
    }
}

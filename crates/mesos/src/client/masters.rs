//! Where the masters are.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use reqwest::Url;

use super::detect::Detector;
use super::{ClientError, ZooKeeperAddress};

/// Where the leading master is to be found: at one of some addresses (`host:port`, a URL, or several with commas), or
/// where the masters say in ZooKeeper (`zk://host:port,host:port/path`). Clones share what they have found.
#[derive(Debug, Clone)]
pub struct Masters(Kind);

#[derive(Debug, Clone)]
enum Kind {
    /// At least one, each as a URL with the path `/`.
    Listed(Vec<Url>),
    Elected(Arc<Detector>),
}

impl Masters {
    /// The addresses that were named; none where ZooKeeper is asked.
    pub fn urls(&self) -> &[Url] {
        match &self.0 {
            Kind::Listed(urls) => urls,
            Kind::Elected(_) => &[],
        }
    }

    /// The address to try after `failures` failures in a row.
    ///
    /// # Errors
    /// When ZooKeeper does not say who leads.
    pub(crate) async fn pick(&self, failures: usize) -> Result<Url, ClientError> {
        match &self.0 {
            Kind::Listed(urls) => Ok(urls[failures % urls.len()].clone()),
            Kind::Elected(detector) => detector.leader().await,
        }
    }

    /// Ends when it is known that another master leads. One of several named ones says so itself.
    pub(crate) async fn replaced(&self, master: &Url) {
        match &self.0 {
            Kind::Listed(_) => std::future::pending().await,
            Kind::Elected(detector) => detector.replaced(master).await,
        }
    }
}

impl FromStr for Masters {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        if ZooKeeperAddress::is_meant(text) {
            return Ok(Self(Kind::Elected(Arc::new(Detector::new(text.parse()?)))));
        }
        let bad = |reason: &str| ClientError::Address { address: text.to_owned(), reason: reason.to_owned() };
        let pieces = text.split(',').map(str::trim).filter(|piece| !piece.is_empty());
        let urls = pieces.map(parse_address).collect::<Result<Vec<_>, _>>()?;
        if urls.is_empty() {
            return Err(bad("name at least one master as host:port"));
        }
        Ok(Self(Kind::Listed(urls)))
    }
}

impl From<Url> for Masters {
    fn from(url: Url) -> Self {
        Self(Kind::Listed(vec![url]))
    }
}

impl fmt::Display for Masters {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Listed(urls) => {
                let pieces: Vec<&str> = urls.iter().map(|url| url.as_str().trim_end_matches('/')).collect();
                out.write_str(&pieces.join(","))
            }
            Kind::Elected(detector) => detector.address().fmt(out),
        }
    }
}

/// `host:port` or an `http(s)://` URL; nothing but its origin is kept.
///
/// # Errors
/// It is neither.
pub fn parse_address(text: &str) -> Result<Url, ClientError> {
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

    #[tokio::test]
    async fn addresses_are_read() {
        let masters: Masters = "127.0.0.1:5050, https://b:5051/x?y".parse().unwrap();
        assert_eq!(masters.to_string(), "http://127.0.0.1:5050,https://b:5051");
        assert_eq!(masters.pick(3).await.unwrap().as_str(), "https://b:5051/");
        let elected: Masters = "zk://a,b/mesos".parse().unwrap();
        assert_eq!(elected.to_string(), "zk://a:2181,b:2181/mesos");
        assert!(elected.urls().is_empty());
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_hint() {
        for (bad, hint) in [
            ("zk://a:2181", "zk://host:port,host:port/path"),
            ("", "host:port"),
            ("ftp://a", "http://"),
            ("a:b", "host:port"),
        ] {
            let error = bad.parse::<Masters>().unwrap_err().to_string();
            assert!(error.contains(hint), "{bad}: {error}");
        }
    }
}

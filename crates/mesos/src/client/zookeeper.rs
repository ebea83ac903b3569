//! Addresses of nodes in ZooKeeper, as Mesos writes them: `zk://host:port,host:port/path`.

use std::fmt;
use std::str::FromStr;

use super::ClientError;

/// ZooKeeper's port where an address names none.
const PORT: u16 = 2181;
/// How every such address begins.
pub(crate) const SCHEME: &str = "zk://";

/// Servers of one ensemble, and a node in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZooKeeperAddress {
    servers: Vec<String>,
    /// Without a slash at the end; never empty.
    path: String,
}

impl ZooKeeperAddress {
    /// Whether a text is meant as such an address.
    pub fn is_meant(text: &str) -> bool {
        text.trim_start().starts_with(SCHEME)
    }

    /// The servers, as clients of ZooKeeper want them: `host:port,host:port`.
    pub fn servers(&self) -> String {
        self.servers.join(",")
    }

    /// The node, for example `/mesos`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A node below this one.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        Self { servers: self.servers.clone(), path: format!("{}/{name}", self.path) }
    }
}

impl FromStr for ZooKeeperAddress {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let bad = |reason: &str| ClientError::Address {
            address: without_credentials(text),
            reason: format!("{reason}; write zk://host:port,host:port/path"),
        };
        let rest = text.trim().strip_prefix(SCHEME).ok_or_else(|| bad("this does not begin with zk://"))?;
        if rest.contains('@') {
            return Err(bad("a name and a password would show in the list of processes"));
        }
        let (servers, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_end_matches('/');
        if path.is_empty() {
            return Err(bad("it names no node"));
        }
        if path.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return Err(bad("ZooKeeper has no node of this name"));
        }
        let servers = servers.split(',').map(server).collect::<Option<Vec<_>>>();
        let servers = servers.ok_or_else(|| bad("its servers cannot be read"))?;
        Ok(Self { servers, path: format!("/{path}") })
    }
}

/// `host:port`.
fn server(text: &str) -> Option<String> {
    let text = text.trim();
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => (text, PORT),
    };
    (!host.is_empty() && port != 0 && !host.contains(char::is_whitespace)).then(|| format!("{host}:{port}"))
}

/// What may be shown of a text that holds a password.
fn without_credentials(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("{SCHEME}…@{rest}"),
        None => text.to_owned(),
    }
}

impl fmt::Display for ZooKeeperAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{SCHEME}{}{}", self.servers(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, shown) in [
            ("zk://a:2181,b:2182/mesos", "zk://a:2181,b:2182/mesos"),
            (" zk://a, b/cairn/state/ ", "zk://a:2181,b:2181/cairn/state"),
            ("zk://[::1]:2181/x", "zk://[::1]:2181/x"),
            ("zk://[::1]/x", "zk://[::1]:2181/x"),
        ] {
            let address: ZooKeeperAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(address.to_string().parse::<ZooKeeperAddress>().unwrap(), address);
        }
        let below = "zk://a/cairn".parse::<ZooKeeperAddress>().unwrap().below("schedulers");
        assert_eq!((below.servers().as_str(), below.path()), ("a:2181", "/cairn/schedulers"));
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_reason() {
        for (bad, reason) in [
            ("a:2181/mesos", "does not begin"),
            ("zk://a:2181", "names no node"),
            ("zk://a:2181/", "names no node"),
            ("zk:///mesos", "servers cannot be read"),
            ("zk://a:0/mesos", "servers cannot be read"),
            ("zk://a:x/mesos", "servers cannot be read"),
            ("zk://a,,b/mesos", "servers cannot be read"),
            ("zk://a/b//c", "no node of this name"),
            ("zk://a/../c", "no node of this name"),
            ("zk://me:hunter22@a/mesos", "list of processes"),
        ] {
            let error = bad.parse::<ZooKeeperAddress>().unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("write zk://"), "{bad}: {error}");
            assert!(!error.contains("hunter22"), "{error}");
        }
    }
}

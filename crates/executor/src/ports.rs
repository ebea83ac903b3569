//! Finding out before the start that a port is taken, and by whom.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};

/// A port that something else listens on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("port {port} ({name}) on {address} is already in use{}", holder.as_ref().map(|h| format!(" by {h}")).unwrap_or_default())]
pub struct PortTaken {
    /// What the service calls it.
    pub name: String,
    /// Its number.
    pub port: u16,
    /// Where it should have listened.
    pub address: IpAddr,
    /// `process 123 (java)`, when this user may see it.
    pub holder: Option<String>,
}

/// Checks that every port can be listened on at `address`. Whatever else stops a listener (an address that is not
/// this machine's, a privileged port) is for the service to report.
pub(crate) fn check(address: IpAddr, ports: &BTreeMap<String, u16>) -> Result<(), PortTaken> {
    for (name, &port) in ports {
        match TcpListener::bind(SocketAddr::new(address, port)) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                return Err(PortTaken { name: name.clone(), port, address, holder: holder(port) });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The process that listens on `port`, as far as /proc tells.
fn holder(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listeners(&table, port))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let holds = fs::read_dir(entry.path().join("fd")).ok()?.flatten().any(|fd| {
            fs::read_link(fd.path()).is_ok_and(|target| {
                target.to_str().is_some_and(|t| inodes.iter().any(|i| t == format!("socket:[{i}]")))
            })
        });
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        holds.then(|| format!("process {pid} ({})", name.trim()))
    })
}

/// Inodes of the sockets of a /proc/net/tcp table that listen on `port`.
fn listeners(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let local = fields.get(1)?.rsplit_once(':')?.1;
            let matches = u16::from_str_radix(local, 16).ok()? == port && *fields.get(3)? == LISTEN;
            matches.then(|| fields.get(9).map(|inode| (*inode).to_owned())).flatten()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_port_and_its_holder() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let address = IpAddr::from([127, 0, 0, 1]);
        let error = check(address, &BTreeMap::from([("client".to_owned(), port)])).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!("port {port} (client) on 127.0.0.1 is already in use")), "{text}");
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        drop(held);
        assert_eq!(check(address, &BTreeMap::from([("client".to_owned(), port)])), Ok(()));
    }
}

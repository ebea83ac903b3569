//! The note that tells clients where the controller is and where its token lies.

use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::paths;

/// Name of the file in work directories and in `~/.cairn`.
pub(crate) const FILE: &str = "context.json";
/// The variable that names the file.
pub(crate) const VARIABLE: &str = "CAIRN_CONTEXT";
/// How often a controller that comes up is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// Where a controller is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Context {
    /// Its URL.
    pub(crate) controller: String,
    /// The file with its token.
    pub(crate) token_file: PathBuf,
    /// The master of the cluster beside it, for `cairn dev` that comes again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) master: Option<SocketAddr>,
    /// The work directory of the `cairn dev` that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dev: Option<PathBuf>,
}

impl Context {
    /// A controller that listens there.
    pub(crate) fn new(listen: SocketAddr, token_file: &Path) -> Self {
        let token_file = std::path::absolute(token_file).unwrap_or_else(|_| token_file.to_owned());
        Self { controller: format!("http://{}", reachable(listen)), token_file, master: None, dev: None }
    }

    /// Reads a note; `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let failed = |why: String| {
            Failure::hint(
                format!("cannot read {}: {why}", path.display()),
                "delete it; `cairn dev` writes it anew",
            )
        };
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| failed(error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Writes the note so that only its owner reads it, all of it or nothing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let write = || -> io::Result<()> {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let draft = path.with_extension(format!("json.{}", std::process::id()));
            let mut file =
                fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            fs::rename(draft, path)
        };
        write().map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
    }
}

/// The file that clients read: `$CAIRN_CONTEXT`, or that in `~/.cairn`.
///
/// # Errors
/// When there is no home directory.
pub(crate) fn default_file() -> Result<PathBuf, Failure> {
    match std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        Some(path) => Ok(path.into()),
        None => Ok(paths::home()?.join(FILE)),
    }
}

/// Where a server that listens there is reached from this machine.
pub(crate) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Waits until something accepts connections there.
pub(crate) async fn when_up(listen: SocketAddr) {
    while tokio::net::TcpStream::connect(reachable(listen)).await.is_err() {
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_note_is_for_its_owner_and_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep").join(FILE);
        assert_eq!(Context::read(&path).unwrap(), None);
        let context = Context::new("0.0.0.0:7070".parse().unwrap(), Path::new("/x/token"));
        assert_eq!(context.controller, "http://127.0.0.1:7070");
        context.write(&path).unwrap();
        context.write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Context::read(&path).unwrap(), Some(context));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
        fs::write(&path, "{").unwrap();
        assert!(Context::read(&path).is_err());
    }
}

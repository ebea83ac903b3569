//! The fetcher: brings what a command needs into its sandbox, through a cache.
//!
//! A URI with a `sha256` query parameter names its content: the content is checked and kept under that checksum,
//! whichever URI it came from. Other URIs are kept only when the command asks for it, under the URI itself. Requests
//! for the same key wait for each other, so that ten tasks starting at once download once.

mod download;
mod extract;
mod tree;
mod uri;
mod zip;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cairn_mesos::client::Authorities;
use sha2::{Digest, Sha256};

pub use uri::FetchUri;
pub(crate) use uri::inside;

use download::Download;
use extract::Sharing;
use uri::Archive;

/// Why a sandbox could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URI cannot be fetched by anyone.
    #[error("cannot fetch {uri}: {reason}")]
    Uri {
        /// The URI.
        uri: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The transfer failed.
    #[error("cannot fetch {uri}: {reason}")]
    Transfer {
        /// The URI.
        uri: String,
        /// What went wrong.
        reason: String,
    },
    /// The content is not what the framework asked for.
    #[error("refused {uri}: its sha256 is {actual}, but {expected} was asked for")]
    Checksum {
        /// The URI.
        uri: String,
        /// The checksum in the URI.
        expected: String,
        /// The checksum of what came.
        actual: String,
    },
    /// The archive is damaged or unsafe.
    #[error("cannot extract {archive}: {reason}")]
    Archive {
        /// Path of the archive.
        archive: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk said no.
    #[error("{path}: {source}")]
    Io {
        /// Which file or directory.
        path: String,
        /// The cause.
        source: io::Error,
    },
}

impl FetchError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Io { path, source }
    }
}

type KeyLock = Arc<tokio::sync::Mutex<()>>;

/// Fills sandboxes. Clones share the cache; agents on one machine may share one fetcher.
#[derive(Debug, Clone)]
pub struct Fetcher {
    cache: PathBuf,
    keys: Arc<Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>>,
    download: Download,
}

impl Fetcher {
    /// A fetcher that keeps content in the directory `cache`, which is made when it is needed first.
    pub fn new(cache: PathBuf) -> Self {
        Self { cache, keys: Arc::default(), download: Download::default() }
    }

    /// The same, but it believes servers with certificates of these too, not only those that the system believes.
    #[must_use]
    pub fn trusting(self, authorities: Option<Authorities>) -> Self {
        Self { download: Download::trusting(authorities), ..self }
    }

    /// Brings everything in `uris` into `sandbox`, one after the other, so that a later one may overwrite.
    ///
    /// Who needs nothing any more may drop the future.
    ///
    /// # Errors
    /// The first that fails; the sandbox is then incomplete.
    pub async fn fetch(&self, uris: &[FetchUri], sandbox: &Path) -> Result<(), FetchError> {
        for uri in uris {
            match Key::of(uri) {
                Some(key) => self.through_cache(uri, &key, sandbox).await?,
                None => self.directly(uri, sandbox).await?,
            }
        }
        Ok(())
    }

    async fn directly(&self, uri: &FetchUri, sandbox: &Path) -> Result<(), FetchError> {
        let target = sandbox.join(&uri.output);
        make_parent(&target)?;
        self.download.get(uri, &target).await?;
        let (uri, sandbox) = (uri.clone(), sandbox.to_owned());
        blocking(move || {
            set_mode(&target, if uri.executable { 0o755 } else { 0o644 })?;
            match uri.archive {
                Some(Archive::Gz) => extract::unpack_file(&target, &target),
                Some(format) => extract::unpack(&target, format, &sandbox, Sharing::Own),
                None => Ok(()),
            }
        })
        .await
    }

    async fn through_cache(&self, uri: &FetchUri, key: &Key, sandbox: &Path) -> Result<(), FetchError> {
        let lock = self.lock(&key.0);
        let guard = lock.lock_owned().await;
        let content = self.cache.join(&key.0);
        if !content.exists() {
            self.fill(uri, &content).await?;
        }
        let (uri, sandbox) = (uri.clone(), sandbox.to_owned());
        blocking(move || {
            // It goes on where nobody waits for it any more, and until it is done nobody else may begin.
            let _guard = guard;
            give_out(&uri, &content, &sandbox)
        })
        .await
    }

    /// Downloads under a temporary name and renames when it is whole, so that a crash leaves no half content.
    async fn fill(&self, uri: &FetchUri, content: &Path) -> Result<(), FetchError> {
        fs::create_dir_all(&self.cache).map_err(FetchError::io(&self.cache))?;
        let temporary = Part(content.with_extension("part"));
        self.download.get(uri, &temporary.0).await?;
        set_mode(&temporary.0, if uri.executable { 0o555 } else { 0o444 })?;
        fs::rename(&temporary.0, content).map_err(FetchError::io(content))
    }

    fn lock(&self, key: &str) -> KeyLock {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = keys.get(key).and_then(Weak::upgrade) {
            return lock;
        }
        keys.retain(|_, lock| lock.strong_count() > 0);
        let lock = KeyLock::default();
        keys.insert(key.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

/// A content that is not whole yet; where it does not become whole, nothing is left of it.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // One that became whole has another name by now.
        let _ = fs::remove_file(&self.0);
    }
}

/// Name of a content in the cache.
struct Key(String);

impl Key {
    /// None for what is not cached. What is executable has a file of its own, because links share their mode bits.
    fn of(uri: &FetchUri) -> Option<Self> {
        let name = match &uri.sha256 {
            Some(sum) => format!("sha256-{sum}"),
            None if uri.cache => format!("uri-{}", hex(&Sha256::digest(uri.value.as_bytes()))),
            None => return None,
        };
        Some(Self(if uri.executable { format!("{name}-x") } else { name }))
    }
}

/// Puts cached content into a sandbox: the file itself, and the tree if it is to be extracted.
fn give_out(uri: &FetchUri, content: &Path, sandbox: &Path) -> Result<(), FetchError> {
    let target = sandbox.join(&uri.output);
    make_parent(&target)?;
    extract::link_file(content, &target).map_err(FetchError::io(&target))?;
    let Some(format) = uri.archive else { return Ok(()) };
    if format == Archive::Gz {
        return extract::unpack_file(content, &target);
    }
    let tree = content.with_extension("tree");
    if !tree.exists() {
        let temporary = content.with_extension("tree-part");
        if temporary.exists() {
            fs::remove_dir_all(&temporary).map_err(FetchError::io(&temporary))?;
        }
        fs::create_dir(&temporary).map_err(FetchError::io(&temporary))?;
        extract::unpack(content, format, &temporary, Sharing::Shared)?;
        fs::rename(&temporary, &tree).map_err(FetchError::io(&tree))?;
    }
    extract::link_tree(&tree, sandbox).map_err(FetchError::io(sandbox))
}

fn make_parent(target: &Path) -> Result<(), FetchError> {
    let parent = target.parent().unwrap_or(target);
    fs::create_dir_all(parent).map_err(FetchError::io(parent))
}

fn set_mode(path: &Path, bits: u32) -> Result<(), FetchError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).map_err(FetchError::io(path))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FetchError> + Send + 'static,
) -> Result<T, FetchError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => {
            Err(FetchError::Io { path: "fetcher".to_owned(), source: io::Error::other(error.to_string()) })
        }
    }
}

#[cfg(test)]
mod tests;

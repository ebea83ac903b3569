//! Bringing one URI to one file, checking it on the way.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cairn_mesos::client::Authorities;
use sha2::{Digest, Sha256};

use super::uri::{FetchUri, Source};
use super::{FetchError, hex};

/// Most bytes of one file.
const MAX_BYTES: u64 = 8 * 1024 * 1024 * 1024;
/// How long a server may be silent before the transfer counts as failed.
const STALL: Duration = Duration::from_secs(60);
/// How long one transfer may take in all.
const TOTAL: Duration = Duration::from_secs(30 * 60);
const CONNECT: Duration = Duration::from_secs(10);
/// Attempts at a server that does not answer or answers 5xx, with a second, then two, between them.
const ATTEMPTS: u32 = 3;

/// The transfers of one fetcher. Clients are made when first needed: the one for https loads certificate roots.
#[derive(Debug, Clone, Default)]
pub(super) struct Download {
    plain: Arc<OnceLock<reqwest::Client>>,
    secure: Arc<OnceLock<reqwest::Client>>,
    authorities: Option<Authorities>,
}

impl Download {
    /// Whom it believes by https besides those whom the system believes.
    pub(super) fn trusting(authorities: Option<Authorities>) -> Self {
        Self { authorities, ..Self::default() }
    }

    /// Writes the content of `uri` to `target`, replacing what is there. A wrong checksum leaves no file.
    pub(super) async fn get(&self, uri: &FetchUri, target: &Path) -> Result<(), FetchError> {
        let sum = match &uri.source {
            Source::File(path) => {
                let (uri, from, to) = (uri.clone(), path.clone(), target.to_owned());
                super::blocking(move || copy(&uri, &from, &to)).await?
            }
            Source::Http => self.http(uri, target).await?,
        };
        match &uri.sha256 {
            Some(expected) if sum.as_ref() != Some(expected) => {
                let _ = std::fs::remove_file(target);
                let actual = sum.unwrap_or_default();
                Err(FetchError::Checksum { uri: uri.value.clone(), expected: expected.clone(), actual })
            }
            _ => Ok(()),
        }
    }

    async fn http(&self, uri: &FetchUri, target: &Path) -> Result<Option<String>, FetchError> {
        let client = self.client(uri)?;
        let mut pause = Duration::from_secs(1);
        for _ in 1..ATTEMPTS {
            match transfer(client, uri, target).await {
                Err(Failure::Passing(_)) => tokio::time::sleep(pause).await,
                result => return result.map_err(Failure::into_error),
            }
            pause *= 2;
        }
        transfer(client, uri, target).await.map_err(Failure::into_error)
    }

    fn client(&self, uri: &FetchUri) -> Result<&reqwest::Client, FetchError> {
        let secure = uri.value.starts_with("https://");
        let cell = if secure { &self.secure } else { &self.plain };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        cairn_mesos::client::install_crypto();
        let builder = reqwest::Client::builder();
        // Without https nobody needs the certificate roots, which cost megabytes.
        let builder = match &self.authorities {
            _ if !secure => builder.tls_certs_only([]),
            Some(authorities) => builder.tls_certs_merge(authorities.certificates()),
            None => builder,
        };
        let client = builder
            .connect_timeout(CONNECT)
            .read_timeout(STALL)
            .timeout(TOTAL)
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|e| transfer_error(uri, &e))?;
        Ok(cell.get_or_init(|| client))
    }
}

enum Failure {
    /// Another attempt may succeed.
    Passing(FetchError),
    Final(FetchError),
}

impl Failure {
    fn into_error(self) -> FetchError {
        match self {
            Self::Passing(error) | Self::Final(error) => error,
        }
    }
}

async fn transfer(
    client: &reqwest::Client,
    uri: &FetchUri,
    target: &Path,
) -> Result<Option<String>, Failure> {
    let passing = |e: reqwest::Error| Failure::Passing(transfer_error(uri, &e));
    let refused = |reason: String| FetchError::Transfer { uri: uri.value.clone(), reason };
    let mut response = client.get(&uri.value).send().await.map_err(passing)?;
    let status = response.status();
    if status.is_server_error() {
        return Err(Failure::Passing(refused(format!("the server answered {status}"))));
    }
    if !status.is_success() {
        return Err(Failure::Final(refused(format!("the server answered {status}"))));
    }
    let mut sink = Sink::create(uri, target).map_err(Failure::Final)?;
    while let Some(chunk) = response.chunk().await.map_err(passing)? {
        // A few microseconds of work a chunk; not worth a thread.
        sink.write(&chunk).map_err(Failure::Final)?;
    }
    Ok(sink.sum())
}

fn transfer_error(uri: &FetchUri, error: &reqwest::Error) -> FetchError {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reason = cause.to_string();
        source = cause.source();
    }
    FetchError::Transfer { uri: uri.value.clone(), reason }
}

fn copy(uri: &FetchUri, from: &Path, to: &Path) -> Result<Option<String>, FetchError> {
    let failed = |e: std::io::Error| FetchError::Transfer { uri: uri.value.clone(), reason: e.to_string() };
    let mut input = File::open(from).map_err(failed)?;
    let mut sink = Sink::create(uri, to)?;
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match input.read(&mut buffer).map_err(failed)? {
            0 => return Ok(sink.sum()),
            count => sink.write(&buffer[..count])?,
        }
    }
}

/// A file that is summed up while it is written, if anybody asks for the sum.
struct Sink<'a> {
    uri: &'a FetchUri,
    path: &'a Path,
    file: File,
    hash: Option<Sha256>,
    length: u64,
}

impl<'a> Sink<'a> {
    fn create(uri: &'a FetchUri, path: &'a Path) -> Result<Self, FetchError> {
        // A link from an earlier fetch must not be written through: it may lead into the cache.
        let _ = std::fs::remove_file(path);
        let file = File::create(path).map_err(FetchError::io(path))?;
        let hash = uri.sha256.is_some().then(Sha256::new);
        Ok(Self { uri, path, file, hash, length: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.length += bytes.len() as u64;
        if self.length > MAX_BYTES {
            let reason = format!("it is larger than {MAX_BYTES} bytes");
            return Err(FetchError::Transfer { uri: self.uri.value.clone(), reason });
        }
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        self.file.write_all(bytes).map_err(FetchError::io(self.path))
    }

    fn sum(self) -> Option<String> {
        self.hash.map(|hash| hex(&hash.finalize()))
    }
}

//! The certificate that a server shows.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::SecurityError;

/// How a server speaks TLS: 1.2 or 1.3, with HTTP/1.1 in it, and whoever the client is.
#[derive(Clone)]
pub struct Tls {
    path: PathBuf,
    shown: CertificateDer<'static>,
    between: Vec<CertificateDer<'static>>,
    config: Arc<ServerConfig>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Tls({})", self.path.display())
    }
}

impl Tls {
    /// From two files of PEM: the certificate, followed by those between it and its authority, and its private key.
    ///
    /// # Errors
    /// A file cannot be read or holds something else, or the key is not that of the certificate.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, SecurityError> {
        let (shown, between) = chain(certificate)?;
        let private = private_key(key)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let whole = std::iter::once(&shown).chain(&between).cloned().collect();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|versions| versions.with_no_client_auth().with_single_cert(whole, private))
            .map_err(|error| {
                let other = certificate.display();
                content(key, format!("it does not go with the certificate in {other}: {error}"))
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { path: certificate.to_owned(), shown, between, config: Arc::new(config) })
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The file with the certificate.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The certificate, and those between it and its authority.
    pub(crate) fn chain(&self) -> (&CertificateDer<'static>, &[CertificateDer<'static>]) {
        (&self.shown, &self.between)
    }
}

/// The first certificate of a file, and those that follow.
fn chain(path: &Path) -> Result<(CertificateDer<'static>, Vec<CertificateDer<'static>>), SecurityError> {
    let pem = read(path)?;
    let mut all = CertificateDer::pem_slice_iter(&pem);
    let problem = match all.next() {
        Some(Ok(shown)) => {
            let between: Result<_, _> = all.collect();
            return between.map(|between| (shown, between)).map_err(|error| {
                content(path, format!("a certificate after the first cannot be read: {error}"))
            });
        }
        Some(Err(error)) => format!("the certificate cannot be read: {error}"),
        None => "there is no certificate in it; it begins with -----BEGIN CERTIFICATE-----".to_owned(),
    };
    Err(content(path, problem))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, SecurityError> {
    let problem = "there is no private key in it that can be used; it begins with -----BEGIN PRIVATE KEY-----, without a passphrase";
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|_| content(path, problem.to_owned()))
}

fn content(path: &Path, problem: String) -> SecurityError {
    SecurityError::Content { path: path.to_owned(), problem }
}

fn read(path: &Path) -> Result<Vec<u8>, SecurityError> {
    std::fs::read(path).map_err(|source| SecurityError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use cairn_tests::Authority;

    use super::*;

    #[test]
    fn what_is_no_certificate_or_not_its_key_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let (one, other) = (authority.server(&["127.0.0.1"]), authority.server(&["127.0.0.1"]));
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (certificate, key) = (file("one.pem", &one.certificate), file("one.key", &one.key));
        let (another, empty) = (file("other.key", &other.key), file("empty", ""));
        assert!(Tls::load(&certificate, &key).is_ok());
        for (certificate, key, hint) in [
            (&empty, &key, "no certificate in it"),
            (&key, &key, "no certificate in it"),
            (&certificate, &certificate, "no private key in it"),
            (&certificate, &another, "does not go with the certificate in"),
            (&dir.path().join("nowhere"), &key, "cannot read"),
        ] {
            let error = Tls::load(certificate, key).unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
    }
}

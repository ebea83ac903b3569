//! Whose certificates an agent's executors and its fetcher believe.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairn_mesos::client::{AccessError, Authorities};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::{SecurityError, Tls};

/// A file with certificate authorities, and what stood in it at the start.
#[derive(Debug, Clone)]
pub struct Trust {
    path: PathBuf,
    authorities: Authorities,
}

impl Trust {
    /// From a file of PEM.
    ///
    /// # Errors
    /// It cannot be read or holds something else.
    pub fn load(path: &Path) -> Result<Self, SecurityError> {
        // Executors look for it from their own directories.
        let path = std::path::absolute(path)
            .map_err(|source| SecurityError::Read { path: path.to_owned(), source })?;
        let content = |AccessError { path, problem }: AccessError| SecurityError::Content { path, problem };
        let authorities = Authorities::load(&path).map_err(content)?;
        Ok(Self { path, authorities })
    }

    /// Where it is, from every directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn authorities(&self) -> &Authorities {
        &self.authorities
    }

    /// The same for servers at some addresses, where it is said whom clients trust and what servers show.
    ///
    /// # Errors
    /// One of them would not be believed.
    pub(crate) fn check_all(
        trust: Option<&Self>,
        tls: Option<&Tls>,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Result<(), SecurityError> {
        let (Some(trust), Some(tls)) = (trust, tls) else { return Ok(()) };
        // Nobody comes to the address that stands for all of them.
        let mut addresses = addresses.into_iter().filter(|address| !address.is_unspecified());
        addresses.try_for_each(|address| trust.check(tls, address))
    }

    /// Whether who trusts these believes a server at `address` that shows this now. That it does not is better told by the server
    /// that starts than by each client that comes.
    ///
    /// # Errors
    /// It has run out, names other addresses, or is signed by somebody else.
    fn check(&self, tls: &Tls, address: IpAddr) -> Result<(), SecurityError> {
        self.verify(tls, address).map_err(|error| SecurityError::Content {
            path: tls.path().to_owned(),
            problem: format!(
                "clients that trust {} will not believe a server at {address}: {error}; make one that names {address}, \
                 is signed by an authority in that file, and has not run out",
                self.path.display()
            ),
        })
    }

    fn verify(&self, tls: &Tls, address: IpAddr) -> Result<(), rustls::Error> {
        let mut roots = RootCertStore::empty();
        // What is none of those was refused when the file was read.
        roots.add_parsable_certificates(
            CertificateDer::pem_slice_iter(self.authorities.to_file().as_bytes()).flatten(),
        );
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let (shown, between) = tls.chain();
        verifier
            .verify_server_cert(shown, between, &ServerName::from(address), &[], UnixTime::now())
            .map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use cairn_tests::{Authority, Certified};

    use super::*;

    struct World {
        dir: tempfile::TempDir,
        authority: Authority,
        trust: Trust,
    }

    impl World {
        fn new() -> Self {
            let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
            let ca = dir.path().join("ca.pem");
            std::fs::write(&ca, authority.certificate()).unwrap();
            Self { trust: Trust::load(&ca).unwrap(), dir, authority }
        }

        /// What somebody who trusts the authority says of a server at 127.0.0.1 that shows this.
        fn believed(&self, shown: &Certified) -> Result<(), String> {
            let (certificate, key) = (self.dir.path().join("shown.pem"), self.dir.path().join("shown.key"));
            std::fs::write(&certificate, &shown.certificate).unwrap();
            std::fs::write(&key, &shown.key).unwrap();
            let tls = Tls::load(&certificate, &key).unwrap();
            self.trust.check(&tls, Ipv4Addr::LOCALHOST.into()).map_err(|error| error.to_string())
        }
    }

    #[test]
    fn a_server_that_nobody_would_believe_is_told_why() {
        let world = World::new();
        assert_eq!(world.believed(&world.authority.server(&["127.0.0.1"])), Ok(()));
        for (shown, hint) in [
            (world.authority.server(&["127.0.0.2", "localhost"]), "not valid for name"),
            (world.authority.expired(&["127.0.0.1"]), "expired"),
            (Authority::new().server(&["127.0.0.1"]), "BadSignature"),
        ] {
            let problem = world.believed(&shown).unwrap_err();
            assert!(problem.contains("shown.pem") && problem.contains("ca.pem"), "{problem}");
            assert!(problem.contains(hint) && problem.contains("make one that names 127.0.0.1"), "{problem}");
        }
    }

    #[test]
    fn a_file_without_authorities_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        std::fs::write(&path, "hello").unwrap();
        for path in [path, dir.path().join("nowhere.pem")] {
            let error = Trust::load(&path).unwrap_err().to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }
}

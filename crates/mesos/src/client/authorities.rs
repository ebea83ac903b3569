//! Whom a client believes who a server is.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use reqwest::Certificate;

use super::AccessError;

/// Certificate authorities that a client trusts, and no others. Clones share them.
#[derive(Clone)]
pub struct Authorities {
    pem: Arc<str>,
    certificates: Arc<[Certificate]>,
}

impl PartialEq for Authorities {
    fn eq(&self, other: &Self) -> bool {
        self.pem == other.pem
    }
}

impl Eq for Authorities {}

impl fmt::Debug for Authorities {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Authorities({})", self.certificates.len())
    }
}

impl Authorities {
    /// From a file with their certificates as PEM, one after the other.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn load(path: &Path) -> Result<Self, AccessError> {
        let failed = |problem: String| AccessError { path: path.to_owned(), problem };
        let pem = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Self::parse(pem).map_err(failed)
    }

    /// The same from a text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(pem: String) -> Result<Self, String> {
        super::install_crypto();
        let none = "there is no certificate in it; it begins with -----BEGIN CERTIFICATE-----";
        let certificates = Certificate::from_pem_bundle(pem.as_bytes()).map_err(|_| none.to_owned())?;
        if certificates.is_empty() {
            return Err(none.to_owned());
        }
        // Whether they are certificates shows only here.
        let tried = reqwest::Client::builder().tls_certs_only(certificates.clone()).build();
        tried.map_err(|error| super::error::with_causes(&error))?;
        Ok(Self { pem: pem.into(), certificates: certificates.into() })
    }

    /// As a file holds them.
    pub fn to_file(&self) -> &str {
        &self.pem
    }

    /// One by one.
    pub fn certificates(&self) -> Vec<Certificate> {
        self.certificates.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use cairn_tests::Authority;

    use super::*;

    #[test]
    fn authorities_are_read_and_written_as_they_are() {
        let pem = format!("{}{}", Authority::new().certificate(), Authority::new().certificate());
        let both = Authorities::parse(pem.clone()).unwrap();
        assert_eq!((both.certificates.len(), both.to_file()), (2, pem.as_str()));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for bad in ["", "hello", broken] {
            assert!(Authorities::parse(bad.to_owned()).is_err(), "{bad}");
        }
        let missing = Authorities::load(Path::new("/nowhere/at/all")).unwrap_err().to_string();
        assert!(missing.contains("/nowhere/at/all"), "{missing}");
    }
}

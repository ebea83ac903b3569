//! Certificates that a test makes for itself.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

/// A certificate authority of a test's own.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What a server shows, as PEM.
#[derive(Debug)]
pub struct Certified {
    /// Its certificate.
    pub certificate: String,
    /// The private key to it.
    pub key: String,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::unwrap_used, reason = "a test without certificates is over")]
impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// When the machine has no random numbers.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // Of another name than what it signs: who has signed itself is not believed, least of all by OpenSSL.
        params.distinguished_name.push(DnType::CommonName, "an authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate, as PEM.
    pub fn certificate(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a server at these addresses or names.
    ///
    /// # Panics
    /// When one of them is neither.
    pub fn server(&self, names: &[&str]) -> Certified {
        self.sign(&params(names))
    }

    /// The same, but it has run out.
    ///
    /// # Panics
    /// When one of them is neither.
    pub fn expired(&self, names: &[&str]) -> Certified {
        let mut params = params(names);
        (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 1, 1));
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Certified {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Certified { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

#[expect(clippy::unwrap_used, reason = "a test without certificates is over")]
fn params(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap()
}

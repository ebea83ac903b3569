//! What to do about a peer that cannot be reached.

use std::error::Error;
use std::io;

use rustls::CertificateError;

/// The usual reason.
pub(crate) const CHECK: &str = "check that the address is right and the process runs";

/// Says it from why there is no answer.
pub(crate) fn advice(error: &(dyn Error + 'static)) -> &'static str {
    match std::iter::successors(Some(error), |&error| error.source()).find_map(tls) {
        Some(rustls::Error::InvalidCertificate(problem)) => untrusted(problem),
        Some(rustls::Error::InvalidMessage(_)) => {
            "it seems not to speak TLS: start it with --tls-cert and --tls-key, or come without https and --ca"
        }
        _ => CHECK,
    }
}

/// I/O errors do not give what they carry as their source, and may carry each other.
fn tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<io::Error>() {
        Some(carrier) => tls(carrier.get_ref()?),
        None => error.downcast_ref(),
    }
}

fn untrusted(problem: &CertificateError) -> &'static str {
    use CertificateError as E;
    match problem {
        E::Expired | E::ExpiredContext { .. } => {
            "renew the certificate that it shows (--tls-cert), and start it anew"
        }
        E::NotValidYet | E::NotValidYetContext { .. } => "check the clocks of both machines",
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "come by a name or address that its certificate names, or give it one (--tls-cert) that names this too"
        }
        _ => "give the certificate of the authority that has signed what it shows as --ca FILE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_goes_by_the_cause() {
        let carried = |error| io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error));
        for (problem, hint) in [
            (CertificateError::Expired, "renew"),
            (CertificateError::NotValidYet, "clocks"),
            (CertificateError::NotValidForName, "names this too"),
            (CertificateError::UnknownIssuer, "as --ca FILE"),
        ] {
            let told = advice(&carried(rustls::Error::InvalidCertificate(problem)));
            assert!(told.contains(hint), "{told}");
        }
        let plain = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        assert!(advice(&carried(plain)).contains("not to speak TLS"));
        assert_eq!(advice(&io::Error::from(io::ErrorKind::ConnectionRefused)), CHECK);
        assert_eq!(advice(&rustls::Error::HandshakeNotComplete), CHECK);
    }
}

//! What a server needs before it may listen where others than this machine's own can come.

use std::net::SocketAddr;

/// A server that could be used, or overheard, from elsewhere.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{listen} can be reached from elsewhere, and {danger}: give {flags} (docs/security.md), or listen on a loopback address",
    danger = self.danger(),
    flags = self.flags()
)]
pub struct Exposed {
    listen: SocketAddr,
    asks: bool,
    secret: bool,
}

impl Exposed {
    const ASK: &str = "--credentials FILE (a line `principal secret` for each who may)";
    const TLS: &str = "--tls-cert FILE and --tls-key FILE";

    fn danger(&self) -> String {
        let used = (!self.asks).then_some("everybody could run commands on this machine");
        let heard = (!self.secret).then_some("everybody on the way could read what goes by, secrets too");
        used.into_iter().chain(heard).collect::<Vec<_>>().join(", and ")
    }

    fn flags(&self) -> String {
        let ask = (!self.asks).then_some(Self::ASK);
        let tls = (!self.secret).then_some(Self::TLS);
        ask.into_iter().chain(tls).collect::<Vec<_>>().join(", ")
    }
}

/// Whether a server may listen there: on loopback it always may, elsewhere when it asks who comes and speaks TLS.
///
/// # Errors
/// It may not, and what is missing.
pub(crate) fn check(listen: SocketAddr, asks: bool, secret: bool) -> Result<(), Exposed> {
    if listen.ip().is_loopback() || (asks && secret) {
        return Ok(());
    }
    Err(Exposed { listen, asks, secret })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elsewhere_a_server_asks_who_comes_and_speaks_tls() {
        for own in ["127.0.0.1:5050", "127.8.0.1:1", "[::1]:5050"] {
            assert_eq!(check(own.parse().unwrap(), false, false), Ok(()), "{own}");
        }
        for open in ["0.0.0.0:5050", "192.0.2.1:5050", "[::]:5050"] {
            let refused = |asks, secret| check(open.parse().unwrap(), asks, secret).unwrap_err().to_string();
            assert_eq!(check(open.parse().unwrap(), true, true), Ok(()));
            let (both, no_tls, no_names) =
                (refused(false, false), refused(true, false), refused(false, true));
            assert!(
                both.starts_with(open) && both.contains(Exposed::ASK) && both.contains(Exposed::TLS),
                "{both}"
            );
            assert!(no_tls.contains(Exposed::TLS) && !no_tls.contains("--credentials"), "{no_tls}");
            assert!(no_names.contains(Exposed::ASK) && !no_names.contains("--tls-cert"), "{no_names}");
            assert!(both.ends_with("or listen on a loopback address"), "{both}");
        }
    }
}

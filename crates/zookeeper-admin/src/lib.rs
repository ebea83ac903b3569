//! What a scheduler asks of ZooKeeper servers, and how it changes the membership of an ensemble. It knows nothing of Cairn.
//!
//! - [`Report`], [`fourletter`]: what a server says of itself; [`Ensemble`]: what all of them say;
//! - [`Members`]: who belongs to an ensemble, as ZooKeeper writes it; [`reconfigure`]: one more or one less;
//! - [`super_digest`]: how a server knows its super user.

mod ensemble;
pub mod fourletter;
mod members;
mod reconfig;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

pub use ensemble::{Ensemble, Report};
pub use fourletter::{Mode, Monitor};
pub use members::{Members, Role, ServerId, server_line};
pub use reconfig::{Change, ReconfigError, reconfigure};

/// What `DigestAuthenticationProvider.superDigest` takes: `super:base64(sha1("super:password"))`.
pub fn super_digest(password: &str) -> String {
    format!("super:{}", STANDARD.encode(Sha1::digest(format!("super:{password}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_as_zookeeper_computes_it() {
        // DigestAuthenticationProvider.generateDigest("super:test"), from ZooKeeper's own documentation and tests.
        assert_eq!(super_digest("test"), "super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
    }
}

//! The password of ZooKeeper's super user, whom membership changes need.
//!
//! Each server checks the password of those who connect to it, so each may have its own. Only its digest is given to
//! the server, in a file that nobody else can read.

use cairn_framework::Placement;
use sha2::{Digest as _, Sha256};

use crate::options::Options;

/// Password of the super user at the server with this place: the stack's, or one derived from the id of the server's
/// volume, which is random and stays as long as its data.
pub(crate) fn password(options: &Options, place: &Placement) -> String {
    if let Some(own) = &options.super_password {
        return own.clone();
    }
    let mut hash = Sha256::new_with_prefix("cairn zookeeper super");
    for volume in place.volumes.values() {
        hash.update(volume);
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_passwords_differ_by_volume() {
        let at = |volume: &str| Placement {
            volumes: [("data".to_owned(), volume.to_owned())].into(),
            ..Placement::default()
        };
        let options = Options::default();
        assert_eq!(password(&options, &at("a")), password(&options, &at("a")));
        assert_ne!(password(&options, &at("a")), password(&options, &at("b")));
    }
}

//! KRaft: the cluster's id, and who votes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cairn_framework::{View, Wait};
use sha2::{Digest, Sha256};

use crate::broker::instance_name;
use crate::options::Options;

/// Name of the port and listener on which controllers talk.
pub(crate) const CONTROLLER_PORT: &str = "controller";

/// The id of a cluster, the same for a framework name for ever: its volumes belong to it also after the scheduler's
/// state is lost. 16 bytes in URL-safe base64, as Kafka writes it.
pub(crate) fn cluster_id(framework: &str) -> String {
    let digest = Sha256::digest(format!("kafka cluster {framework}"));
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    // Kafka's own ids never begin with `-`, which its tools take for an option.
    bytes[0] &= 0x7f;
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `controller.quorum.voters`: `0@127.0.0.1:31001,…`.
///
/// # Errors
/// The controllers that have no place yet.
pub(crate) fn voters(options: &Options, view: &View) -> Result<String, Wait> {
    let mut voters = Vec::new();
    let mut missing = Vec::new();
    for id in options.controller_ids() {
        let name = instance_name(id);
        match view.placement(&name).and_then(|p| p.endpoint(CONTROLLER_PORT)) {
            Some(endpoint) => voters.push(format!("{id}@{endpoint}")),
            None => missing.push(name),
        }
    }
    if missing.is_empty() {
        return Ok(voters.join(","));
    }
    Err(Wait::Peers(format!("the controllers need places first: {}", missing.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_and_of_kafkas_form() {
        assert_eq!(cluster_id("demo-kafka"), cluster_id("demo-kafka"));
        assert_ne!(cluster_id("demo-kafka"), cluster_id("other-kafka"));
        for n in 0..500 {
            let id = cluster_id(&format!("f{n}"));
            assert_eq!(id.len(), 22);
            assert!(!id.starts_with('-'));
        }
    }
}

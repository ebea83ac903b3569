//! Tokens of executors: JSON web tokens (HS256) that say which executor of which framework somebody is.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The size of a block of SHA-256, which HMAC needs to know.
const BLOCK: usize = 64;

/// What tokens are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Key(…)")
    }
}

/// Whose token it is; the names are those of Apache Mesos.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The framework.
    pub(crate) fid: String,
    /// The executor.
    pub(crate) eid: String,
    /// The container.
    pub(crate) cid: String,
}

impl Claims {
    /// What of an executor in a container these do not say, in the words of Mesos.
    pub(crate) fn missing(&self, framework: &str, executor: &str, container: &str) -> Option<String> {
        let missing = if self.fid != framework {
            format!("an 'fid' claim with the framework ID {framework}, which is set in the call")
        } else if self.eid != executor {
            format!("an 'eid' claim with the executor ID {executor}, which is set in the call")
        } else if self.cid != container {
            "a 'cid' claim with the correct active ContainerID".to_owned()
        } else {
            return None;
        };
        let Self { fid, eid, cid } = self;
        Some(format!(
            "Authenticated principal '{{ cid: {cid}, eid: {eid}, fid: {fid} }}' does not contain {missing}"
        ))
    }
}

impl Key {
    /// From the secret itself.
    pub fn new(secret: &[u8]) -> Self {
        Self(secret.to_vec())
    }

    pub(crate) fn sign(&self, claims: &Claims) -> String {
        let payload = serde_json::to_vec(claims).unwrap_or_default();
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#),
            URL_SAFE_NO_PAD.encode(payload)
        );
        let signature = URL_SAFE_NO_PAD.encode(self.hmac(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// Whose token this is, if it was signed with this key.
    pub(crate) fn verify(&self, token: &str) -> Option<Claims> {
        #[derive(Deserialize)]
        struct Header {
            alg: String,
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        let given = URL_SAFE_NO_PAD.decode(signature).ok()?;
        // Digests of both are compared, so that the time this takes tells nothing of the signature.
        let same = Sha256::digest(&given) == Sha256::digest(self.hmac(signed.as_bytes()));
        if header.alg != "HS256" || !same {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }

    /// HMAC-SHA-256 (RFC 2104).
    fn hmac(&self, message: &[u8]) -> [u8; 32] {
        let mut key = [0_u8; BLOCK];
        if self.0.len() > BLOCK {
            key[..32].copy_from_slice(&Sha256::digest(&self.0));
        } else {
            key[..self.0.len()].copy_from_slice(&self.0);
        }
        let inner = Sha256::new().chain_update(key.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
        Sha256::new().chain_update(key.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims { fid: "f".into(), eid: "e".into(), cid: "c".into() }
    }

    #[test]
    fn the_known_answers_of_the_standard() {
        let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let short = Key::new(b"Jefe").hmac(b"what do ya want for nothing?");
        assert_eq!(hex(short), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let long = Key::new(&[0xaa; 131]).hmac(b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(hex(long), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }

    #[test]
    fn a_token_is_good_for_its_executor_and_cannot_be_made_without_the_key() {
        let key = Key::new(b"secret");
        let token = key.sign(&claims());
        assert_eq!(key.verify(&token), Some(claims()));
        assert_eq!(Key::new(b"other").verify(&token), None);
        let other = Key::new(b"secret").sign(&Claims { eid: "x".into(), ..claims() });
        let parts: Vec<&str> = token.split('.').collect();
        let others: Vec<&str> = other.split('.').collect();
        for forged in [
            format!("{}.{}.{}", parts[0], others[1], parts[2]),
            format!("{}.{}.", URL_SAFE_NO_PAD.encode(br#"{"alg":"none"}"#), parts[1]),
            format!("{}.{}", parts[0], parts[1]),
            String::new(),
        ] {
            assert_eq!(key.verify(&forged), None, "{forged}");
        }
    }
}

//! Secrets as they are stored: sealed with ChaCha20-Poly1305, each with a nonce of its own and bound to its name, so that
//! what is stored for one cannot be passed off as another.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::aead::{self, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::token::Secret;

/// Says what the key is for, and the version of the form.
const PURPOSE: &[u8] = b"cairn secrets 1";

/// A secret that nobody can read without the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// When it was set, milliseconds since the epoch.
    pub(crate) set_ms: u64,
    /// Random, never used twice with one key.
    nonce: String,
    /// Ciphertext with its tag.
    sealed: String,
}

/// The key that secrets are sealed with.
pub(crate) struct Key(LessSafeKey);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// It was sealed with another key, or somebody has changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("was sealed with another key")]
pub(crate) struct OtherKey;

impl Key {
    /// The key of a file, which is made with mode 0600 when it is not there.
    ///
    /// # Errors
    /// When the file cannot be read or made, or when others may read it.
    pub(crate) fn from_file(path: &Path) -> io::Result<Self> {
        let text = Secret::from_file(path)?;
        let mode = std::fs::metadata(path)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let reason = format!("others may read it (mode {mode:o}); make it yours alone with chmod 600");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
        }
        Self::derived(text.reveal()).ok_or_else(|| io::Error::other("no key can be derived from it"))
    }

    /// A key from a text that nobody can guess.
    pub(crate) fn derived(text: &str) -> Option<Self> {
        let salt = Salt::new(HKDF_SHA256, &[]).extract(text.as_bytes());
        let unbound = UnboundKey::from(salt.expand(&[PURPOSE], &CHACHA20_POLY1305).ok()?);
        Some(Self(LessSafeKey::new(unbound)))
    }

    /// Seals a value under its full name. `None`: the system has no random numbers.
    pub(crate) fn seal(&self, name: &str, value: &str, now_ms: u64) -> Option<Sealed> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = value.as_bytes().to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(unique, bound_to(name), &mut sealed).ok()?;
        Some(Sealed { set_ms: now_ms, nonce: BASE64.encode(nonce), sealed: BASE64.encode(sealed) })
    }

    /// Opens what was sealed under this name.
    ///
    /// # Errors
    /// When it was sealed with another key or under another name, or is damaged.
    pub(crate) fn open(&self, name: &str, sealed: &Sealed) -> Result<String, OtherKey> {
        let nonce = BASE64.decode(&sealed.nonce).map_err(|_| OtherKey)?;
        let nonce = Nonce::try_assume_unique_for_key(&nonce).map_err(|_| OtherKey)?;
        let mut bytes = BASE64.decode(&sealed.sealed).map_err(|_| OtherKey)?;
        let opened = self.0.open_in_place(nonce, bound_to(name), &mut bytes).map_err(|_| OtherKey)?;
        String::from_utf8(opened.to_vec()).map_err(|_| OtherKey)
    }
}

fn bound_to(name: &str) -> Aad<Vec<u8>> {
    aead::Aad::from([PURPOSE, b"\0", name.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::derived(text).unwrap()
    }

    #[test]
    fn what_is_sealed_is_opened_with_its_key_and_under_its_name_only() {
        let sealed = key("k").seal("demo/db", "hunter2 hunter2", 7).unwrap();
        assert_eq!(key("k").open("demo/db", &sealed).unwrap(), "hunter2 hunter2");
        assert_eq!(key("other").open("demo/db", &sealed), Err(OtherKey));
        assert_eq!(key("k").open("demo/admin", &sealed), Err(OtherKey));
        let mut damaged = sealed.clone();
        damaged.sealed.replace_range(..2, "AA");
        assert_eq!(key("k").open("demo/db", &damaged), Err(OtherKey));
        damaged.nonce = "AAAA".into();
        assert_eq!(key("k").open("demo/db", &damaged), Err(OtherKey));
        assert!(!serde_json::to_string(&sealed).unwrap().contains("hunter2"));
    }

    #[test]
    fn the_same_value_never_looks_the_same() {
        let (a, b) = (key("k").seal("x", "value", 0).unwrap(), key("k").seal("x", "value", 0).unwrap());
        assert_ne!((a.nonce, a.sealed), (b.nonce, b.sealed));
    }

    #[test]
    fn a_key_file_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let sealed = Key::from_file(&path).unwrap().seal("x", "value", 0).unwrap();
        assert_eq!(Key::from_file(&path).unwrap().open("x", &sealed).unwrap(), "value");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Key::from_file(&path).unwrap_err().to_string().contains("chmod 600"));
    }
}

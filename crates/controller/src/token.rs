//! Tokens: the caller's, from a file, and one for each stack, derived from a key that never leaves this machine.

use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

/// A secret text. Its debug form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for where it is used.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Reads the secret of a file, which is made with mode 0600 when it is not there.
    ///
    /// # Errors
    /// When the file can neither be read nor made, or is empty.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        if !path.try_exists()? {
            make(path)?;
        }
        let text = std::fs::read_to_string(path)?.trim().to_owned();
        if text.is_empty() {
            let reason = format!("{} is empty; delete it, and a new token is made", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        Ok(Self(text))
    }

    /// Whether `given` is this secret; takes the same time whatever differs.
    pub fn matches(&self, given: &str) -> bool {
        // Hashes have one length, so the comparison tells nothing about where the texts part.
        let (a, b) = (Sha256::digest(&self.0), Sha256::digest(given));
        a.iter().zip(b.iter()).fold(0, |differs, (x, y)| differs | (x ^ y)) == 0
    }

    /// Another secret, for another purpose. Without this one nobody can tell it from chance.
    #[must_use]
    pub fn derived(&self, purpose: &str) -> Self {
        Self(self.hash("purpose", purpose))
    }

    /// The token of a stack: what its schedulers ask for. Without the key nobody can tell it from chance.
    pub fn for_stack(&self, stack: &str) -> Self {
        Self(self.hash("stack", stack))
    }

    fn hash(&self, kind: &str, name: &str) -> String {
        let named = format!("\0{kind}\0{name}");
        let inner = Sha256::new().chain_update(&self.0).chain_update(named).finalize();
        hex(&Sha256::new().chain_update(&self.0).chain_update(inner).finalize())
    }
}

/// Makes the file of a secret, unless somebody else has by then: candidates for the lead share it and may start at once. It is
/// there only when it is whole.
fn make(path: &Path) -> io::Result<()> {
    let draft = path.with_extension(uuid::Uuid::new_v4().simple().to_string());
    let made = write_private(&draft, &random()).and_then(|()| match std::fs::hard_link(&draft, path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = std::fs::remove_file(&draft);
    made.and(removed)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    file.sync_all()
}

fn random() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        use std::fmt::Write;
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_token_is_made_once_and_only_its_owner_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/token");
        let made = Secret::from_file(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Secret::from_file(&path).unwrap(), made);
        assert!(made.matches(made.reveal()));
        assert!(!made.matches("guess"));
        std::fs::write(&path, " \n").unwrap();
        assert!(Secret::from_file(&path).unwrap_err().to_string().contains("is empty"));
    }

    #[test]
    fn all_who_start_at_once_have_the_same() {
        let dir = tempfile::tempdir().unwrap();
        for round in 0..50 {
            let path = dir.path().join(format!("key-{round}"));
            let found: Vec<Secret> = std::thread::scope(|threads| {
                let starts: Vec<_> = (0..4).map(|_| threads.spawn(|| Secret::from_file(&path))).collect();
                starts.into_iter().map(|start| start.join().unwrap().unwrap()).collect()
            });
            assert!(found.iter().all(|one| *one == found[0]));
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 50, "no drafts are left");
    }

    #[test]
    fn every_stack_has_a_token_of_its_own_that_stays() {
        let key = Secret::new("k");
        assert_eq!(key.for_stack("a"), key.for_stack("a"));
        assert_ne!(key.for_stack("a"), key.for_stack("b"));
        assert_ne!(key.for_stack("a"), key.derived("a"));
        assert_eq!(key.for_stack("a").reveal().len(), 64);
        assert_eq!(format!("{:?}", key.for_stack("a")), "Secret(…)");
    }
}

//! Secrets in files that only their owner may read.

use std::fs;
use std::io;
use std::path::Path;

use uuid::Uuid;

use super::{Key, SecurityError};
use crate::whole::{self, Durability};

impl Key {
    /// What stands in a file, whatever it is.
    ///
    /// # Errors
    /// It cannot be read, or is empty.
    pub fn load(path: &Path) -> Result<Self, SecurityError> {
        let secret =
            fs::read(path).map_err(|source| SecurityError::Read { path: path.to_owned(), source })?;
        if secret.is_empty() {
            let problem = "it is empty; write a long random text into it".to_owned();
            return Err(SecurityError::Content { path: path.to_owned(), problem });
        }
        Ok(Self::new(&secret))
    }

    /// The same; a file that is not there is made.
    ///
    /// # Errors
    /// It can be neither read nor made.
    pub(crate) fn kept(path: &Path) -> Result<Self, SecurityError> {
        match make(path) {
            Ok(()) => Self::load(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::load(path),
            Err(source) => Err(SecurityError::Write { path: path.to_owned(), source }),
        }
    }
}

/// It is there only when it is whole.
fn make(path: &Path) -> io::Result<()> {
    if path.try_exists()? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    whole::replace(path, secret.as_bytes(), whole::PRIVATE, Durability::Disk)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let made = Key::kept(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Key::kept(&path).unwrap(), made);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
        fs::write(&path, "").unwrap();
        assert!(Key::kept(&path).unwrap_err().to_string().contains("is empty"));
        let nowhere = Key::kept(&dir.path().join("no/where")).unwrap_err().to_string();
        assert!(nowhere.starts_with("cannot make "), "{nowhere}");
    }
}

//! The distribution archives at hand and their checksums.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::token::hex;

/// Name of the fact that holds the checksums: archive -> hex SHA-256. No instance has a name without a dash.
pub(crate) const FACT: &str = "distributions";

/// Checksums that were computed, kept for as long as the file stays the same.
#[derive(Debug, Default)]
pub(crate) struct Checksums {
    known: BTreeMap<String, (Stamp, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

impl Checksums {
    /// The checksum of each of `archives` that is in `dist`. Blocks: reads whole files where no checksum lies beside
    /// them. An archive that cannot be read counts as absent.
    pub(crate) fn scan(&mut self, dist: &Path, archives: &BTreeSet<String>) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for archive in archives.iter().filter(|a| is_file_name(a)) {
            match self.one(dist, archive) {
                Ok(checksum) => {
                    found.insert(archive.clone(), checksum);
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => tracing::warn!(archive, error = %e, "a distribution archive cannot be read"),
            }
        }
        found
    }

    fn one(&mut self, dist: &Path, archive: &str) -> io::Result<String> {
        let path = dist.join(archive);
        let meta = fs::metadata(&path)?;
        if !meta.is_file() {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        if let Some(noted) = beside(&path) {
            return Ok(noted);
        }
        let stamp = Stamp { length: meta.len(), modified: meta.modified().ok() };
        if let Some((_, checksum)) = self.known.get(archive).filter(|(known, _)| *known == stamp) {
            return Ok(checksum.clone());
        }
        let checksum = digest(&path)?;
        self.known.insert(archive.to_owned(), (stamp, checksum.clone()));
        Ok(checksum)
    }
}

/// The checksum in `<archive>.sha256`, alone or in the manner of `sha256sum`.
fn beside(archive: &Path) -> Option<String> {
    let mut name = archive.file_name()?.to_owned();
    name.push(".sha256");
    let text = fs::read_to_string(archive.with_file_name(name)).ok()?;
    let word = text.split_whitespace().next()?;
    (word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit())).then(|| word.to_ascii_lowercase())
}

fn digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&buffer[..read]);
    }
}

/// Whether a name is that of a file in the directory itself, and not hidden.
pub(crate) fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(checksums: &mut Checksums, dist: &Path) -> BTreeMap<String, String> {
        let names = ["a.tar", "b.tar", "c.tar", "../a.tar"].map(str::to_owned).into();
        checksums.scan(dist, &names)
    }

    #[test]
    fn a_noted_checksum_is_taken_and_a_missing_one_computed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.tar"), "a").unwrap();
        fs::write(dir.path().join("b.tar"), "b").unwrap();
        fs::write(dir.path().join("a.tar.sha256"), format!("{}  a.tar\n", "AB".repeat(32))).unwrap();
        let mut checksums = Checksums::default();
        let found = scan(&mut checksums, dir.path());
        assert_eq!(found.len(), 2, "what is absent or outside is not there: {found:?}");
        assert_eq!(found["a.tar"], "ab".repeat(32));
        assert_eq!(found["b.tar"], "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d");
        fs::write(dir.path().join("b.tar"), "bb").unwrap();
        assert_ne!(scan(&mut checksums, dir.path())["b.tar"], found["b.tar"], "a changed file is read again");
    }
}

//! Files that are replaced as a whole: a crash leaves the old one or the new one, never a part of either.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The mode of a file for its owner alone.
pub(crate) const PRIVATE: u32 = 0o600;
/// The mode of a file for whomever the umask lets read or write it.
pub(crate) const USUAL: u32 = 0o666;

/// What a file survives once it has been replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The end of this process.
    Process,
    /// The end of power.
    Disk,
}

/// Writes a file in the place of the one that may be there, by a draft beside it with the extension `new`. What a crash has
/// left of an earlier draft is written over.
///
/// # Errors
/// As the disk says; the old file is still there, unless only the directory could not be forced to disk.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32, durability: Durability) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&draft)?;
    file.write_all(bytes)?;
    if durability == Durability::Disk {
        file.sync_all()?;
    }
    fs::rename(&draft, path)?;
    if let (Durability::Disk, Some(directory)) = (durability, path.parent()) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_new_one_is_there_alone_and_has_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for (bytes, durability) in [("long ago", Durability::Process), ("now", Durability::Disk)] {
            replace(&path, bytes.as_bytes(), PRIVATE, durability).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), bytes);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::write(dir.path().join("file.new"), "what a crash has left of a draft").unwrap();
        replace(&path, b"short", PRIVATE, Durability::Process).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short");
    }

    #[test]
    fn the_old_one_stays_where_the_new_one_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        replace(&path, b"old", USUAL, Durability::Disk).unwrap();
        fs::create_dir(dir.path().join("file.new")).unwrap();
        replace(&path, b"new", USUAL, Durability::Disk).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}

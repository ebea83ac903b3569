//! Zip archives, as far as programs are packed in them: stored or deflated entries, no encryption.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::read::ZipFile;

use super::extract::{BUFFER, Budget, Sharing, below, set_bits};
use super::tree::Tree;

/// The longest target of a link.
const MAX_TARGET: u64 = 4096;

/// Unpacks all entries into `tree`.
pub(super) fn unpack(archive: File, tree: &Tree, sharing: Sharing) -> Result<(), String> {
    let archive = BufReader::with_capacity(BUFFER, archive);
    let mut archive = ZipArchive::new(archive).map_err(|e| e.to_string())?;
    let mut budget = Budget::default();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|e| e.to_string())?;
        budget.take(entry.size())?;
        let path = PathBuf::from(OsStr::from_bytes(entry.name_raw()));
        place(&mut entry, &path, tree, sharing).map_err(|e| format!("entry {}: {e}", path.display()))?;
    }
    Ok(())
}

fn place<R: Read>(entry: &mut ZipFile<'_, R>, path: &Path, tree: &Tree, sharing: Sharing) -> io::Result<()> {
    let path = below(path)?;
    if entry.is_dir() {
        return tree.directory(&path).map(drop);
    }
    if entry.is_symlink() {
        let mut target = String::new();
        entry.take(MAX_TARGET).read_to_string(&mut target)?;
        return tree.link(&path, Path::new(&target));
    }
    let (size, executable) = (entry.size(), entry.unix_mode().unwrap_or(0o644) & 0o111 != 0);
    let target = tree.free(&path)?;
    // No more than the directory announces; the library compares the sum when it has come to the end.
    let count = io::copy(&mut entry.take(size.saturating_add(1)), &mut File::create_new(&target)?)?;
    if count != size {
        return Err(io::Error::other("it is damaged: its size is not the one announced"));
    }
    set_bits(&target, sharing, executable)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Cursor, Write};
    use std::os::unix::fs::PermissionsExt;

    use zip::CompressionMethod::{self, Deflated, Stored};
    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    /// An archive of files: name, content, how it is packed, permissions.
    fn archive(files: &[(&str, &[u8], CompressionMethod, u32)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content, method, mode) in files {
            let options = SimpleFileOptions::default().compression_method(*method).unix_permissions(*mode);
            writer.start_file(*name, options).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn link(name: &str, target: &str) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.add_symlink(name, target, SimpleFileOptions::default()).unwrap();
        writer.finish().unwrap().into_inner()
    }

    fn unpack_bytes(bytes: &[u8]) -> (tempfile::TempDir, Result<(), String>) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.zip");
        fs::write(&file, bytes).unwrap();
        let into = dir.path().join("in");
        fs::create_dir(&into).unwrap();
        let result = unpack(File::open(file).unwrap(), &Tree::new(&into).unwrap(), Sharing::Own);
        (dir, result)
    }

    #[test]
    fn stored_and_deflated_files_come_with_their_modes() {
        let long = vec![b'x'; 200_000];
        let (dir, result) = unpack_bytes(&archive(&[
            ("a/run", b"stored", Stored, 0o755),
            ("a/long", &long, Deflated, 0o644),
        ]));
        result.unwrap();
        let path = |name: &str| dir.path().join("in").join(name);
        assert_eq!(fs::read(path("a/run")).unwrap(), b"stored");
        assert_eq!(fs::read(path("a/long")).unwrap(), long);
        let mode = |name: &str| fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("a/run"), mode("a/long")), (0o755, 0o644));
    }

    #[test]
    fn links_lead_inside() {
        let (dir, result) = unpack_bytes(&link("lib/libx.so", "../libx.so.1"));
        result.unwrap();
        let target = fs::read_link(dir.path().join("in/lib/libx.so")).unwrap();
        assert_eq!(target, Path::new("../libx.so.1"));
        for target in ["/etc/passwd", "../../out"] {
            let error = unpack_bytes(&link("lib/libx.so", target)).1.unwrap_err();
            assert!(error.contains("outside the sandbox"), "{error}");
        }
    }

    #[test]
    fn what_climbs_or_lies_is_refused() {
        let (dir, result) = unpack_bytes(&archive(&[("../escape", b"x", Stored, 0o644)]));
        result.unwrap_err();
        assert!(!dir.path().join("escape").exists());
        let good = archive(&[("a", b"/etc/passwd", Deflated, 0o644)]);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            let _: Result<(), String> = unpack_bytes(&bad).1;
            let _: Result<(), String> = unpack_bytes(&good[..at]).1;
        }
    }
}

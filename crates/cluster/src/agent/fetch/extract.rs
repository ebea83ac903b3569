//! Unpacking archives, and giving an unpacked tree to many sandboxes.

use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::read::MultiGzDecoder;
use tar::{Entry, EntryType};

use super::tree::Tree;
use super::uri::{Archive, inside};
use super::{FetchError, zip};

/// Most entries an archive may have.
const MAX_ENTRIES: usize = 200_000;
/// Most bytes an archive may unpack to.
const MAX_BYTES: u64 = 16 * 1024 * 1024 * 1024;
/// Most bytes that may follow the end of a tar archive.
const PADDING: u64 = 64 * 1024 * 1024;
/// Read buffer: large enough that a big archive needs few system calls.
pub(super) const BUFFER: usize = 256 * 1024;

/// Whether the unpacked files are shared between sandboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// They belong to one sandbox, and may be written to.
    Own,
    /// They are read-only, so that no sandbox changes what another one sees.
    Shared,
}

/// What an archive may still unpack to.
pub(super) struct Budget {
    entries: usize,
    bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { entries: MAX_ENTRIES, bytes: MAX_BYTES }
    }
}

impl Budget {
    /// Another entry, of so many bytes.
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), String> {
        let entries = self.entries.checked_sub(1);
        self.entries = entries.ok_or_else(|| format!("it has more than {MAX_ENTRIES} entries"))?;
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.ok_or_else(|| format!("it unpacks to more than {MAX_BYTES} bytes"))?;
        Ok(())
    }
}

/// Unpacks `archive` into `into`, which exists. Entries that lead outside are refused.
pub(super) fn unpack(
    archive: &Path,
    format: Archive,
    into: &Path,
    sharing: Sharing,
) -> Result<(), FetchError> {
    let bad = |reason: String| FetchError::Archive { archive: archive.display().to_string(), reason };
    let file = File::open(archive).map_err(|e| bad(e.to_string()))?;
    let tree = Tree::new(into).map_err(|e| bad(e.to_string()))?;
    let buffered = |file| BufReader::with_capacity(BUFFER, file);
    match format {
        Archive::Tar => unpack_tar(buffered(file), &tree, sharing),
        Archive::TarGz => unpack_tar(MultiGzDecoder::new(buffered(file)), &tree, sharing),
        Archive::TarBz2 => unpack_through("bzip2", file, &tree, sharing),
        Archive::TarXz => unpack_through("xz", file, &tree, sharing),
        Archive::Zip => zip::unpack(file, &tree, sharing),
        Archive::Gz => Err("it holds one file".to_owned()),
    }
    .map_err(bad)
}

/// Unpacks a single file beside itself: `a.gz` as `a`.
pub(super) fn unpack_file(packed: &Path, target: &Path) -> Result<(), FetchError> {
    let result = || -> io::Result<()> {
        let from = MultiGzDecoder::new(BufReader::with_capacity(BUFFER, File::open(packed)?));
        let to = target.with_extension("");
        if to == target {
            return Ok(());
        }
        let count = io::copy(&mut from.take(MAX_BYTES), &mut File::create(&to)?)?;
        if count == MAX_BYTES { Err(io::Error::other("it unpacks to too much")) } else { Ok(()) }
    };
    result().map_err(|error| FetchError::Archive {
        archive: target.display().to_string(),
        reason: error.to_string(),
    })
}

/// Unpacks what a program of the machine has to decompress, as Mesos does with all its archives.
fn unpack_through(program: &str, file: File, tree: &Tree, sharing: Sharing) -> Result<(), String> {
    let mut child = Command::new(program)
        .arg("-dc")
        .stdin(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("unpacking it takes the program {program}: {error}"))?;
    let result = match child.stdout.take() {
        Some(mut output) => unpack_tar(&mut output, tree, sharing).and_then(|()| {
            // What pads the archive; without it the program would find its pipe closed.
            io::copy(&mut output.take(PADDING), &mut io::sink()).map(drop).map_err(|error| error.to_string())
        }),
        None => Err(format!("{program} has no output")),
    };
    if result.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    result?;
    if status.success() { Ok(()) } else { Err(format!("{program} cannot decompress it: {status}")) }
}

fn unpack_tar(reader: impl Read, tree: &Tree, sharing: Sharing) -> Result<(), String> {
    let mut archive = tar::Archive::new(reader);
    archive.set_preserve_mtime(false);
    let mut budget = Budget::default();
    for entry in archive.entries().map_err(|e| e.to_string())? {
        let mut entry = entry.map_err(|e| e.to_string())?;
        budget.take(entry.size())?;
        let path = entry.path().map_err(|e| e.to_string())?.into_owned();
        place(&mut entry, &path, tree, sharing).map_err(|e| format!("entry {}: {e}", path.display()))?;
    }
    Ok(())
}

fn place<R: Read>(entry: &mut Entry<'_, R>, path: &Path, tree: &Tree, sharing: Sharing) -> io::Result<()> {
    let kind = entry.header().entry_type();
    let target = entry.link_name()?.unwrap_or_default().into_owned();
    let path = below(path)?;
    match kind {
        // Extended headers are read by the library.
        EntryType::XGlobalHeader | EntryType::XHeader => Ok(()),
        EntryType::Directory => tree.directory(&path).map(drop),
        // A directory, as archives from before there was a type for it say.
        EntryType::Regular if entry.path_bytes().ends_with(b"/") => tree.directory(&path).map(drop),
        EntryType::Symlink => tree.link(&path, &target),
        EntryType::Link => tree.hard_link(&path, &below(&target)?),
        EntryType::Regular => {
            let executable = entry.header().mode().unwrap_or(0o644) & 0o111 != 0;
            let file = tree.free(&path)?;
            entry.unpack(&file)?;
            set_bits(&file, sharing, executable)
        }
        // Devices and pipes have no business in a sandbox.
        _ => Err(io::Error::other("it is neither a file, a directory nor a link")),
    }
}

/// The path of an entry below where it is unpacked. As `tar` and `unzip` have it, this is also for what was packed from the root.
pub(super) fn below(path: &Path) -> io::Result<PathBuf> {
    let path = path.strip_prefix("/").unwrap_or(path);
    if path.components().all(|part| part == Component::CurDir) {
        return Ok(PathBuf::new());
    }
    inside(path).ok_or_else(|| io::Error::other("its path leads outside the sandbox"))
}

pub(super) fn set_bits(path: &Path, sharing: Sharing, executable: bool) -> io::Result<()> {
    let bits = match (sharing, executable) {
        (Sharing::Own, false) => 0o644,
        (Sharing::Own, true) => 0o755,
        (Sharing::Shared, false) => 0o444,
        (Sharing::Shared, true) => 0o555,
    };
    fs::set_permissions(path, Permissions::from_mode(bits))
}

/// Makes the tree at `from` appear below `to`: directories are made, files are hard links where the file system allows
/// that and copies where it does not.
pub(super) fn link_tree(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            match fs::create_dir(&target) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => link_tree(&entry.path(), &target)?,
            }
        } else if kind.is_symlink() {
            if target.is_symlink() {
                fs::remove_file(&target)?;
            }
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, &target)?;
        } else {
            link_file(&entry.path(), &target)?;
        }
    }
    Ok(())
}

/// A hard link to `from`, or a copy of one's own where links cannot be.
pub(super) fn link_file(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(to)?;
            link_file(from, to)
        }
        Err(_) => fs::copy(from, to).map(drop),
        Ok(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, &str, u32)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content, mode) in entries {
            let mut header = tar::Header::new_gnu();
            // Written by hand: the library refuses to write a path that climbs.
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(content.len() as u64);
            header.set_mode(*mode);
            header.set_cksum();
            builder.append(&header, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn link(target: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "dir/link", target).unwrap();
        builder.into_inner().unwrap()
    }

    fn unpack_bytes(bytes: &[u8], sharing: Sharing) -> (tempfile::TempDir, Result<(), FetchError>) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.tar");
        fs::write(&file, bytes).unwrap();
        let into = dir.path().join("in");
        fs::create_dir(&into).unwrap();
        let result = unpack(&file, Archive::Tar, &into, sharing);
        (dir, result)
    }

    #[test]
    fn shared_trees_are_read_only_and_linked() {
        let (dir, result) =
            unpack_bytes(&archive(&[("bin/run", "x", 0o755), ("lib/a.jar", "y", 0o644)]), Sharing::Shared);
        result.unwrap();
        let to = dir.path().join("sandbox");
        fs::create_dir(&to).unwrap();
        link_tree(&dir.path().join("in"), &to).unwrap();
        let mode = |p: &str| fs::metadata(to.join(p)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("bin/run"), mode("lib/a.jar")), (0o555, 0o444));
        use std::os::unix::fs::MetadataExt;
        assert_eq!(fs::metadata(to.join("bin/run")).unwrap().nlink(), 2);
    }

    #[test]
    fn entries_that_climb_are_refused() {
        for path in ["../escape", "a/../../escape"] {
            let (dir, result) = unpack_bytes(&archive(&[(path, "x", 0o644)]), Sharing::Own);
            assert!(result.is_err(), "{path}");
            assert!(!dir.path().join("escape").exists());
        }
    }

    #[test]
    fn what_was_packed_from_the_root_is_unpacked_below_the_directory() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        let path = outside.path().to_str().unwrap();
        let (unpacked, result) =
            unpack_bytes(&archive(&[("./", "", 0o755), (path, "x", 0o755)]), Sharing::Own);
        result.unwrap();
        let below = unpacked.path().join("in").join(path.trim_start_matches('/'));
        assert_eq!(fs::read_to_string(below).unwrap(), "x");
        assert_eq!(fs::metadata(outside.path()).unwrap().permissions().mode() & 0o777, 0o600);
        drop(dir);
    }

    #[test]
    fn links_stay_inside() {
        assert!(unpack_bytes(&link("../other"), Sharing::Own).1.is_ok());
        for target in ["../../etc", "/etc/passwd"] {
            let error = unpack_bytes(&link(target), Sharing::Own).1.unwrap_err().to_string();
            assert!(error.contains("outside the sandbox"), "{error}");
        }
    }
}

//! Unpacking archives, and giving an unpacked tree to many sandboxes.

use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};
use std::process::{Command, Stdio};

use flate2::read::MultiGzDecoder;
use tar::{Entry, EntryType};

use super::uri::Archive;
use super::{FetchError, zip};

/// Most entries an archive may have.
pub(super) const MAX_ENTRIES: usize = 200_000;
/// Most bytes an archive may unpack to.
pub(super) const MAX_BYTES: u64 = 16 * 1024 * 1024 * 1024;
/// Most bytes that may follow the end of a tar archive.
const PADDING: u64 = 64 * 1024 * 1024;
/// Read buffer: large enough that a big archive needs few system calls.
const BUFFER: usize = 256 * 1024;

/// Whether the unpacked files are shared between sandboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// They belong to one sandbox, and may be written to.
    Own,
    /// They are read-only, so that no sandbox changes what another one sees.
    Shared,
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
    let buffered = |file| BufReader::with_capacity(BUFFER, file);
    match format {
        Archive::Tar => unpack_tar(buffered(file), into, sharing),
        Archive::TarGz => unpack_tar(MultiGzDecoder::new(buffered(file)), into, sharing),
        Archive::TarBz2 => unpack_through("bzip2", file, into, sharing),
        Archive::TarXz => unpack_through("xz", file, into, sharing),
        Archive::Zip => zip::unpack(file, into, sharing).map_err(|error| error.to_string()),
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
fn unpack_through(program: &str, file: File, into: &Path, sharing: Sharing) -> Result<(), String> {
    let mut child = Command::new(program)
        .arg("-dc")
        .stdin(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("unpacking it takes the program {program}: {error}"))?;
    let result = match child.stdout.take() {
        Some(mut output) => unpack_tar(&mut output, into, sharing).and_then(|()| {
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

fn unpack_tar(reader: impl Read, into: &Path, sharing: Sharing) -> Result<(), String> {
    let mut archive = tar::Archive::new(reader);
    archive.set_preserve_mtime(false);
    let mut budget = MAX_BYTES;
    for (index, entry) in archive.entries().map_err(|e| e.to_string())?.enumerate() {
        let mut entry = entry.map_err(|e| e.to_string())?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if index >= MAX_ENTRIES {
            return Err(format!("it has more than {MAX_ENTRIES} entries"));
        }
        budget = budget
            .checked_sub(entry.size())
            .ok_or_else(|| format!("it unpacks to more than {MAX_BYTES} bytes"))?;
        place(&mut entry, into, sharing).map_err(|e| format!("entry {name}: {e}"))?;
    }
    Ok(())
}

fn place<R: Read>(entry: &mut Entry<'_, R>, into: &Path, sharing: Sharing) -> io::Result<()> {
    let kind = entry.header().entry_type();
    let wanted = kind.is_file() || kind.is_dir() || kind.is_symlink() || kind.is_hard_link();
    if !wanted {
        // Extended headers are read by the library; devices and pipes have no business in a sandbox.
        return if matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader) {
            Ok(())
        } else {
            Err(io::Error::other("it is neither a file, a directory nor a link"))
        };
    }
    let path = entry.path()?.into_owned();
    if let Some(target) = entry.link_name()? {
        let base = if kind.is_symlink() { path.parent().unwrap_or(Path::new("")) } else { Path::new("") };
        if !stays_inside(base, &target) {
            return Err(io::Error::other(format!("it links to {}, outside the sandbox", target.display())));
        }
    }
    if !entry.unpack_in(into)? {
        return Err(io::Error::other("its path leads outside the sandbox"));
    }
    if kind.is_file() {
        let executable = entry.header().mode().unwrap_or(0o644) & 0o111 != 0;
        set_bits(&into.join(path), sharing, executable)?;
    }
    Ok(())
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

/// Whether `target`, seen from the directory `base` of the tree, lies inside the tree.
fn stays_inside(base: &Path, target: &Path) -> bool {
    let mut depth: usize = 0;
    for part in base.components().chain(target.components()) {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    true
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
    fn links_stay_inside() {
        assert!(unpack_bytes(&link("../other"), Sharing::Own).1.is_ok());
        for target in ["../../etc", "/etc/passwd"] {
            let error = unpack_bytes(&link(target), Sharing::Own).1.unwrap_err().to_string();
            assert!(error.contains("outside the sandbox"), "{error}");
        }
    }
}

//! Files of sandboxes: reading and listing them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cairn_mesos::v1::{FileInfo, TimeInfo};
use serde::Serialize;

/// Most bytes of one answer.
const MAX_LENGTH: u64 = 16 * 4096;

/// Part of a file.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Part {
    data: String,
    offset: u64,
}

/// Why there is no part.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// There is no such file, or none that may be read.
    #[error("no such file")]
    NotFound,
    /// It is a directory.
    #[error("cannot read a directory")]
    Directory,
    /// The disk said no.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Reads from `offset`; without one only says how long the file is. `path` is the path of a file in a sandbox or volume,
/// or starts with `/frameworks/`, below the agent.
pub(crate) fn read(
    work_dir: &Path,
    path: &str,
    offset: Option<u64>,
    length: Option<u64>,
) -> Result<Part, ReadError> {
    let mut file = open(work_dir, path)?;
    let Some(offset) = offset else {
        return Ok(Part { data: String::new(), offset: file.metadata()?.len() });
    };
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length.unwrap_or(MAX_LENGTH).min(MAX_LENGTH)).read_to_end(&mut bytes)?;
    Ok(Part { data: String::from_utf8_lossy(&bytes).into_owned(), offset })
}

/// The same for programs: any bytes, and the size of the whole file.
pub(crate) fn read_bytes(
    work_dir: &Path,
    path: &str,
    offset: u64,
    length: Option<u64>,
) -> Result<(u64, Vec<u8>), ReadError> {
    let mut file = open(work_dir, path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length.unwrap_or(MAX_LENGTH).min(MAX_LENGTH)).read_to_end(&mut bytes)?;
    Ok((size, bytes))
}

/// A file that may be read, opened.
pub(crate) fn open(work_dir: &Path, path: &str) -> Result<File, ReadError> {
    let path = resolve(work_dir, path).ok_or(ReadError::NotFound)?;
    if path.is_dir() {
        return Err(ReadError::Directory);
    }
    Ok(File::open(path)?)
}

/// What is in a directory, by name, with paths that begin as the one that was asked for.
pub(crate) fn list(work_dir: &Path, path: &str) -> Result<Vec<FileInfo>, ReadError> {
    let real = resolve(work_dir, path).filter(|real| real.is_dir()).ok_or(ReadError::NotFound)?;
    let (users, groups) = (names("/etc/passwd"), names("/etc/group"));
    let mut infos = Vec::new();
    for entry in fs::read_dir(real)?.flatten() {
        // Whatever has gone in the meantime is left out.
        let Ok(metadata) = fs::symlink_metadata(entry.path()) else { continue };
        let name = |names: &BTreeMap<u32, String>, id: u32| {
            Some(names.get(&id).cloned().unwrap_or_else(|| id.to_string()))
        };
        infos.push(FileInfo {
            path: format!("{}/{}", path.trim_end_matches('/'), entry.file_name().to_string_lossy()),
            nlink: i32::try_from(metadata.nlink()).ok(),
            size: Some(metadata.len()),
            mtime: Some(TimeInfo { nanoseconds: metadata.mtime().saturating_mul(1_000_000_000) }),
            mode: Some(metadata.mode()),
            uid: name(&users, metadata.uid()),
            gid: name(&groups, metadata.gid()),
        });
    }
    infos.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(infos)
}

/// Names by number, from a file like `/etc/passwd`.
fn names(path: &str) -> BTreeMap<u32, String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    text.lines().filter_map(line).collect()
}

/// A mode as `ls` writes it.
pub(crate) fn mode_text(mode: u32) -> String {
    let kind = match mode & 0o170_000 {
        0o040_000 => 'd',
        0o120_000 => 'l',
        _ => '-',
    };
    let bit = |place: u32| if mode & (1 << place) == 0 { '-' } else { ['x', 'w', 'r'][place as usize % 3] };
    std::iter::once(kind).chain((0..9).rev().map(bit)).collect()
}

/// Whether a file may be read by whoever asks: what only its owner may read holds secrets. What a task prints is for
/// people, whatever the umask is.
fn is_open(path: &Path) -> bool {
    let printed = path.file_name().is_some_and(|name| name == "stdout" || name == "stderr");
    printed || fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o044 != 0)
}

/// The real path, if it lies in a sandbox or a volume: links may not lead elsewhere, the agent's state least of all.
fn resolve(work_dir: &Path, path: &str) -> Option<PathBuf> {
    let path = match path.strip_prefix("/frameworks/") {
        Some(rest) => latest_agent(work_dir)?.join("frameworks").join(rest),
        None => PathBuf::from(path),
    };
    let real = fs::canonicalize(path).ok()?;
    let allowed = ["slaves", "volumes"].iter().any(|part| real.starts_with(work_dir.join(part)));
    (allowed && is_open(&real)).then_some(real)
}

fn latest_agent(work_dir: &Path) -> Option<PathBuf> {
    fs::read_dir(work_dir.join("slaves"))
        .ok()?
        .flatten()
        .max_by_key(|entry| entry.metadata().and_then(|m| m.modified()).ok())
        .map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sandboxes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let work_dir = dir.path().canonicalize().unwrap();
        let run = work_dir.join("slaves/S0/frameworks/f/executors/e/runs/latest");
        fs::create_dir_all(&run).unwrap();
        fs::create_dir_all(work_dir.join("meta")).unwrap();
        fs::write(run.join("stdout"), "hello").unwrap();
        fs::write(work_dir.join("meta/agent"), "secret").unwrap();
        std::os::unix::fs::symlink(work_dir.join("meta/agent"), run.join("link")).unwrap();
        let get = |path: &str, offset| read(&work_dir, path, offset, None);
        let absolute = run.join("stdout").display().to_string();
        assert_eq!(get(&absolute, Some(1)).unwrap(), Part { data: "ello".into(), offset: 1 });
        let part = get("/frameworks/f/executors/e/runs/latest/stdout", None).unwrap();
        assert_eq!(part, Part { data: String::new(), offset: 5 });
        fs::write(run.join("config.json"), "secret").unwrap();
        let private = fs::Permissions::from_mode(0o600);
        for file in ["config.json", "stdout"] {
            fs::set_permissions(run.join(file), private.clone()).unwrap();
        }
        assert!(get(&absolute, Some(1)).is_ok(), "what is printed is for people");
        for path in [
            run.join("config.json"),
            run.join("link"),
            work_dir.join("meta/agent"),
            PathBuf::from("/etc/passwd"),
        ] {
            assert!(matches!(get(&path.display().to_string(), Some(0)), Err(ReadError::NotFound)));
        }
    }
}

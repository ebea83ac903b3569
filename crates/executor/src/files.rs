//! Writing rendered files into the sandbox.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, lchown};
use std::path::{Component, Path, PathBuf};

use cairn_task::{ConfigFile, FileMode};

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// The path is absolute, empty or climbs.
    #[error("file {0:?} would lie outside the sandbox: use a relative path without `..`")]
    Outside(String),
    /// The file system said no.
    #[error("cannot write {path}: {source}")]
    Io { path: String, source: io::Error },
}

/// Writes `file` (already rendered) below `sandbox`, with its parent directories, owned by `owner` if given.
pub(crate) fn write(sandbox: &Path, file: &ConfigFile, owner: Option<u32>) -> Result<(), FileError> {
    let relative = relative(&file.path)?;
    let path = sandbox.join(&relative);
    let failed = |source| FileError::Io { path: file.path.clone(), source };
    create_parents(sandbox, &relative, owner).map_err(failed)?;
    if file.keep && path.exists() {
        return Ok(());
    }
    write_whole(&path, file, owner).map_err(failed)
}

/// Makes a directory below `sandbox`, with those above it.
pub(crate) fn directory(sandbox: &Path, path: &str) -> Result<(), FileError> {
    let relative = relative(path)?.join("inside");
    create_parents(sandbox, &relative, None).map_err(|source| FileError::Io { path: path.to_owned(), source })
}

/// Through a temporary file, so that a service never reads half a file, and a link left by an archive is replaced
/// rather than followed.
fn write_whole(path: &Path, file: &ConfigFile, owner: Option<u32>) -> io::Result<()> {
    let bits = match file.mode {
        FileMode::Normal => 0o644,
        FileMode::Private => 0o600,
        FileMode::Executable => 0o755,
    };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".cairn-new");
    let temporary = path.with_file_name(name);
    let _ = fs::remove_file(&temporary);
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(bits).open(&temporary)?;
    out.write_all(file.content.as_bytes())?;
    fs::set_permissions(&temporary, fs::Permissions::from_mode(bits))?;
    if let Some(id) = owner {
        chown(&temporary, Some(id), Some(id))?;
    }
    fs::rename(&temporary, path)
}

fn create_parents(sandbox: &Path, relative: &Path, owner: Option<u32>) -> io::Result<()> {
    let mut at = sandbox.to_owned();
    for part in relative.parent().into_iter().flat_map(Path::components) {
        at.push(part);
        match fs::create_dir(&at) {
            Ok(()) => {
                if let Some(id) = owner {
                    chown(&at, Some(id), Some(id))?;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn relative(path: &str) -> Result<PathBuf, FileError> {
    let outside = || FileError::Outside(path.to_owned());
    let mut out = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::CurDir => {}
            _ => return Err(outside()),
        }
    }
    if out.as_os_str().is_empty() || path.contains('\0') { Err(outside()) } else { Ok(out) }
}

/// Gives the sandbox itself and the volumes linked into it to `owner`, so that a service that must not be root can
/// write where it is meant to. A volume that belongs to somebody else is given with all that it holds.
pub(crate) fn hand_over(sandbox: &Path, owner: u32) -> io::Result<()> {
    chown(sandbox, Some(owner), Some(owner))?;
    for entry in fs::read_dir(sandbox)? {
        let path = entry?.path();
        let is_volume = path.is_symlink() && path.is_dir();
        if is_volume && fs::metadata(&path)?.uid() != owner {
            give_all(&path.canonicalize()?, owner)?;
        }
    }
    Ok(())
}

/// The folder last, so that a hand-over that was interrupted begins again. Links are not followed.
fn give_all(folder: &Path, owner: u32) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            give_all(&entry.path(), owner)?;
        } else {
            lchown(entry.path(), Some(owner), Some(owner))?;
        }
    }
    chown(folder, Some(owner), Some(owner))
}

/// The first folder on the way to the sandbox, or to a volume linked into it, that `user` may not pass through.
pub(crate) fn closed_to(sandbox: &Path, user: u32) -> io::Result<Option<PathBuf>> {
    let mut ways = vec![sandbox.to_owned()];
    for entry in fs::read_dir(sandbox)? {
        let path = entry?.path();
        if path.is_symlink() && path.is_dir() {
            ways.push(path.canonicalize()?);
        }
    }
    for folder in ways.iter().flat_map(|way| way.ancestors().skip(1)) {
        let about = fs::metadata(folder)?;
        let bit = match (about.uid() == user, about.gid() == user) {
            (true, _) => 0o100,
            (_, true) => 0o010,
            _ => 0o001,
        };
        if about.mode() & bit == 0 {
            return Ok(Some(folder.to_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str) -> ConfigFile {
        ConfigFile { path: path.into(), content: content.into(), ..ConfigFile::default() }
    }

    #[test]
    fn writes_with_parents_and_mode() {
        let dir = tempfile::tempdir().unwrap();
        let secret = ConfigFile { mode: FileMode::Private, ..file("conf/a/b.txt", "x") };
        write(dir.path(), &secret, None).unwrap();
        let path = dir.path().join("conf/a/b.txt");
        assert_eq!(fs::read_to_string(&path).unwrap(), "x");
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn keep_leaves_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let first = ConfigFile { keep: true, ..file("zoo.cfg.dynamic", "first") };
        write(dir.path(), &first, None).unwrap();
        write(dir.path(), &ConfigFile { content: "second".into(), ..first }, None).unwrap();
        assert_eq!(fs::read_to_string(dir.path().join("zoo.cfg.dynamic")).unwrap(), "first");
    }

    #[test]
    fn paths_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["../x", "/etc/x", "a/../../x", "", "."] {
            assert!(matches!(write(dir.path(), &file(path, ""), None), Err(FileError::Outside(_))), "{path}");
        }
    }

    #[test]
    fn a_link_is_replaced_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        fs::write(&target, "untouched").unwrap();
        std::os::unix::fs::symlink(&target, dir.path().join("link")).unwrap();
        write(dir.path(), &file("link", "new"), None).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
        assert_eq!(fs::read_to_string(dir.path().join("link")).unwrap(), "new");
    }

    #[test]
    fn a_folder_that_is_closed_to_a_user_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let closed = dir.path().join("closed");
        fs::create_dir_all(closed.join("sandbox")).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        let nobody = 65_534;
        let sandbox = closed.join("sandbox");
        assert_eq!(closed_to(&sandbox, nobody).unwrap(), Some(closed.clone()));
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o701)).unwrap();
        assert_eq!(closed_to(&sandbox, nobody).unwrap(), None);
    }

    #[test]
    fn leads_into_a_linked_volume() {
        let dir = tempfile::tempdir().unwrap();
        let volume = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(volume.path(), dir.path().join("data")).unwrap();
        write(dir.path(), &file("data/myid", "1"), None).unwrap();
        assert_eq!(fs::read_to_string(volume.path().join("myid")).unwrap(), "1");
    }
}

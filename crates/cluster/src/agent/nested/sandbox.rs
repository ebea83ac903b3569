//! Sandboxes of nested containers: directories below one that belongs to somebody else, who runs meanwhile.
//!
//! The agent is often root, and a task may put a link in the place of any directory of its sandbox at any moment. So each step
//! from the outermost sandbox on is made by descriptors, without following links, and what is made is worked on by its
//! descriptor until it is given away.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path as File, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;

const MODE: Mode = Mode::from_raw_mode(0o755);

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory(OwnedFd);

impl Directory {
    /// A path to it by which every process of this user finds it, whatever becomes of its name.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}/.", std::process::id(), self.0.as_raw_fd()).into()
    }
}

/// Makes a new directory: `sandbox`, which is below `root`.
///
/// # Errors
/// It exists already, or what is above it are no directories.
pub(crate) fn make(root: &File, sandbox: &File) -> io::Result<Directory> {
    let (above, name) = last(root, sandbox)?;
    let mut at = enter(CWD, root)?;
    for step in above {
        match mkdirat(&at, step.as_path(), MODE) {
            Err(Errno::EXIST) => {}
            result => result?,
        }
        at = enter(at.as_fd(), &step)?;
    }
    mkdirat(&at, name.as_path(), MODE)?;
    Ok(Directory(enter(at.as_fd(), &name)?))
}

/// Deletes `sandbox`, which is below `root`, with all in it. That it does not exist is no error.
///
/// # Errors
/// What is above it are no directories, or it cannot be deleted.
pub(crate) fn delete(root: &File, sandbox: &File) -> io::Result<()> {
    let (above, name) = last(root, sandbox)?;
    let gone = || {
        let mut at = enter(CWD, root)?;
        for step in above {
            at = enter(at.as_fd(), &step)?;
        }
        fs::remove_dir_all(Directory(at).path().join(name))
    };
    match gone() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn enter(at: impl AsFd, name: &File) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(at, name, flags, Mode::empty())?)
}

/// The names from one directory to another, the last one by itself.
fn last(root: &File, sandbox: &File) -> io::Result<(Vec<PathBuf>, PathBuf)> {
    let below = sandbox.strip_prefix(root).map_err(|_| Errno::INVAL)?;
    let mut steps: Vec<PathBuf> = below.components().map(|step| PathBuf::from(step.as_os_str())).collect();
    let name = steps.pop().ok_or(Errno::INVAL)?;
    Ok((steps, name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_sandbox_is_made_once_and_goes_with_all_in_it() {
        let root = tempfile::tempdir().unwrap();
        let sandbox = root.path().join("containers/a");
        let made = make(root.path(), &sandbox).unwrap();
        fs::write(made.path().join("file"), "x").unwrap();
        assert_eq!(fs::read_to_string(sandbox.join("file")).unwrap(), "x");
        assert_eq!(make(root.path(), &sandbox).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        delete(root.path(), &sandbox).unwrap();
        assert!(!sandbox.exists());
        delete(root.path(), &sandbox).unwrap();
    }

    #[test]
    fn links_lead_nowhere() {
        let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(other.path().join("a")).unwrap();
        symlink(other.path(), root.path().join("containers")).unwrap();
        assert!(make(root.path(), &root.path().join("containers/b")).is_err());
        assert!(delete(root.path(), &root.path().join("containers/a")).is_err());
        assert!(other.path().join("a").exists() && !other.path().join("b").exists());
    }
}

//! The users that containers run as.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{User, getgrouplist};
use rustix::fs::{AtFlags, CWD, chownat};
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

/// Whom a container runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Identity {
    /// Whom a container of `user` has to become; none when that is this process's own user already, or when it has no
    /// right to become anybody else.
    ///
    /// # Errors
    /// There is no such user.
    pub(crate) fn of(user: &str) -> Result<Option<Self>, String> {
        if user.is_empty() || !geteuid().is_root() {
            return Ok(None);
        }
        let unknown = |why: &str| format!("Failed to run as user {user:?}: {why}");
        let found = User::from_name(user).map_err(|error| unknown(error.desc()))?;
        let found = found.ok_or_else(|| unknown("there is no such user on the agent's machine"))?;
        if found.uid.is_root() {
            return Ok(None);
        }
        let name = CString::new(user).map_err(|_| unknown("its name holds a zero byte"))?;
        let groups = getgrouplist(&name, found.gid).map_err(|error| unknown(error.desc()))?;
        Ok(Some(Self {
            uid: Uid::from_raw(found.uid.as_raw()),
            gid: Gid::from_raw(found.gid.as_raw()),
            groups: groups.into_iter().map(|group| Gid::from_raw(group.as_raw())).collect(),
        }))
    }

    /// Becomes that user, for good. For a process between fork and exec: three system calls.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn assume(&self) -> io::Result<()> {
        set_thread_groups(&self.groups)?;
        set_thread_gid(self.gid)?;
        set_thread_uid(self.uid)?;
        Ok(())
    }

    /// Gives a file or directory to that user.
    ///
    /// # Errors
    /// It cannot be given away.
    pub(crate) fn give(&self, path: &Path) -> io::Result<()> {
        chownat(CWD, path, Some(self.uid), Some(self.gid), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(())
    }

    /// Gives a sandbox with all in it to that user, the directory itself last: until then nobody of theirs can put anything into
    /// it. What links lead to, and files that the sandbox shares with the cache of
    /// the fetcher, stay whose they are; everybody may read those.
    ///
    /// # Errors
    /// Something cannot be read or given away.
    pub(crate) fn give_all(&self, directory: &Path) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                self.give_all(&entry.path())?;
            } else if metadata.nlink() == 1 {
                self.give(&entry.path())?;
            }
        }
        self.give(directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_becomes_whom_it_is_already() {
        assert_eq!(Identity::of(""), Ok(None));
        assert_eq!(Identity::of("root"), Ok(None));
    }

    #[test]
    fn an_unknown_user_is_told() {
        if geteuid().is_root() {
            let error = Identity::of("who-is-that").unwrap_err();
            assert!(error.contains("\"who-is-that\": there is no such user"), "{error}");
        }
    }

    #[test]
    fn a_sandbox_is_given_away_but_for_what_is_shared() {
        if !geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let sandbox = dir.path().join("sandbox");
        fs::create_dir_all(sandbox.join("in")).unwrap();
        fs::write(dir.path().join("cached"), "").unwrap();
        fs::hard_link(dir.path().join("cached"), sandbox.join("shared")).unwrap();
        std::os::unix::fs::symlink(dir.path(), sandbox.join("out")).unwrap();
        fs::write(sandbox.join("in/own"), "").unwrap();
        let nobody = Identity::of("nobody").unwrap().unwrap();
        nobody.give_all(&sandbox).unwrap();
        let owner = |path: &str| fs::symlink_metadata(dir.path().join(path)).unwrap().uid();
        let given = ["sandbox", "sandbox/in", "sandbox/in/own", "sandbox/out"].map(owner);
        assert_eq!(given, [nobody.uid.as_raw(); 4]);
        assert_eq!(["cached", "."].map(owner), [0, 0]);
    }
}

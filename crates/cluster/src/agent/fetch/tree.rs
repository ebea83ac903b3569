//! The directory that an archive is unpacked to, and which nothing in the archive leaves.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

/// A directory. Whatever links an archive holds, in whichever order, what is put at a path stays inside: directories are
/// looked at as they are on the disk, and each link leads from there to something inside.
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// The directory `root`, which exists.
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        Ok(Self { root: root.canonicalize()? })
    }

    /// The directory at a path, made where it is not there yet. What is returned has no links in it.
    pub(super) fn directory(&self, path: &Path) -> io::Result<PathBuf> {
        let directory = self.root.join(path);
        fs::create_dir_all(&directory)?;
        self.inside(&directory)
    }

    /// Where a file or a link can be made for this path: what is there goes.
    pub(super) fn free(&self, path: &Path) -> io::Result<PathBuf> {
        let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
        let free = self.directory(path.parent().unwrap_or(Path::new("")))?.join(name);
        match fs::remove_file(&free) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(free),
        }
    }

    /// Makes a symbolic link.
    pub(super) fn link(&self, path: &Path, target: &Path) -> io::Result<()> {
        let at = self.free(path)?;
        let depth = at.components().count() - self.root.components().count() - 1;
        if !stays_inside(depth, target) {
            return Err(io::Error::other(format!("it links to {}, outside the sandbox", target.display())));
        }
        symlink(target, at)
    }

    /// Makes a hard link to a file that is there. A link is followed first: elsewhere it would lead elsewhere.
    pub(super) fn hard_link(&self, path: &Path, target: &Path) -> io::Result<()> {
        let file = self.inside(&self.root.join(target))?;
        let at = self.free(path)?;
        fs::hard_link(file, at)
    }

    fn inside(&self, path: &Path) -> io::Result<PathBuf> {
        let real = path.canonicalize()?;
        if real.starts_with(&self.root) {
            Ok(real)
        } else {
            Err(io::Error::other("its path leads outside the sandbox"))
        }
    }
}

/// Whether a link in a directory so deep leads to something inside. Going up is for the beginning of its target, where it is
/// known what is above; behind a name that may be a link itself, nobody knows.
fn stays_inside(depth: usize, target: &Path) -> bool {
    let mut above = 0;
    let mut named = false;
    target.components().all(|part| match part {
        Component::Normal(_) => {
            named = true;
            true
        }
        Component::CurDir => true,
        Component::ParentDir => {
            above += 1;
            !named && above <= depth
        }
        Component::RootDir | Component::Prefix(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, Tree) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        let tree = Tree::new(&dir.path().join("root")).unwrap();
        (dir, tree)
    }

    #[test]
    fn links_lead_inside() {
        for (target, inside) in [
            ("x", true),
            ("../x", true),
            ("./../../x/y", true),
            ("../../../x", false),
            ("x/../y", false),
            ("/etc/passwd", false),
        ] {
            assert_eq!(stays_inside(2, Path::new(target)), inside, "{target}");
        }
    }

    #[test]
    fn a_link_is_looked_at_from_where_it_really_is() {
        let (dir, tree) = tree();
        tree.link(Path::new("a/b/up"), Path::new("..")).unwrap();
        // In `a`, not three levels down.
        tree.link(Path::new("a/b/up/out"), Path::new("../..")).unwrap_err();
        tree.link(Path::new("a/b/up/top"), Path::new("..")).unwrap();
        assert_eq!(fs::canonicalize(dir.path().join("root/a/top")).unwrap(), tree.root);
        fs::write(tree.free(Path::new("a/top/a/top/file")).unwrap(), "").unwrap();
        assert!(dir.path().join("root/file").exists());
    }

    #[test]
    fn a_hard_link_to_a_link_is_one_to_its_file() {
        let (_dir, tree) = tree();
        fs::write(tree.free(Path::new("file")).unwrap(), "x").unwrap();
        tree.link(Path::new("a/b/link"), Path::new("../../file")).unwrap();
        tree.hard_link(Path::new("same"), Path::new("a/b/link")).unwrap();
        assert!(fs::symlink_metadata(tree.root.join("same")).unwrap().is_file());
        tree.hard_link(Path::new("other"), Path::new("../..")).unwrap_err();
    }

    #[test]
    fn what_is_there_makes_room() {
        let (dir, tree) = tree();
        let outside = dir.path().join("outside");
        fs::write(&outside, "kept").unwrap();
        symlink(&outside, tree.root.join("name")).unwrap();
        fs::write(tree.free(Path::new("name")).unwrap(), "new").unwrap();
        assert_eq!(fs::read_to_string(outside).unwrap(), "kept");
        fs::create_dir(tree.root.join("full")).unwrap();
        tree.free(Path::new("full")).unwrap_err();
    }
}

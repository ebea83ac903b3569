//! Output of tasks that grows without end.
//!
//! A task holds its `stdout` and `stderr` open, so they cannot be renamed under it. What is in them moves to `stdout.1` and is
//! cut off at the front: at once and without a gap where the file system can (`FALLOC_FL_COLLAPSE_RANGE`: ext4, xfs), else by
//! emptying the file, where what is written in that moment is lost.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, OFlags, fallocate};

/// Both streams of a container.
const OUTPUTS: [&str; 2] = ["stdout", "stderr"];
/// What is cut off at the front has to be whole blocks of the file system; every usual block divides this.
const BLOCK: u64 = 65_536;

/// Moves the output of a container aside where it is larger than `limit` bytes. One older piece is kept of each.
///
/// # Errors
/// It cannot be read, or there is no room for it.
pub(crate) fn rotate(sandbox: &Path, limit: u64) -> io::Result<()> {
    for name in OUTPUTS {
        let path = sandbox.join(name);
        let large = fs::symlink_metadata(&path).is_ok_and(|m| m.is_file() && m.len() > limit);
        if large {
            cut(&path, &sandbox.join(format!("{name}.1")))?;
        }
    }
    Ok(())
}

fn cut(path: &Path, aside: &Path) -> io::Result<()> {
    // The task may put a link in its place at any moment; what that leads to is not its to shorten.
    let own = OFlags::NOFOLLOW.bits().cast_signed();
    let mut file = OpenOptions::new().read(true).write(true).custom_flags(own).open(path)?;
    match fs::remove_file(aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut copy = OpenOptions::new().write(true).create_new(true).open(aside)?;
    let whole = file.metadata()?.len() / BLOCK * BLOCK;
    io::copy(&mut (&mut file).take(whole), &mut copy)?;
    if whole > 0 && fallocate(&file, FallocateFlags::COLLAPSE_RANGE, 0, whole).is_ok() {
        return Ok(());
    }
    empty(&mut file, &mut copy)
}

/// Copies what is left, as long as there is more of it each time, and empties the file.
fn empty(file: &mut File, copy: &mut File) -> io::Result<()> {
    let mut at = copy.metadata()?.len();
    loop {
        file.seek(SeekFrom::Start(at))?;
        let more = io::copy(file, copy)?;
        at += more;
        if more < BLOCK {
            return file.set_len(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_is_too_large_moves_aside_and_the_writer_goes_on() {
        let sandbox = tempfile::tempdir().unwrap();
        let path = sandbox.path().join("stdout");
        let mut writer = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let mut written = Vec::new();
        for round in 0..3 {
            let text: Vec<u8> =
                (0..20_000).flat_map(|line| format!("{round} {line}\n").into_bytes()).collect();
            writer.write_all(&text).unwrap();
            written.extend(text);
            rotate(sandbox.path(), 100_000).unwrap();
            assert!(fs::metadata(&path).unwrap().len() <= BLOCK);
        }
        let mut kept = fs::read(sandbox.path().join("stdout.1")).unwrap();
        kept.extend(fs::read(&path).unwrap());
        assert!(written.ends_with(&kept), "the last pieces are whole");
        assert!(kept.len() > 100_000, "{}", kept.len());
    }

    #[test]
    fn small_output_and_links_stay() {
        let sandbox = tempfile::tempdir().unwrap();
        fs::write(sandbox.path().join("other"), vec![b'x'; 200_000]).unwrap();
        fs::write(sandbox.path().join("stdout"), "little").unwrap();
        std::os::unix::fs::symlink(sandbox.path().join("other"), sandbox.path().join("stderr")).unwrap();
        rotate(sandbox.path(), 100_000).unwrap();
        assert_eq!(fs::read_dir(sandbox.path()).unwrap().count(), 3);
        assert_eq!(fs::metadata(sandbox.path().join("other")).unwrap().len(), 200_000);
    }
}

//! The last words of a process, for the message of a failure.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Most bytes and lines that go into a message.
const MAX_BYTES: u64 = 2048;
const MAX_LINES: usize = 10;

/// Where the output files stood before a process was started, so that only its own words are quoted.
#[derive(Debug)]
pub(crate) struct Mark {
    stdout: Output,
    stderr: Output,
}

/// A file and how long it was.
#[derive(Debug)]
struct Output {
    path: PathBuf,
    from: u64,
}

impl Mark {
    /// Notes the present length of `stderr` and `stdout` in the sandbox.
    pub(crate) fn set(sandbox: &Path) -> Self {
        let output = |name: &str| {
            let path = sandbox.join(name);
            let from = std::fs::metadata(&path).map_or(0, |m| m.len());
            Output { path, from }
        };
        Self { stdout: output("stdout"), stderr: output("stderr") }
    }

    /// The last lines written since: those of `stderr`, and before them as many of `stdout` as there is room for. Some
    /// programs say on `stderr` only that they end, and why in their log, which is on `stdout`.
    pub(crate) fn last_lines(&self) -> Option<String> {
        let said = self.stderr.last_lines(MAX_LINES, MAX_BYTES);
        let taken: usize = said.iter().map(|line| line.len() + 1).sum();
        let room = MAX_BYTES.saturating_sub(taken as u64);
        let mut lines = self.stdout.last_lines(MAX_LINES - said.len(), room);
        lines.extend(said);
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

impl Output {
    /// At most so many, with at most so many bytes; a line that does not fit is cut at its beginning.
    fn last_lines(&self, most: usize, bytes: u64) -> Vec<String> {
        let text = self.tail(bytes).unwrap_or_default();
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(most)..].iter().map(|line| (*line).to_owned()).collect()
    }

    fn tail(&self, bytes: u64) -> Option<String> {
        let mut file = File::open(&self.path).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(self.from.max(length.saturating_sub(bytes)))).ok()?;
        let mut read = Vec::new();
        file.take(bytes).read_to_end(&mut read).ok()?;
        Some(String::from_utf8_lossy(&read).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_only_what_came_after_the_mark() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stdout");
        std::fs::write(&path, "before\n").unwrap();
        let mark = Mark::set(dir.path());
        assert_eq!(mark.last_lines(), None);
        let many: String = (0..100).map(|n| format!("line {n}\n")).collect();
        std::fs::write(&path, format!("before\n{many}")).unwrap();
        let lines = mark.last_lines().unwrap();
        assert_eq!(lines.lines().count(), MAX_LINES);
        assert!(lines.ends_with("line 99"));
    }

    #[test]
    fn what_is_said_on_stderr_comes_last_and_leaves_room_for_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
        let many = |of: &str| (0..100).map(|n| format!("{of} {n}\n")).collect::<String>();
        let mark = Mark::set(dir.path());
        write("stdout", many("log"));
        write("stderr", "ERROR: it ends\nERROR: with code 78\n".into());
        let lines = mark.last_lines().unwrap();
        assert_eq!(lines.lines().count(), MAX_LINES);
        assert!(lines.starts_with("log 92\n"), "{lines}");
        assert!(lines.ends_with("log 99\nERROR: it ends\nERROR: with code 78"), "{lines}");
        write("stderr", many("error"));
        let lines = mark.last_lines().unwrap();
        assert!(lines.starts_with("error 90\n") && lines.ends_with("error 99"), "{lines}");
    }

    #[test]
    fn a_message_stays_short() {
        let dir = tempfile::tempdir().unwrap();
        let mark = Mark::set(dir.path());
        std::fs::write(dir.path().join("stdout"), "o".repeat(5_000)).unwrap();
        std::fs::write(dir.path().join("stderr"), "e".repeat(1_500)).unwrap();
        let lines = mark.last_lines().unwrap();
        assert!(lines.len() as u64 <= MAX_BYTES, "{}", lines.len());
        assert!(lines.starts_with("ooo") && lines.ends_with("eee"));
        std::fs::write(dir.path().join("stderr"), "e".repeat(5_000)).unwrap();
        assert_eq!(mark.last_lines().unwrap().len() as u64, MAX_BYTES);
    }
}

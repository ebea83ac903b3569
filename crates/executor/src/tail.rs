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
    files: Vec<(PathBuf, u64)>,
}

impl Mark {
    /// Notes the present length of `stderr` and `stdout` in the sandbox.
    pub(crate) fn set(sandbox: &Path) -> Self {
        let files = ["stderr", "stdout"]
            .map(|name| {
                let path = sandbox.join(name);
                let length = std::fs::metadata(&path).map_or(0, |m| m.len());
                (path, length)
            })
            .into();
        Self { files }
    }

    /// The last lines written since, from `stderr` or, if that has none, from `stdout`.
    pub(crate) fn last_lines(&self) -> Option<String> {
        self.files.iter().find_map(|(path, from)| tail(path, *from))
    }
}

fn tail(path: &Path, from: u64) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let start = from.max(length.saturating_sub(MAX_BYTES));
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
    let lines = &lines[lines.len().saturating_sub(MAX_LINES)..];
    (!lines.is_empty()).then(|| lines.join("\n"))
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
        std::fs::write(dir.path().join("stderr"), "error first\n").unwrap();
        assert_eq!(mark.last_lines().as_deref(), Some("error first"));
    }
}

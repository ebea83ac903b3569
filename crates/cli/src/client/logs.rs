//! The tail of a log and what comes after it, piece by piece.

use serde::Deserialize;

use super::rest::{Client, NoAnswer, escape};

/// How much is read at once.
const PIECE: u64 = 64 * 1024;
/// Where a tail is given up: more lines than this do not fit a screen's memory anyway.
const TAIL_AT_MOST: u64 = 8 * 1024 * 1024;

/// A file in the sandbox of a task.
#[derive(Debug, Clone)]
pub(crate) struct LogFile {
    /// Name of the stack.
    pub(crate) stack: String,
    /// `<service>` for its scheduler, `<service>/<instance>` for an instance.
    pub(crate) task: String,
    /// `stdout` or `stderr`.
    pub(crate) file: &'static str,
}

/// A piece of a log, as the controller gives it.
#[derive(Debug, Deserialize)]
struct Piece {
    offset: u64,
    data: String,
}

impl LogFile {
    async fn read(&self, client: &Client, offset: i64, length: u64) -> Result<Piece, NoAnswer> {
        let path = format!("/v1/stacks/{}/logs", escape(&self.stack));
        let (offset, length) = (offset.to_string(), length.to_string());
        let query =
            [("task", self.task.as_str()), ("file", self.file), ("offset", &offset), ("length", &length)];
        client.get(&path, &query).await
    }

    /// The last `lines` lines, and where the log ended then.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) async fn tail(&self, client: &Client, lines: usize) -> Result<(String, u64), NoAnswer> {
        let end = self.read(client, -1, 0).await?.offset;
        let mut start = end;
        let mut text = String::new();
        while start > 0 && line_breaks(&text) <= lines && end - start < TAIL_AT_MOST {
            let length = PIECE.min(start);
            start -= length;
            let piece = self.read(client, signed(start), length).await?;
            text.insert_str(0, &piece.data);
        }
        Ok((last_lines(&text, lines).to_owned(), end))
    }

    /// What has been written since `offset`, at most one piece, and where that ends. A log that has become shorter
    /// is that of a new task, and is read from its start.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) async fn since(&self, client: &Client, offset: u64) -> Result<(String, u64), NoAnswer> {
        let piece = self.read(client, signed(offset), PIECE).await?;
        if piece.data.is_empty() && self.read(client, -1, 0).await?.offset < offset {
            return Ok((String::new(), 0));
        }
        let end = piece.offset + piece.data.len() as u64;
        Ok((piece.data, end))
    }
}

fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

fn line_breaks(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// The last lines of a text, of which the last may lack its line break.
fn last_lines(text: &str, lines: usize) -> &str {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let start = match lines {
        0 => return "",
        n => body.rmatch_indices('\n').nth(n - 1).map_or(0, |(at, _)| at + 1),
    };
    &text[start..]
}

/// Puts names before lines, and keeps what is no whole line yet.
#[derive(Debug)]
pub(crate) struct Lines {
    prefix: String,
    rest: String,
}

impl Lines {
    /// `prefix` goes before every line; empty for none.
    pub(crate) fn new(prefix: String) -> Self {
        Self { prefix, rest: String::new() }
    }

    /// The whole lines that are there now.
    pub(crate) fn push(&mut self, text: &str) -> String {
        self.rest.push_str(text);
        let whole = self.rest.rfind('\n').map_or(0, |at| at + 1);
        let rest = self.rest.split_off(whole);
        let lines = std::mem::replace(&mut self.rest, rest);
        self.prefixed(&lines)
    }

    /// The last line, which was not ended.
    pub(crate) fn end(&mut self) -> String {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() { rest } else { self.prefixed(&format!("{rest}\n")) }
    }

    fn prefixed(&self, lines: &str) -> String {
        if self.prefix.is_empty() {
            return lines.to_owned();
        }
        lines.split_inclusive('\n').fold(String::new(), |text, line| text + &self.prefix + line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_whole() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(last_lines("a\nb\nc", 2), "b\nc");
        assert_eq!(last_lines("a\nb\n", 5), "a\nb\n");
        assert_eq!(last_lines("a\nb\n", 0), "");
        assert_eq!(last_lines("", 3), "");
    }

    #[test]
    fn lines_are_told_apart_by_their_names() {
        let mut lines = Lines::new("broker-0 | ".into());
        assert_eq!(lines.push("a\nb"), "broker-0 | a\n");
        assert_eq!(lines.push("c\n"), "broker-0 | bc\n");
        assert_eq!(lines.push("d"), "");
        assert_eq!(lines.end(), "broker-0 | d\n");
        assert_eq!(lines.end(), "");
        assert_eq!(Lines::new(String::new()).push("x\ny\n"), "x\ny\n");
    }
}

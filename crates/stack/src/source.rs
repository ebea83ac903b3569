//! A file's content: its text, and places in it.

use crate::{Diagnostic, Label, Report, Severity, Span};

/// Greatest size of a spec in bytes. The largest sensible ones have a few kilobytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Most diagnostics of a file. Whoever mends a hundred learns of the others then.
const MAX_DIAGNOSTICS: usize = 100;

/// Code of the diagnostic whose first place is a secret in plain text.
pub(crate) const PLAIN_SECRET: &str = "plain-secret";

/// Code of the diagnostic whose first place is a reference to a secret with a default.
pub(crate) const SECRET_DEFAULT: &str = "secret-default";

/// A file that is text of a sensible size.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
    line_starts: Vec<usize>,
}

impl Source {
    /// Takes the bytes of a file, or says why they cannot be a spec.
    pub(crate) fn new(name: &str, bytes: &[u8]) -> Result<Self, Report> {
        if bytes.len() > MAX_BYTES {
            let message = format!("the file has {} bytes; a spec may have {MAX_BYTES} (1 MiB)", bytes.len());
            let diagnostic = Diagnostic::error("file-too-large", message)
                .help("a spec names services and options; keep data and archives in files of their own");
            return Err(Self::from_text(name, String::new()).report(vec![diagnostic]));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => match text.char_indices().find(|(_, c)| is_binary(*c)) {
                Some((offset, c)) => Err(binary(name, offset, c as u32)),
                None => Ok(Self::from_text(name, text.to_owned())),
            },
            Err(error) => Err(not_utf8(name, bytes, error.valid_up_to())),
        }
    }

    fn from_text(name: &str, text: String) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        Self { name: name.to_owned(), text, line_starts }
    }

    /// The place of these bytes; moved to the nearest character boundaries within the text.
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        let start = self.text.floor_char_boundary(start.min(self.text.len()));
        let end = self.text.ceil_char_boundary(end.min(self.text.len())).max(start);
        let line = self.line_starts.partition_point(|line| *line <= start);
        let line_start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(line_start..start).map_or(1, |before| before.chars().count() + 1);
        Span { start, end, line, column }
    }

    /// The offset of a line and column, both from 1, columns in characters.
    pub(crate) fn offset(&self, line: u64, column: u64) -> usize {
        let from_zero = |n: u64| usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(start) = self.line_starts.get(from_zero(line)).copied() else { return self.text.len() };
        let rest = self.text.get(start..).unwrap_or_default();
        start + rest.char_indices().nth(from_zero(column)).map_or(rest.len(), |(at, _)| at)
    }

    /// The text of a place.
    pub(crate) fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    /// Lines without their breaks, each with the offset of its start.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.line_starts.iter().map(|start| {
            let rest = self.text.get(*start..).unwrap_or_default();
            (*start, rest.split('\n').next().unwrap_or_default())
        })
    }

    /// The diagnostics, in the order of the file.
    pub(crate) fn report(&self, mut diagnostics: Vec<Diagnostic>) -> Report {
        diagnostics.sort_by_key(|d| d.labels.first().map(|label| label.span.start));
        // An anchor's mistake comes once for each of its aliases.
        let mut told: Vec<Diagnostic> = Vec::new();
        let mut omitted = 0;
        for diagnostic in diagnostics {
            if told.len() == MAX_DIAGNOSTICS {
                omitted += 1;
            } else if !told.contains(&diagnostic) {
                told.push(diagnostic);
            }
        }
        let text = without_secrets(&self.text, &told);
        Report { file: self.name.clone(), diagnostics: told, omitted, text }
    }
}

/// The text without the secrets that were found to stand in it, byte for byte, so that places stay what they are.
fn without_secrets(text: &str, diagnostics: &[Diagnostic]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let plain = diagnostics.iter().filter(|d| [PLAIN_SECRET, SECRET_DEFAULT].contains(&d.code.as_str()));
    for Label { span, .. } in plain.filter_map(|d| d.labels.first()) {
        // Of a reference only the default is no name.
        let written = text.get(span.start..span.end).unwrap_or_default();
        let skip =
            if written.starts_with("${") { written.find(":-").map_or(written.len(), |at| at + 2) } else { 0 };
        for byte in bytes.get_mut(span.start + skip..span.end).unwrap_or_default() {
            if !matches!(byte, b'\n' | b'\r' | b' ') {
                *byte = b'*';
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// Characters that no text file holds: control characters other than tab and line ends.
fn is_binary(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}')
}

fn binary(name: &str, offset: usize, code: u32) -> Report {
    let message = format!("this is not a text file (byte {offset} is 0x{code:02x})");
    let diagnostic =
        Diagnostic::error("not-text", message).help("a spec is YAML in UTF-8; was another file meant?");
    Source::from_text(name, String::new()).report(vec![diagnostic])
}

fn not_utf8(name: &str, bytes: &[u8], offset: usize) -> Report {
    let bad = bytes.get(offset).copied().unwrap_or_default();
    let lossy = String::from_utf8_lossy(bytes);
    if lossy.chars().any(is_binary) {
        return binary(name, offset, u32::from(bad));
    }
    // What stands before the bad byte is valid, so its offset is the same in the repaired text.
    let source = Source::from_text(name, lossy.into_owned());
    let span = source.span(offset, offset + 1);
    let diagnostic = Diagnostic::error("not-utf8", format!("byte {offset} (0x{bad:02x}) is not valid UTF-8"))
        .label(span, "not UTF-8 from here")
        .help("save the file as UTF-8");
    source.report(vec![diagnostic])
}

/// Most characters of a message: it may quote the file.
const MAX_MESSAGE: usize = 1_000;

fn shortened(text: String) -> String {
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl Diagnostic {
    /// An error without a place yet.
    pub(crate) fn error(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            severity: Severity::Error,
            message: shortened(message.into()),
            labels: Vec::new(),
            help: None,
        }
    }

    /// A warning without a place yet.
    pub(crate) fn warning(code: &str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds a place; the first is the one the diagnostic is about.
    pub(crate) fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: shortened(text.into()) });
        self
    }

    /// Says what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what to do, if there is something to say.
    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }
}

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
    /// Its number among the files of a report.
    file: usize,
    line_starts: Vec<usize>,
}

/// The files of a report by their number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    /// Takes the bytes of a file and gives it the next number. A file that cannot be a spec has a number too, for the
    /// diagnostic that says why; its text is then what can be shown of it.
    pub(crate) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<&Source, Diagnostic> {
        let (source, refused) = read(name, self.0.len(), bytes);
        self.0.push(source);
        match (refused, self.0.last()) {
            (None, Some(source)) => Ok(source),
            (Some(diagnostic), _) => Err(diagnostic),
            (None, None) => Err(Diagnostic::error("empty-file", "there is no file")),
        }
    }

    /// Name of the file that a place is in.
    pub(crate) fn name(&self, span: Span) -> &str {
        self.0.get(span.file).map(|source| source.name.as_str()).unwrap_or_default()
    }

    /// The text of a place.
    pub(crate) fn slice(&self, span: Span) -> &str {
        self.0.get(span.file).and_then(|source| source.text.get(span.start..span.end)).unwrap_or_default()
    }

    /// The place of some bytes within a place, counted from its start.
    pub(crate) fn within(&self, span: Span, start: usize, end: usize) -> Span {
        self.0.get(span.file).map_or(span, |source| source.span(span.start + start, span.start + end))
    }

    /// The diagnostics, in the order of the files.
    pub(crate) fn report(&self, mut diagnostics: Vec<Diagnostic>) -> Report {
        diagnostics.sort_by_key(|d| (d.about(), d.labels.first().map(|label| label.span.start)));
        // An anchor's mistake comes once for each of its aliases, a nested stack's once for each use.
        let mut told: Vec<Diagnostic> = Vec::new();
        let mut omitted = 0;
        for diagnostic in diagnostics {
            if told.contains(&diagnostic) {
                continue;
            }
            if told.len() == MAX_DIAGNOSTICS {
                omitted += 1;
            } else {
                told.push(diagnostic);
            }
        }
        let names: Vec<String> = self.0.iter().map(|source| source.name.clone()).collect();
        Report {
            file: names.first().cloned().unwrap_or_default(),
            files: if names.len() > 1 { names } else { Vec::new() },
            texts: self.0.iter().map(|source| source.without_secrets(&told)).collect(),
            diagnostics: told,
            omitted,
        }
    }

    /// Name of the main file.
    pub(crate) fn first_name(&self) -> &str {
        self.0.first().map(|source| source.name.as_str()).unwrap_or_default()
    }
}

/// A file as a source, and why it cannot be a spec.
fn read(name: &str, file: usize, bytes: &[u8]) -> (Source, Option<Diagnostic>) {
    let source = |text: String| Source::from_text(name, file, text);
    if bytes.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; a spec may have {MAX_BYTES} (1 MiB)", bytes.len());
        let diagnostic = Diagnostic::error("file-too-large", message)
            .help("a spec names services and options; keep data and archives in files of their own");
        return (source(String::new()), Some(Diagnostic { file, ..diagnostic }));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => match text.char_indices().find(|(_, c)| is_binary(*c)) {
            Some((offset, c)) => (source(String::new()), Some(binary(file, offset, c as u32))),
            None => (source(text.to_owned()), None),
        },
        Err(error) => {
            let offset = error.valid_up_to();
            let bad = bytes.get(offset).copied().unwrap_or_default();
            let lossy = String::from_utf8_lossy(bytes);
            if lossy.chars().any(is_binary) {
                return (source(String::new()), Some(binary(file, offset, u32::from(bad))));
            }
            // What stands before the bad byte is valid, so its offset is the same in the repaired text.
            let source = source(lossy.into_owned());
            let diagnostic =
                Diagnostic::error("not-utf8", format!("byte {offset} (0x{bad:02x}) is not valid UTF-8"))
                    .label(source.span(offset, offset + 1), "not UTF-8 from here")
                    .help("save the file as UTF-8");
            (source, Some(diagnostic))
        }
    }
}

impl Source {
    fn from_text(name: &str, file: usize, text: String) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        Self { name: name.to_owned(), text, file, line_starts }
    }

    /// The text without the secrets that were found to stand in it, byte for byte, so that places stay what they are.
    fn without_secrets(&self, diagnostics: &[Diagnostic]) -> String {
        let mut bytes = self.text.as_bytes().to_vec();
        let plain = diagnostics.iter().filter(|d| [PLAIN_SECRET, SECRET_DEFAULT].contains(&d.code.as_str()));
        let places = plain.filter_map(|d| d.labels.first()).filter(|label| label.span.file == self.file);
        for Label { span, .. } in places {
            // Of a reference only the default is no name.
            let written = self.text.get(span.start..span.end).unwrap_or_default();
            let skip = if written.starts_with("${") {
                written.find(":-").map_or(written.len(), |at| at + 2)
            } else {
                0
            };
            for byte in bytes.get_mut(span.start + skip..span.end).unwrap_or_default() {
                if !matches!(byte, b'\n' | b'\r' | b' ') {
                    *byte = b'*';
                }
            }
        }
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// Its number among the files of a report.
    pub(crate) fn number(&self) -> usize {
        self.file
    }

    /// The place of these bytes; moved to the nearest character boundaries within the text.
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        let start = self.text.floor_char_boundary(start.min(self.text.len()));
        let end = self.text.ceil_char_boundary(end.min(self.text.len())).max(start);
        let line = self.line_starts.partition_point(|line| *line <= start);
        let line_start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(line_start..start).map_or(1, |before| before.chars().count() + 1);
        Span { file: self.file, start, end, line, column }
    }

    /// The offset of a line and column, both from 1, columns in characters.
    pub(crate) fn offset(&self, line: u64, column: u64) -> usize {
        let from_zero = |n: u64| usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(start) = self.line_starts.get(from_zero(line)).copied() else { return self.text.len() };
        let rest = self.text.get(start..).unwrap_or_default();
        start + rest.char_indices().nth(from_zero(column)).map_or(rest.len(), |(at, _)| at)
    }

    /// Lines without their breaks, each with the offset of its start.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.line_starts.iter().map(|start| {
            let rest = self.text.get(*start..).unwrap_or_default();
            (*start, rest.split('\n').next().unwrap_or_default())
        })
    }
}

/// Characters that no text file holds: control characters other than tab and line ends.
fn is_binary(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}')
}

fn binary(file: usize, offset: usize, code: u32) -> Diagnostic {
    let message = format!("this is not a text file (byte {offset} is 0x{code:02x})");
    let diagnostic =
        Diagnostic::error("not-text", message).help("a spec is YAML in UTF-8; was another file meant?");
    Diagnostic { file, ..diagnostic }
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
            file: 0,
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

//! Diagnostics are data: what is wrong, where, and what to do. One renderer makes text of them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// Which file of the report, from 0: the first is the main one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub file: usize,
    /// Byte offset of the first byte.
    pub start: usize,
    /// Byte offset after the last byte.
    pub end: usize,
    /// Line of the start, from 1.
    pub line: usize,
    /// Column of the start in characters, from 1.
    pub column: usize,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is not accepted.
    Error,
    /// The file is accepted; it probably does not say what was meant.
    Warning,
}

/// A place with what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there; may be empty.
    pub text: String,
}

/// One mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Stable name of the kind of mistake, in kebab-case: `unknown-option`.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// Which file of the report it concerns where it has no place, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub file: usize,
    /// What is wrong, in one line.
    pub message: String,
    /// Where: the first is the place itself, the others are context. Empty if it concerns the file as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Everything that was found in a file and in those that it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the main file as the caller gave it.
    pub file: String,
    /// Names of all files where there are several; the main one is the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// The diagnostics in the order of the files and of what stands in them.
    pub diagnostics: Vec<Diagnostic>,
    /// How many more there are: only so many are kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: usize,
    /// The files' texts, for the renderer.
    #[serde(skip)]
    pub(crate) texts: Vec<String>,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Report {
    /// The report with the main file's text, which does not travel with it: then its places can be shown.
    pub fn with_text(self, text: impl Into<String>) -> Self {
        Self { texts: vec![text.into()], ..self }
    }

    /// Name of the file of that number.
    pub fn file_name(&self, file: usize) -> &str {
        self.files.get(file).unwrap_or(&self.file)
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// Whether the stack is refused.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }
}

impl Diagnostic {
    /// Number of the file that it is about.
    pub(crate) fn about(&self) -> usize {
        self.labels.first().map_or(self.file, |label| label.span.file)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

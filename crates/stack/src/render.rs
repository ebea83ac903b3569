//! Diagnostics as text, with the place underlined.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::{Diagnostic, Report, Severity, Span};

/// Width that plain text is laid out for, so that the same file gives the same text everywhere.
const WIDTH: usize = 140;

impl Report {
    /// All diagnostics as text, each followed by an empty line, and a last line that counts them.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(WIDTH);
        let mut text = String::new();
        for diagnostic in &self.diagnostics {
            text.push_str(&renderer.render(&[self.group(diagnostic)]));
            text.push_str("\n\n");
        }
        text.push_str(&self.summary());
        text
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.as_str());
        let mut group = Group::with_title(title);
        match diagnostic.labels.first().map(|label| label.span) {
            None => group = group.element(Origin::path(self.file_name(diagnostic.file))),
            Some(_) if self.can_show(diagnostic) => {
                for file in files(diagnostic) {
                    group = group.element(self.snippet(diagnostic, file));
                }
            }
            Some(span) => {
                let origin = Origin::path(self.file_name(span.file));
                group = group.element(origin.line(span.line).char_column(span.column));
            }
        }
        match &diagnostic.help {
            Some(help) => group.element(Level::HELP.message(help.as_str())),
            None => group,
        }
    }

    /// Whether all places are within the texts: a report that was sent has none.
    fn can_show(&self, diagnostic: &Diagnostic) -> bool {
        let known =
            |span: Span| self.texts.get(span.file).is_some_and(|t| t.get(span.start..span.end).is_some());
        diagnostic.labels.iter().all(|label| known(label.span))
    }

    /// The places in one of the files.
    fn snippet<'a>(
        &'a self,
        diagnostic: &'a Diagnostic,
        file: usize,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let text = self.texts.get(file).map(String::as_str).unwrap_or_default();
        let mut snippet = Snippet::source(text).path(self.file_name(file)).fold(true);
        for (index, label) in diagnostic.labels.iter().enumerate().filter(|(_, l)| l.span.file == file) {
            let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let annotation = kind.span(label.span.start..label.span.end);
            let text = Some(label.text.as_str()).filter(|text| !text.is_empty());
            snippet = snippet.annotation(annotation.label(text));
        }
        snippet
    }

    /// `2 errors and 1 warning in kafka.yaml`, with a line break; nothing if nothing was found.
    fn summary(&self) -> String {
        let errors = self.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        let warnings = self.diagnostics.len() - errors;
        let count =
            |n: usize, what: &str| (n > 0).then(|| format!("{n} {what}{}", if n == 1 { "" } else { "s" }));
        let mut counts: Vec<String> =
            [count(errors, "error"), count(warnings, "warning")].into_iter().flatten().collect();
        if self.omitted > 0 {
            counts.push(format!("{} more that are not shown", self.omitted));
        }
        let mut names: Vec<&str> = Vec::new();
        for name in self.diagnostics.iter().map(|d| self.file_name(d.about())) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let places = match names.as_slice() {
            [one] => (*one).to_owned(),
            [one, other] => format!("{one} and {other}"),
            several => format!("{} files", several.len()),
        };
        if counts.is_empty() { String::new() } else { format!("{} in {places}\n", counts.join(" and ")) }
    }
}

/// Numbers of the files that a diagnostic shows; first the one that it is about.
fn files(diagnostic: &Diagnostic) -> Vec<usize> {
    let mut files = Vec::new();
    for label in &diagnostic.labels {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    files
}

//! Diagnostics as text, with the place underlined.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::{Diagnostic, Report, Severity};

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
        let group = Group::with_title(title);
        let group = match diagnostic.labels.first().map(|label| label.span) {
            None => group.element(Origin::path(self.file.as_str())),
            Some(_) if self.can_show(diagnostic) => group.element(self.snippet(diagnostic)),
            Some(span) => {
                group.element(Origin::path(self.file.as_str()).line(span.line).char_column(span.column))
            }
        };
        match &diagnostic.help {
            Some(help) => group.element(Level::HELP.message(help.as_str())),
            None => group,
        }
    }

    /// Whether all places are within the text: a report that was sent has none.
    fn can_show(&self, diagnostic: &Diagnostic) -> bool {
        diagnostic.labels.iter().all(|label| self.text.get(label.span.start..label.span.end).is_some())
    }

    fn snippet<'a>(&'a self, diagnostic: &'a Diagnostic) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let mut snippet = Snippet::source(self.text.as_str()).path(self.file.as_str()).fold(true);
        for (index, label) in diagnostic.labels.iter().enumerate() {
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
        if counts.is_empty() { String::new() } else { format!("{} in {}\n", counts.join(" and "), self.file) }
    }
}

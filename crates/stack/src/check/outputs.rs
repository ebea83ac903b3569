//! Outputs of stacks: the stack's own, and those of nested ones, which others refer to.

use std::collections::BTreeMap;

use cairn_units::suggest;

use super::Checker;
use super::fill::{Owner, Piece, Text, Who, spoken};
use super::scope::{Lazy, ScopeId};
use crate::node::Entry;
use crate::template::{Part, Reference, Template};
use crate::{Diagnostic, Span};

impl<'a> Checker<'a> {
    /// The outputs of a scope by their path, as templates.
    pub(super) fn check_outputs(&mut self, scope: ScopeId) -> BTreeMap<String, String> {
        let mut outputs = BTreeMap::new();
        for entry in self.section(scope, "outputs") {
            let piece = self.output_piece(scope, entry, entry.key_span);
            if let Some(text) = piece.keep.as_str() {
                outputs.insert(format!("{}{}", self.scopes[scope].prefix, entry.key), text.to_owned());
            }
        }
        outputs
    }

    /// A reference to an output of a nested stack.
    pub(super) fn stack_output(
        &mut self,
        reference: &Reference,
        span: Span,
        inner: ScopeId,
        used: &'a Entry,
    ) -> Piece {
        let name = reference.name.as_str();
        let Some(entry) = self.section(inner, "outputs").iter().find(|entry| entry.key == name) else {
            let known: Vec<&str> = self.scopes[inner].outputs.keys().copied().collect();
            let help = suggest::hint(name, "outputs", known)
                .unwrap_or_else(|| format!("it gives nothing: write `outputs:` in {}", self.file_of(inner)));
            let message = format!("`{}` (stack {}) has no output `{name}`", used.key, self.file_of(inner));
            let mut diagnostic = Diagnostic::error("unknown-output", message).label(span, "unknown output");
            if let Some(outputs) = self.scopes[inner].root.entry("outputs") {
                diagnostic = diagnostic.label(outputs.key_span, "its outputs");
            }
            self.error(diagnostic.help(help));
            return Piece::broken(&reference.to_string());
        };
        let piece = self.output_piece(inner, entry, span);
        match &reference.default {
            Some(default) => self.with_default(piece, default, reference, span),
            None => piece,
        }
    }

    /// A default for what a nested stack gives: it can stand only for one reference as a whole.
    fn with_default(&mut self, piece: Piece, default: &str, reference: &Reference, span: Span) -> Piece {
        if piece.known != Text::Later {
            return piece;
        }
        let template = piece.keep.as_str().map(Template::parse);
        match template.as_ref().and_then(|t| t.as_ref().ok()).and_then(Template::only_reference) {
            Some(inner) => {
                let default = inner.default.clone().or_else(|| Some(default.to_owned()));
                Piece { keep: Reference { default, ..inner.clone() }.to_string().into(), ..piece }
            }
            None => {
                let message = format!("`{}.{}` cannot have a default", reference.scope, reference.name);
                let label = "it is put together from several parts";
                self.error(Diagnostic::error("bad-default", message).label(span, label));
                Piece::broken(&reference.to_string())
            }
        }
    }

    /// An output with its references filled in. `span` is where it is asked for.
    fn output_piece(&mut self, scope: ScopeId, entry: &'a Entry, span: Span) -> Piece {
        let name = entry.key.as_str();
        let path = format!("{}{name}", self.scopes[scope].prefix);
        let state = self.scopes[scope].outputs.insert(name, Lazy::Busy);
        let piece = match state {
            Some(Lazy::Done(piece)) => piece,
            Some(Lazy::Busy) => {
                self.circle(&format!("output {path}"), span);
                return Piece::broken(name);
            }
            Some(Lazy::Pending) | None => {
                self.asking.push((format!("output {path}"), span));
                let piece = self.fill_output(scope, entry);
                self.asking.pop();
                piece
            }
        };
        self.scopes[scope].outputs.insert(name, Lazy::Done(piece.clone()));
        piece
    }

    fn fill_output(&mut self, scope: ScopeId, entry: &'a Entry) -> Piece {
        let filled = self.fill(&entry.value, Owner { scope, who: Who::Outputs });
        if !filled.value.is_string() {
            let message = format!("the output `{}` must be a text", entry.key);
            let label = format!("this is {}", entry.value.describe());
            self.error(Diagnostic::error("wrong-type", message).label(entry.value.span, label));
            return Piece::broken("");
        }
        filled.into_piece()
    }

    /// Outputs and parameters of nested stacks that hang on one another.
    pub(super) fn circle(&mut self, name: &str, span: Span) {
        let from = self.asking.iter().position(|(asked, _)| asked == name).unwrap_or(0);
        let chain = &self.asking[from..];
        let names: Vec<&str> = chain.iter().map(|(asked, _)| asked.as_str()).chain([name]).collect();
        let message =
            format!("values of nested stacks hang on each other in a circle: {}", names.join(" -> "));
        let mut diagnostic = Diagnostic::error("circular-values", message).label(span, "closes the circle");
        for (asked, at) in chain.iter().skip(1) {
            diagnostic = diagnostic.label(*at, format!("{asked} is needed here"));
        }
        self.error(diagnostic.help("none of them could be known first: give one of them a plain value"));
    }
}

impl super::fill::Filled {
    /// A filled scalar as a piece of a text.
    pub(super) fn into_piece(self) -> Piece {
        let known = match () {
            () if !self.unknown.broken.is_empty() => Text::Broken,
            () if !self.unknown.deferred.is_empty() => Text::Later,
            () => Text::Known(self.plain),
        };
        Piece { keep: self.value, known, uses: self.uses }
    }
}

impl Piece {
    /// What it refers to, in words, if it refers to anything.
    pub(super) fn references(&self) -> Option<String> {
        let Ok(template) = Template::parse(&spoken(&self.keep)) else { return None };
        let found: Vec<String> = template
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Reference(reference, _) => Some(reference.to_string()),
                Part::Text(_) => None,
            })
            .collect();
        (!found.is_empty()).then(|| found.join(", "))
    }
}

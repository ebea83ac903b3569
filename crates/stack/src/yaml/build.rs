//! From what the YAML crate hands out to [`Node`]s: duplicate keys are told, merge keys carried out.

use std::collections::HashMap;

use serde_saphyr::Spanned;

use super::{Raw, bytes};
use crate::node::{Entry, Kind, Node};
use crate::source::Source;
use crate::{Diagnostic, Span};

pub(super) struct Builder<'a> {
    pub(super) source: &'a Source,
    pub(super) diagnostics: &'a mut Vec<Diagnostic>,
}

impl Builder<'_> {
    pub(super) fn node(&mut self, raw: Spanned<Raw>, key: Option<Span>) -> Node {
        let (start, end) = bytes(&raw.defined);
        let mut span = match key {
            Some(key) if end == start => key,
            _ => self.source.span(start, self.trimmed_end(start, end)),
        };
        let kind = match raw.value {
            Raw::Null => Kind::Null,
            Raw::Bool(value) => Kind::Bool(value),
            Raw::Number(value) => Kind::Number(value),
            Raw::Text(value) => Kind::Text(value),
            Raw::List(items) => {
                span = self.first_line(start, span);
                Kind::List(items.into_iter().map(|item| self.node(item, None)).collect())
            }
            Raw::Map(entries) => {
                span = self.first_line(start, span);
                Kind::Map(self.entries(entries))
            }
        };
        Node { span, kind }
    }

    fn entries(&mut self, raw: Vec<(Spanned<String>, Spanned<Raw>)>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut places: HashMap<String, Span> = HashMap::new();
        let mut merged: Vec<Node> = Vec::new();
        for (key, value) in raw {
            let (start, end) = bytes(&key.defined);
            let key_span = self.source.span(start, end);
            let value = self.node(value, Some(key_span));
            if key.value == "<<" {
                merged.push(value);
            } else if let Some(first) = places.get(&key.value) {
                let duplicate = duplicate_key(&key.value, key_span).label(*first, "first here");
                self.diagnostics.push(duplicate);
            } else {
                places.insert(key.value.clone(), key_span);
                entries.push(Entry { key: key.value, key_span, value });
            }
        }
        for node in merged {
            self.merge(node, &mut entries);
        }
        entries
    }

    /// Carries out `<<: *anchor`: adds what the map does not say itself.
    fn merge(&mut self, node: Node, entries: &mut Vec<Entry>) {
        match node.kind {
            Kind::Map(more) => {
                for entry in more {
                    if !entries.iter().any(|own| own.key == entry.key) {
                        entries.push(entry);
                    }
                }
            }
            Kind::List(nodes) => nodes.into_iter().for_each(|node| self.merge(node, entries)),
            _ => self.diagnostics.push(
                Diagnostic::error("bad-merge", format!("`<<` merges maps, and this is {}", node.describe()))
                    .label(node.span, "not a map"),
            ),
        }
    }

    /// Block scalars reach to the end of the line break; a place ends with what is seen.
    fn trimmed_end(&self, start: usize, end: usize) -> usize {
        self.source.text.get(start..end).map_or(end, |text| start + text.trim_end().len())
    }

    /// The part of a list or map that stands on its first line, without a comment.
    fn first_line(&self, start: usize, span: Span) -> Span {
        let rest = self.source.text.get(start..).unwrap_or_default();
        let line = rest.split(['\n', '\r']).next().unwrap_or_default();
        let line = line.split(" #").next().unwrap_or_default().trim_end();
        if line.is_empty() { span } else { self.source.span(start, start + flow_end(line)) }
    }
}

/// The length of a flow list or map that starts the line, or else of the whole line.
fn flow_end(line: &str) -> usize {
    if !line.starts_with(['[', '{']) {
        return line.len();
    }
    let mut depth = 0_usize;
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && quote.is_none() {
            return at + c.len_utf8();
        }
    }
    line.len()
}

fn duplicate_key(key: &str, span: Span) -> Diagnostic {
    Diagnostic::error("duplicate-key", format!("the key `{key}` is given twice")).label(span, "given again")
}

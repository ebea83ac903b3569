//! YAML to [`Node`]: the only file that knows the YAML crate.

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Error, Location, Options, Spanned};

use crate::node::{Entry, Kind, Node};
use crate::source::Source;
use crate::{Diagnostic, Span};

/// Deepest nesting of lists and maps.
const MAX_DEPTH: usize = 32;
/// Most values in a file, and most values that aliases may repeat.
const MAX_NODES: usize = 50_000;
/// Most places shown for one mistake.
const MAX_LABELS: usize = 5;

/// Reads one YAML document.
///
/// What can be told without giving up (duplicate keys) is added to `diagnostics`; `None` if there is nothing to go on
/// with, in which case the reason is among them.
pub(crate) fn parse(source: &Source, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    let before = diagnostics.len();
    let raw: Spanned<Raw> =
        match serde_saphyr::from_str_with_options(&source.text, options(DuplicateKeyPolicy::LastWins)) {
            Ok(raw) => raw,
            Err(error) => {
                diagnostics.push(translate(&error, source));
                return None;
            }
        };
    let node = Builder { source, diagnostics }.node(raw, None);
    if diagnostics.len() == before {
        // Keys that are numbers come deduplicated, so a second reading looks for those.
        let strict = options(DuplicateKeyPolicy::Error);
        if let Err(error) = serde_saphyr::from_str_with_options::<IgnoredAny>(&source.text, strict) {
            diagnostics.push(translate(&error, source));
        }
    }
    if matches!(node.kind, Kind::Null) {
        diagnostics.push(empty());
        return None;
    }
    Some(node)
}

fn empty() -> Diagnostic {
    Diagnostic::error("empty-file", "the file says nothing")
        .help("the smallest stack is:\n  stack: NAME\n  services:\n    NAME: { framework: NAME }")
}

fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: MAX_NODES * 3,
            max_anchors: 1_000,
            max_aliases: 1_000,
            max_recorded_anchor_events: MAX_NODES * 3,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_NODES },
        duplicate_keys: duplicate_keys,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// What the YAML crate hands out, before duplicate keys are told and merge keys carried out.
enum Raw {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Raw, E> {
        Number::from_f64(value).map(Raw::Number).ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key()? {
            entries.push((key, access.next_value()?));
        }
        Ok(Raw::Map(entries))
    }
}

struct Builder<'a> {
    source: &'a Source,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Builder<'_> {
    fn node(&mut self, raw: Spanned<Raw>, key: Option<Span>) -> Node {
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
        let mut merged: Vec<Node> = Vec::new();
        for (key, value) in raw {
            let (start, end) = bytes(&key.defined);
            let key_span = self.source.span(start, end);
            let value = self.node(value, Some(key_span));
            if key.value == "<<" {
                merged.push(value);
            } else if let Some(first) = entries.iter().find(|entry| entry.key == key.value) {
                let duplicate = duplicate_key(&key.value, key_span).label(first.key_span, "first here");
                if !self.diagnostics.contains(&duplicate) {
                    self.diagnostics.push(duplicate);
                }
            } else {
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

fn bytes(location: &Location) -> (usize, usize) {
    let span = location.span();
    let start = usize::try_from(span.byte_offset().unwrap_or(0)).unwrap_or(usize::MAX);
    let length = usize::try_from(span.byte_len().unwrap_or(0)).unwrap_or(usize::MAX);
    (start, start.saturating_add(length))
}

fn duplicate_key(key: &str, span: Span) -> Diagnostic {
    Diagnostic::error("duplicate-key", format!("the key `{key}` is given twice")).label(span, "given again")
}

fn translate(error: &Error, source: &Source) -> Diagnostic {
    if matches!(error, Error::Eof { .. }) {
        return empty();
    }
    let span = error.location().map(|location| place(&location, source));
    let tabs = indenting_tabs(source);
    if is_syntax(error) && !tabs.is_empty() {
        return tab_indentation(tabs);
    }
    let (code, message, label, help) = explain(error);
    let diagnostic = Diagnostic::error(code, message).maybe_help(help.map(str::to_owned));
    match span {
        Some(span) => diagnostic.label(span, label),
        None => diagnostic,
    }
}

fn is_syntax(error: &Error) -> bool {
    matches!(error, Error::Message { .. } | Error::ExternalMessage { .. })
}

type Explanation = (&'static str, String, &'static str, Option<&'static str>);

fn explain(error: &Error) -> Explanation {
    match error {
        Error::Message { msg, .. } | Error::ExternalMessage { msg, .. } => explain_syntax(msg),
        Error::MultipleDocuments { .. } => (
            "several-documents",
            "the file holds more than one YAML document".to_owned(),
            "a second document starts here",
            Some("one file describes one stack: remove the `---`, or put the rest into a file of its own"),
        ),
        Error::Budget { breach, .. } => explain_budget(breach),
        Error::AliasError { error, .. } => explain(error),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => too_many_aliases(),
        Error::RecursiveReferencesRequireWeakTypes { .. } => (
            "recursive-alias",
            "this alias stands inside of what it stands for".to_owned(),
            "would never end",
            Some("write the value out"),
        ),
        Error::UnknownAnchor { .. } => (
            "unknown-anchor",
            "no anchor of this name".to_owned(),
            "nothing before this is marked with `&` and this name",
            Some("a text that starts with `*` must be quoted"),
        ),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("…");
            ("duplicate-key", format!("the key `{key}` is given twice"), "given again", None)
        }
        Error::NullIntoString { .. } | Error::Unexpected { .. } => {
            ("bad-key", "a key must be a text".to_owned(), "not a text", Some("put the key in quotes"))
        }
        Error::NonFiniteFloat { value, .. } => {
            ("bad-number", format!("`{value}` is not a finite number"), "", Some("write a text in quotes"))
        }
        Error::UnsupportedTag { tag, .. } => {
            ("unknown-tag", format!("the YAML tag `{tag}` has no meaning here"), "", Some("remove the tag"))
        }
        other => ("yaml-syntax", without_place(&other.to_string()), "", None),
    }
}

fn explain_budget(breach: &BudgetBreach) -> Explanation {
    match breach {
        BudgetBreach::Depth { .. } => too_deep(),
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::AliasAnchorRatio { .. }
        | BudgetBreach::RecordedAnchorEvents { .. }
        | BudgetBreach::RecordedAnchorBytes { .. } => too_many_aliases(),
        _ => (
            "too-many-values",
            format!("the file holds more than {MAX_NODES} values"),
            "reading stopped here",
            Some("split the stack into smaller ones"),
        ),
    }
}

fn too_deep() -> Explanation {
    (
        "too-deep",
        format!("lists and maps are nested more than {MAX_DEPTH} deep"),
        "reading stopped here",
        Some("no option needs this depth; is a bracket missing?"),
    )
}

fn too_many_aliases() -> Explanation {
    (
        "too-many-aliases",
        format!("the aliases of this file stand for more than {MAX_NODES} values"),
        "reading stopped here",
        Some("write the values out; anchors of anchors multiply"),
    )
}

/// The scanner's messages that say little to somebody who did not write a YAML scanner.
fn explain_syntax(message: &str) -> Explanation {
    let message = without_place(message);
    let is = |part: &str| message.contains(part);
    let (message, label, help) = if is("mapping values are not allowed") {
        (
            "a `:` cannot stand here",
            "",
            Some("a text that holds `: ` must be quoted; a key must be indented like its neighbours"),
        )
    } else if is("simple key expected") {
        (
            "this line is no `key: value`",
            "no `:` follows",
            Some("write `key: value`, with a space after the colon"),
        )
    } else if is("did not find expected key") {
        (
            "this line is indented like none before it",
            "",
            Some("give it the indentation of the line it belongs with"),
        )
    } else if is("multiline quoted scalar") || is("unexpected end of stream") && is("quoted") {
        ("a quoted text is not closed", "reached before a closing quote", None)
    } else if is("unclosed bracket") {
        ("a bracket is not closed", "opened here", None)
    } else if is("nesting") || is("recursion") {
        return too_deep();
    } else {
        let at = message
            .contains("unexpected character")
            .then_some("a text that starts with this character must be quoted");
        return ("yaml-syntax", message, "", at);
    };
    ("yaml-syntax", message.to_owned(), label, help)
}

fn without_place(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or(message);
    message.replace("`@'", "`@`").replace("`%'", "`%`")
}

/// An error's place; where it is only a point, the word that stands there.
fn place(location: &Location, source: &Source) -> Span {
    let (start, end) = match location.span().byte_offset() {
        Some(_) => bytes(location),
        // Errors of the scanner know only line and column.
        None => {
            let start = source.offset(location.line(), location.column());
            (start, start)
        }
    };
    let rest = source.text.get(start..).unwrap_or_default();
    let word =
        rest.split(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}')).next().map_or(0, str::len);
    source.span(start, end.max(start + word.max(1)))
}

/// Lines that are indented with tabs: the places of the tabs.
fn indenting_tabs(source: &Source) -> Vec<Span> {
    let mut spans = Vec::new();
    for (start, line) in source.lines() {
        let blank = line.len() - line.trim_start().len();
        if let Some(tab) = line.get(..blank).and_then(|blank| blank.find('\t'))
            && blank < line.len()
        {
            spans.push(source.span(start + tab, start + blank));
        }
    }
    spans
}

fn tab_indentation(tabs: Vec<Span>) -> Diagnostic {
    let count = tabs.len();
    let message = match count {
        1 => "a line is indented with a tab".to_owned(),
        _ => format!("{count} lines are indented with tabs"),
    };
    let diagnostic = Diagnostic::error("tab-indentation", message)
        .help("YAML is indented with spaces; most editors can convert tabs to two spaces each");
    tabs.into_iter().take(MAX_LABELS).enumerate().fold(diagnostic, |diagnostic, (index, span)| {
        diagnostic.label(span, if index == 0 { "a tab" } else { "" })
    })
}

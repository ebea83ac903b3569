//! The YAML crate's errors in words for people who write specs.

use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Error, Location};

use super::{MAX_DEPTH, MAX_NODES, bytes};
use crate::source::Source;
use crate::{Diagnostic, Span};

/// Most places shown for one mistake.
const MAX_LABELS: usize = 5;

pub(super) fn empty() -> Diagnostic {
    Diagnostic::error("empty-file", "the file says nothing")
        .help("the smallest stack is:\n  stack: NAME\n  services:\n    NAME: { framework: NAME }")
}

pub(super) fn translate(error: &Error, source: &Source) -> Diagnostic {
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

//! What a framework's own program has against options that its spec lets through, at the places where they are written.

use serde_json::Value;

use super::Checker;
use crate::catalog::{Mistake, Proposed};
use crate::node::{Node, describe};
use crate::schema_check::{Unknown, segments};
use crate::{Diagnostic, Span};

impl Checker<'_> {
    /// Tells what the program says, but not what hangs on values that are not known yet, nor what has been told since `told`
    /// diagnostics.
    pub(super) fn check_own(
        &mut self,
        proposed: &Proposed<'_>,
        options: &Node,
        unknown: &Unknown,
        told: usize,
    ) {
        let named = !proposed.stack.is_empty();
        let Some(check) = self.catalog.own_check().filter(|_| named) else { return };
        let values = &proposed.service.options;
        // A mistake that quotes one is about it, wherever it is said to be.
        let later: Vec<&str> =
            unknown.deferred.iter().filter_map(|pointer| values.pointer(pointer)?.as_str()).collect();
        let seen = self.diagnostics.get(told..).unwrap_or_default();
        let places: Vec<Span> = seen.iter().flat_map(|d| &d.labels).map(|label| label.span).collect();
        for mistake in check(proposed) {
            let written = Written::find(&mistake.option, values);
            let place = written.place(options);
            // What is about the whole may follow from any of the mistakes there are.
            let follows = if written.path.is_empty() { !places.is_empty() } else { places.contains(&place) };
            let hangs = written.hangs_on(unknown) || later.iter().any(|text| mistake.message.contains(text));
            if !follows && !hangs {
                let label = written.label(options);
                self.tell(diagnostic(mistake, place, label));
            }
        }
    }
}

fn diagnostic(mistake: Mistake, place: Span, label: String) -> Diagnostic {
    let Mistake { option, message, help } = mistake;
    let message = if option.is_empty() { message } else { format!("`{option}`: {message}") };
    Diagnostic::error("refused", message).label(place, label).maybe_help(help)
}

/// How far the path of an option leads.
struct Written<'a> {
    /// Keys and indices of what is there.
    path: Vec<String>,
    /// The value there.
    value: &'a Value,
    /// What of the path is not there.
    missing: &'a str,
}

impl<'a> Written<'a> {
    /// Follows a dotted path. Keys may have dots themselves: the longest one that fits is meant.
    fn find(option: &'a str, options: &'a Value) -> Self {
        let mut found = Self { path: Vec::new(), value: options, missing: option };
        while let Some((key, value)) = step(found.value, found.missing) {
            found.missing = found.missing[key.len()..].trim_start_matches('.');
            found.path.push(key.to_owned());
            found.value = value;
        }
        found
    }

    /// Its value, if that is a plain one; else its key, or the one under which something is missing.
    fn place(&self, options: &Node) -> Span {
        let found = options.locate(&self.path);
        if self.missing.is_empty() && !self.is_several() { found.node.span } else { found.key_span() }
    }

    fn is_several(&self) -> bool {
        self.value.is_object() || self.value.is_array()
    }

    fn label(&self, options: &Node) -> String {
        if !self.missing.is_empty() {
            return format!("`{}` is not set", self.missing);
        }
        if self.is_several() {
            return "as it is set here".to_owned();
        }
        let refers = options.locate(&self.path).node.text().is_some_and(|text| text.contains("${"));
        format!("this {} {}", if refers { "stands for" } else { "is" }, describe(self.value))
    }

    /// Whether something in there, or what it is in, has a value that is not known yet or wrong.
    fn hangs_on(&self, unknown: &Unknown) -> bool {
        unknown.deferred.iter().chain(&unknown.broken).any(|pointer| {
            let other = segments(pointer);
            other.starts_with(&self.path) || self.path.starts_with(&other)
        })
    }
}

fn step<'a>(value: &'a Value, rest: &'a str) -> Option<(&'a str, &'a Value)> {
    let ends = rest.match_indices('.').map(|(at, _)| at).chain([rest.len()]);
    let mut keys = ends.map(|end| &rest[..end]).filter(|key| !key.is_empty());
    match value {
        Value::Object(map) => keys.filter_map(|key| Some((key, map.get(key)?))).next_back(),
        Value::Array(items) => {
            keys.next().and_then(|key| Some((key, items.get(key.parse::<usize>().ok()?)?)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(option: &str) -> (String, String) {
        let options = json!({
            "topics": { "a": { "partitions": 0 }, "a.b": { "partitions": 1 } }, "racks": ["r", "s t"],
            "options": { "log.retention.hours": 24, "log": 1 },
        });
        let written = Written::find(option, &options);
        (written.path.join("|"), written.missing.to_owned())
    }

    #[test]
    fn keys_may_have_dots() {
        for (option, path, missing) in [
            ("topics.a.partitions", "topics|a|partitions", ""),
            ("topics.a.b.partitions", "topics|a.b|partitions", ""),
            ("topics.a.b.replication", "topics|a.b", "replication"),
            ("options.log.retention.hours", "options|log.retention.hours", ""),
            ("options.log.retention", "options|log", "retention"),
            ("racks.1", "racks|1", ""),
            ("racks.2", "racks", "2"),
            ("mem", "", "mem"),
            ("", "", ""),
        ] {
            assert_eq!(found(option), (path.to_owned(), missing.to_owned()), "{option}");
        }
    }

    #[test]
    fn what_is_in_it_and_what_it_is_in_may_be_unknown() {
        let unknown =
            Unknown { deferred: ["/config/a~1b".to_owned()].into(), broken: ["/x".to_owned()].into() };
        let options = json!({ "config": { "a/b": "${k.x}", "c": 1 }, "x": "${}", "nodes": 1 });
        for (option, hangs) in [
            ("config.a/b", true),
            ("config", true),
            ("config.c", false),
            ("x", true),
            ("x.y", true),
            ("nodes", false),
            // What is about the whole may be about any of it.
            ("", true),
            ("mem", true),
        ] {
            assert_eq!(Written::find(option, &options).hangs_on(&unknown), hangs, "{option}");
        }
        assert!(!Written::find("", &options).hangs_on(&Unknown::default()));
    }
}

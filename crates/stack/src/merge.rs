//! Overlays: one file laid over another.
//!
//! Maps merge by key, everything else is replaced, `null` removes a key. What an overlay says and what has no effect is
//! told, so that a mistyped key is not lost.

use cairn_units::suggest;

use crate::node::{Entry, Kind, Node};
use crate::{Diagnostic, Span};

/// Lays `over` over `base`.
pub(crate) fn lay_over(base: Node, over: Node, diagnostics: &mut Vec<Diagnostic>) -> Node {
    if over.entries().is_none() {
        let message = format!("an overlay is a map of what changes, and this is {}", over.describe());
        diagnostics
            .push(Diagnostic::error("not-an-overlay", message).label(over.span, "expected `KEY: VALUE`"));
        return base;
    }
    let mut path = Vec::new();
    Layer { path: &mut path, diagnostics }.node(base, over, None)
}

struct Layer<'a> {
    path: &'a mut Vec<String>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Layer<'_> {
    fn node(&mut self, base: Node, over: Node, key: Option<Span>) -> Node {
        match (base.kind, over.kind) {
            (Kind::Map(base_entries), Kind::Map(over_entries)) => {
                if over_entries.is_empty() && !self.path.is_empty() {
                    self.no_effect("an empty map adds nothing", over.span, key);
                }
                Node { span: base.span, kind: Kind::Map(self.entries(base_entries, over_entries)) }
            }
            (Kind::Map(entries), kind) => {
                let over = Node { span: over.span, kind };
                self.would_drop(&entries, &over);
                Node { span: base.span, kind: Kind::Map(entries) }
            }
            (base_kind, kind) => {
                let base = Node { span: base.span, kind: base_kind };
                let over = Node { span: over.span, kind };
                if base.to_json() == over.to_json() {
                    self.same(&base, &over);
                }
                self.added(over)
            }
        }
    }

    fn entries(&mut self, mut base: Vec<Entry>, over: Vec<Entry>) -> Vec<Entry> {
        for entry in over {
            self.path.push(entry.key.clone());
            let at = base.iter().position(|own| own.key == entry.key);
            match (at, &entry.value.kind) {
                (Some(at), Kind::Null) => {
                    base.remove(at);
                }
                (None, Kind::Null) => self.nothing_to_remove(&base, &entry),
                (Some(at), _) => {
                    let own = base.remove(at);
                    let replaced = own.value.entries().is_none();
                    let key_span = if replaced { entry.key_span } else { own.key_span };
                    let value = self.node(own.value, entry.value, Some(entry.key_span));
                    base.insert(at, Entry { key: own.key, key_span, value });
                }
                (None, _) => {
                    let value = self.added(entry.value);
                    base.push(Entry { value, ..entry });
                }
            }
            self.path.pop();
        }
        base
    }

    /// Something new: it cannot remove anything.
    fn added(&mut self, node: Node) -> Node {
        let Kind::Map(entries) = node.kind else { return node };
        Node { span: node.span, kind: Kind::Map(self.entries(Vec::new(), entries)) }
    }

    fn at(&self) -> String {
        self.path.join(".")
    }

    fn nothing_to_remove(&mut self, base: &[Entry], entry: &Entry) {
        let message = format!("there is nothing to remove: nothing before has `{}`", self.at());
        let help = suggest::hint(&entry.key, "keys there", base.iter().map(|own| own.key.as_str()));
        self.diagnostics.push(
            Diagnostic::error("overlay-removes-nothing", message)
                .label(entry.key_span, "`null` removes a key")
                .maybe_help(help),
        );
    }

    fn same(&mut self, base: &Node, over: &Node) {
        let message = format!("this overlay changes nothing: `{}` is {} already", self.at(), base.describe());
        self.diagnostics.push(
            Diagnostic::warning("overlay-without-effect", message)
                .label(over.span, "the same")
                .label(base.span, "set here"),
        );
    }

    fn no_effect(&mut self, why: &str, span: Span, key: Option<Span>) {
        let message = format!("this overlay changes nothing: {why} to `{}`", self.at());
        self.diagnostics.push(
            Diagnostic::warning("overlay-without-effect", message)
                .label(key.unwrap_or(span), "")
                .help("maps merge; to remove a key, set it to `null`"),
        );
    }

    fn would_drop(&mut self, entries: &[Entry], over: &Node) {
        let keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        let message =
            format!("`{}` is a map, and {} would drop all that is in it", self.at(), over.describe());
        let mut diagnostic = Diagnostic::error("overlay-drops-map", message)
            .label(over.span, format!("would drop {}", suggest::list(&keys)));
        if let Some(entry) = entries.first() {
            diagnostic = diagnostic.label(entry.key_span, "set here");
        }
        let name = self.path.last().cloned().unwrap_or_default();
        let help = match over.kind {
            Kind::List(_) => {
                format!("to replace it, set each key to `null`, or `{name}: null` and another overlay")
            }
            _ if entries.iter().any(|entry| entry.key == "default") => {
                format!("write `{name}: {{ default: … }}` to change the default only")
            }
            _ => format!("name the keys that change; `{name}: null` removes it whole"),
        };
        self.diagnostics.push(diagnostic.help(help));
    }
}

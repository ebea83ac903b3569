//! Services that exist already: `existing: { outputs: {…} }` in place of one to launch.

use std::collections::BTreeMap;

use cairn_units::suggest;

use super::Checker;
use super::fill::{Owner, Piece, Provider, Text, Use, Who, spoken};
use super::scope::{ScopeId, What};
use crate::node::Entry;
use crate::template::Reference;
use crate::{Diagnostic, Existing, Span};

const KEYS: [&str; 2] = ["interface", "outputs"];

impl<'a> Checker<'a> {
    /// Checks the form of an entry: the keys, the interface, the names of the outputs.
    pub(super) fn check_existing_entry(&mut self, entry: &'a Entry) {
        for part in entry.value.entries().unwrap_or_default() {
            if !["existing", "framework", "stack"].contains(&part.key.as_str()) {
                let message = format!("`{}` exists already, so it has no key `{}`", entry.key, part.key);
                self.error(
                    Diagnostic::error("unknown-key", message)
                        .label(part.key_span, "unknown key")
                        .help("all that can be said of it stands under `existing:`: `interface`, `outputs`"),
                );
            }
        }
        let Some(existing) = entry.value.entry("existing") else { return };
        let Some(parts) = existing.value.entries() else {
            let message = "`existing` must be a map with `outputs`";
            let label = format!("this is {}", existing.value.describe());
            self.error(
                Diagnostic::error("wrong-type", message)
                    .label(existing.value.span, label)
                    .help("write `existing: { outputs: { NAME: TEXT } }`"),
            );
            return;
        };
        for part in parts.iter().filter(|part| !KEYS.contains(&part.key.as_str())) {
            let message = format!("`existing` has no key `{}`", part.key);
            let help = suggest::hint(&part.key, "keys", KEYS);
            self.error(
                Diagnostic::error("unknown-key", message)
                    .label(part.key_span, "unknown key")
                    .maybe_help(help),
            );
        }
        let outputs = existing.value.entry("outputs").map(|outputs| &outputs.value);
        if outputs.and_then(|outputs| outputs.entries()).is_none_or(<[Entry]>::is_empty) {
            let mistyped = parts.iter().any(|part| suggest::nearest(&part.key, ["outputs"]).is_some());
            if outputs.is_some() || !mistyped {
                let message = format!("`{}` exists already, and gives nothing", entry.key);
                self.error(
                    Diagnostic::error("missing-key", message)
                        .label(existing.key_span, "`outputs` is not set")
                        .help("say what others need of it: `outputs: { NAME: TEXT }`"),
                );
            }
        }
        if let Some(interface) = existing.value.entry("interface") {
            self.check_its_interface(interface, existing_outputs(entry));
        }
    }

    fn check_its_interface(&mut self, interface: &'a Entry, outputs: &'a [Entry]) {
        let Some(name) = interface.value.text() else {
            let label = format!("this is {}", interface.value.describe());
            let message = "`interface` must be a text: the name of an interface";
            self.error(Diagnostic::error("wrong-type", message).label(interface.value.span, label));
            return;
        };
        let own: Vec<_> = self.own_specs().collect();
        let Some(known) = self.catalog.interface(name, own.iter().copied()) else {
            let specs = self.catalog.iter().chain(own.iter().copied());
            let mut names: Vec<&str> =
                specs.flat_map(|spec| spec.offers.keys().map(String::as_str)).collect();
            names.sort_unstable();
            names.dedup();
            let message = format!("no framework offers or needs an interface `{name}`");
            let help = suggest::hint(name, "interfaces", names);
            self.error(
                Diagnostic::error("unknown-interface", message)
                    .label(interface.value.span, "unknown interface")
                    .maybe_help(help),
            );
            return;
        };
        for output in outputs.iter().filter(|o| !known.is_empty() && !known.contains(&o.key.as_str())) {
            let message = format!("the interface `{name}` has no output `{}`", output.key);
            self.error(
                Diagnostic::error("unknown-output", message)
                    .label(output.key_span, "unknown output")
                    .label(interface.value.span, "because of this")
                    .maybe_help(suggest::hint(&output.key, "outputs", known.iter().copied())),
            );
        }
    }

    /// A reference to an output of a service that exists already: its text takes the place of the reference.
    pub(super) fn existing_output(
        &mut self,
        reference: &Reference,
        span: Span,
        scope: ScopeId,
        entry: &'a Entry,
    ) -> Piece {
        let name = reference.name.as_str();
        let outputs = existing_outputs(entry);
        let Some(output) = outputs.iter().find(|output| output.key == name) else {
            if !outputs.is_empty() {
                let message = format!("`{}`, which exists already, has no output `{name}`", entry.key);
                let help = suggest::hint(name, "outputs", outputs.iter().map(|output| output.key.as_str()));
                self.error(
                    Diagnostic::error("unknown-output", message)
                        .label(span, "unknown output")
                        .label(entry.key_span, "described here")
                        .maybe_help(help),
                );
            }
            return Piece::broken(&reference.to_string());
        };
        let piece = self.existing_text(scope, output);
        let path = format!("{}{}", self.scopes[scope].prefix, entry.key);
        let known = |name: &String| {
            let own: Vec<_> = self.own_specs().collect();
            self.catalog.interface(name, own.into_iter()).is_some()
        };
        let provider = Provider::Existing(path, interface_of(entry).filter(known));
        Piece { uses: vec![Use { provider, output: name.to_owned() }], ..piece }
    }

    /// An output's text, with parameters filled in and secrets kept.
    fn existing_text(&mut self, scope: ScopeId, output: &'a Entry) -> Piece {
        let piece = self.fill(&output.value, Owner { scope, who: Who::Existing }).into_piece();
        if !piece.uses.is_empty() {
            let message =
                format!("the output `{}` of a service that exists already must be known at once", output.key);
            let what = piece.references().unwrap_or_default();
            self.error(
                Diagnostic::error("existing-refers", message)
                    .label(output.value.span, format!("stands for {what}, which is known later"))
                    .help("give plain texts, `${param.NAME}` with a plain value, or `${secret.NAME}`"),
            );
            return Piece::broken(&output.key);
        }
        match piece.known {
            Text::Known(value) if value.is_array() || value.is_object() || value.is_null() => {
                let message = format!("the output `{}` must be a text", output.key);
                let label = format!("this is {}", output.value.describe());
                self.error(Diagnostic::error("wrong-type", message).label(output.value.span, label));
                Piece::broken(&output.key)
            }
            // A port may be written as a number.
            Text::Known(value) => Piece::known(spoken(&value).into()),
            Text::Later | Text::Broken => piece,
        }
    }

    /// The services of a scope that exist already, by path.
    pub(super) fn check_existing(&mut self, scope: ScopeId) -> BTreeMap<String, Existing> {
        let mut found = BTreeMap::new();
        for entry in self.section(scope, "services") {
            let what = self.scopes[scope].items.get(entry.key.as_str()).map(|item| item.what);
            if what != Some(What::Existing) {
                continue;
            }
            let mut outputs = BTreeMap::new();
            for output in existing_outputs(entry) {
                let piece = self.existing_text(scope, output);
                outputs.insert(output.key.clone(), spoken(&piece.keep));
            }
            let path = format!("{}{}", self.scopes[scope].prefix, entry.key);
            found.insert(path, Existing { interface: interface_of(entry), outputs });
        }
        found
    }
}

/// What stands under `outputs` of a service that exists already.
pub(super) fn existing_outputs(entry: &Entry) -> &[Entry] {
    let outputs = entry.value.entry("existing").and_then(|existing| existing.value.entry("outputs"));
    outputs.and_then(|outputs| outputs.value.entries()).unwrap_or_default()
}

/// The interface that it says it has.
pub(super) fn interface_of(entry: &Entry) -> Option<String> {
    let existing = entry.value.entry("existing")?;
    existing.value.entry("interface")?.value.text().map(str::to_owned)
}

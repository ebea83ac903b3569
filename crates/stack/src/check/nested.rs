//! What stands under `services:` and is no service to launch: stacks, and services that exist already.

use cairn_units::suggest;

use super::scope::{Item, ScopeId, What};
use super::{Checker, ServiceId};
use crate::bundle::is_path;
use crate::node::{Entry, Kind};
use crate::{Diagnostic, Span, name};

/// Keys of a service that is a stack.
const STACK_KEYS: [&str; 3] = ["stack", "params", "needs"];
/// Keys that say what a service is; it has one of them.
const KINDS: [&str; 3] = ["framework", "stack", "existing"];

impl<'a> Checker<'a> {
    /// Checks the entries of a scope apart from the services to launch. `stack` is the name of the whole.
    pub(super) fn check_items(&mut self, scope: ScopeId, stack: &str) {
        for entry in self.section(scope, "services") {
            let Some(Item { what, .. }) = self.scopes[scope].items.get(entry.key.as_str()).copied() else {
                continue;
            };
            self.check_item_name(scope, stack, entry, what);
            self.check_kinds(entry);
            match what {
                What::Stack(inner) => self.check_stack_entry(scope, entry, inner),
                What::Existing => self.check_existing_entry(entry),
                What::Service(id) => {
                    for (to, span) in self.check_needs(scope, entry) {
                        self.needs(id, to, span);
                    }
                }
            }
        }
    }

    fn check_item_name(&mut self, scope: ScopeId, stack: &str, entry: &Entry, what: What) {
        let (written, span) = (entry.key.as_str(), entry.key_span);
        if super::SCOPES.contains(&written) {
            let message = format!("a service cannot be called `{written}`");
            self.error(
                Diagnostic::error("reserved-name", message)
                    .label(span, format!("`${{{written}.…}}` means something else")),
            );
        }
        let found: Option<Diagnostic> =
            written.split('/').find_map(|part| name::check("service", part, span));
        self.diagnostics.extend(found);
        if scope == 0 && matches!(what, What::Service(_)) {
            let stack_span = self.scopes[0].root.entry("stack").map(|entry| entry.value.span);
            self.diagnostics.extend(name::check_length(stack, written, span, stack_span));
        }
    }

    /// A service is launched, or is a stack, or exists already.
    fn check_kinds(&mut self, entry: &Entry) {
        let given: Vec<&Entry> = KINDS.iter().filter_map(|key| entry.value.entry(key)).collect();
        let [first, second, ..] = given.as_slice() else { return };
        let message = format!("`{}` has both `{}` and `{}`", entry.key, first.key, second.key);
        self.error(
            Diagnostic::error("two-kinds", message)
                .label(second.key_span, "it can be only one of them")
                .label(first.key_span, "")
                .help("a service has one of `framework` (launched), `stack` (nested) and `existing` (not launched)"),
        );
    }

    fn check_stack_entry(&mut self, scope: ScopeId, entry: &'a Entry, inner: Option<ScopeId>) {
        for part in entry.value.entries().unwrap_or_default() {
            let key = part.key.as_str();
            if STACK_KEYS.contains(&key) || KINDS.contains(&key) {
                continue;
            }
            let declared = inner
                .is_some_and(|inner| self.section(inner, "params").iter().any(|param| param.key == part.key));
            let help = if declared {
                Some(format!("values for its parameters stand under `params:`\n  params:\n    {key}: …"))
            } else {
                suggest::hint(key, "keys", STACK_KEYS)
            };
            let message = format!("a nested stack has no key `{key}`");
            self.error(
                Diagnostic::error("unknown-key", message)
                    .label(part.key_span, "unknown key")
                    .maybe_help(help),
            );
        }
        if let Some(params) = entry.value.entry("params")
            && params.value.entries().is_none()
        {
            let label = format!("this is {}", params.value.describe());
            let diagnostic = Diagnostic::error("wrong-type", "`params` must be a map");
            self.error(diagnostic.label(params.value.span, label).help("write\n  params:\n    NAME: VALUE"));
        }
        let needed = self.check_needs(scope, entry);
        if let Some(inner) = inner {
            for from in self.services_in(inner) {
                needed.iter().for_each(|(to, span)| self.needs(from, *to, *span));
            }
        }
    }

    /// What the stack that uses this one writes under `params:`.
    pub(super) fn given_params(&self, scope: ScopeId) -> &'a [Entry] {
        let used = self.scopes[scope].used_by.and_then(|(_, entry)| entry.value.entry("params"));
        used.and_then(|params| params.value.entries()).unwrap_or_default()
    }

    /// Values for parameters that there are not, and mistakes in values that nothing has asked for.
    pub(super) fn check_given(&mut self, scope: ScopeId) {
        for entry in self.given_params(scope) {
            let Some((name, used)) =
                self.scopes[scope].params.get_key_value(entry.key.as_str()).map(|(n, p)| (*n, p.used))
            else {
                self.unknown_param(scope, entry);
                continue;
            };
            self.param_piece(scope, name, entry.key_span);
            if let Some(param) = self.scopes[scope].params.get_mut(name) {
                param.used = used;
            }
        }
    }

    fn unknown_param(&mut self, scope: ScopeId, entry: &Entry) {
        let file = self.file_of(scope);
        let known = self.scopes[scope].params.keys().copied();
        let help = suggest::hint(&entry.key, "parameters", known)
            .unwrap_or_else(|| format!("{file} declares none: write `params:` there"));
        let message = format!("the stack {file} has no parameter `{}`", entry.key);
        let mut diagnostic =
            Diagnostic::error("unknown-param", message).label(entry.key_span, "unknown parameter");
        if let Some(declared) = self.scopes[scope].root.entry("params") {
            diagnostic = diagnostic.label(declared.key_span, "its parameters");
        }
        self.error(diagnostic.help(help));
    }

    /// `needs:` of a service: order without a value. The services that it names; a nested stack stands for all of its
    /// services, and one that exists already for none.
    pub(super) fn check_needs(&mut self, scope: ScopeId, service: &'a Entry) -> Vec<(ServiceId, Span)> {
        let mut needed = Vec::new();
        let Some(entry) = service.value.entry("needs") else { return needed };
        let Kind::List(items) = &entry.value.kind else {
            let label = format!("this is {}", entry.value.describe());
            let help = entry.value.text().map(|text| format!("write `[{text}]`"));
            let message = "`needs` must be a list of services";
            self.error(
                Diagnostic::error("wrong-type", message).label(entry.value.span, label).maybe_help(help),
            );
            return needed;
        };
        for item in items {
            let Some(name) = item.text() else {
                let label = format!("this is {}", item.describe());
                let message = "`needs` must be a list of services";
                self.error(Diagnostic::error("wrong-type", message).label(item.span, label));
                continue;
            };
            if name == service.key {
                let message = format!("`{name}` needs itself");
                self.error(
                    Diagnostic::error("self-reference", message).label(item.span, "would never start"),
                );
                continue;
            }
            match self.scopes[scope].items.get(name).map(|item| item.what) {
                Some(What::Service(to)) => needed.push((to, item.span)),
                Some(What::Stack(Some(inner))) => {
                    needed.extend(self.services_in(inner).into_iter().map(|to| (to, item.span)));
                }
                Some(What::Stack(None) | What::Existing) => {}
                None => {
                    let message = format!("there is no service `{name}`");
                    let names = self.names(scope);
                    let names = names.into_iter().filter(|other| *other != service.key);
                    let help = suggest::hint(name, "services", names);
                    let diagnostic =
                        Diagnostic::error("unknown-service", message).label(item.span, "unknown service");
                    self.error(diagnostic.maybe_help(help));
                }
            }
        }
        needed
    }

    /// A text under `framework:` that is the name of a file.
    pub(super) fn framework_file(&self, service: &'a Entry) -> Option<(String, Span)> {
        let (file, written) = self.files.named(service, "framework")?;
        let span = service.value.entry("framework")?.value.span;
        is_path(written).then_some((file, span))
    }
}

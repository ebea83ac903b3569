//! `needs:` of a service: order without a value.

use cairn_units::suggest;

use super::{Checker, Edge};
use crate::Diagnostic;
use crate::node::{Entry, Kind};

impl<'a> Checker<'a> {
    pub(super) fn check_needs(&mut self, service: &'a Entry) {
        let Some(entry) = service.value.entry("needs") else { return };
        let Kind::List(items) = &entry.value.kind else {
            let label = format!("this is {}", entry.value.describe());
            let help = entry.value.text().map(|text| format!("write `[{text}]`"));
            let message = "`needs` must be a list of services";
            self.error(
                Diagnostic::error("wrong-type", message).label(entry.value.span, label).maybe_help(help),
            );
            return;
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
            } else if let Some((to, _)) = self.services.get_key_value(name) {
                self.edges.push(Edge { from: &service.key, to, span: item.span });
            } else {
                let message = format!("there is no service `{name}`");
                let names = self.services.keys().copied().filter(|other| *other != service.key);
                let help = suggest::hint(name, "services", names);
                let diagnostic =
                    Diagnostic::error("unknown-service", message).label(item.span, "unknown service");
                self.error(diagnostic.maybe_help(help));
            }
        }
    }
}

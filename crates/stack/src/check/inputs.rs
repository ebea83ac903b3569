//! Inputs of a service: bound to an output of a service that offers the interface, or to an address outside.

use std::collections::{BTreeMap, BTreeSet};

use cairn_units::suggest;
use serde_json::Value;

use super::Checker;
use super::fill::Owner;
use crate::Diagnostic;
use crate::catalog::Framework;
use crate::framework::Need;
use crate::node::Entry;
use crate::template::{Target, Template};

impl<'a> Checker<'a> {
    pub(super) fn check_inputs(
        &mut self,
        framework: &'a Framework,
        service: &'a Entry,
        options: &Value,
        bad: &BTreeSet<String>,
    ) -> BTreeMap<String, String> {
        let mut inputs = BTreeMap::new();
        for (name, need) in &framework.spec.needs {
            // Whether it is needed hangs on an option that is wrong by itself.
            if need.when.keys().any(|option| bad.contains(option)) {
                if let Some(entry) = service.value.entry(name) {
                    self.check_input(service, entry, need);
                }
                continue;
            }
            let used = framework.spec.holds(&need.when, options);
            match service.value.entry(name) {
                Some(entry) if !used => self.unused_input(framework, service, entry, need),
                Some(entry) => {
                    if let Some(text) = self.check_input(service, entry, need) {
                        inputs.insert(name.clone(), text);
                    }
                }
                None if used && !need.optional => self.missing_input(framework, service, name, need),
                None => {}
            }
        }
        inputs
    }

    fn check_input(&mut self, service: &'a Entry, entry: &'a Entry, need: &Need) -> Option<String> {
        let filled = self.fill(&entry.value, Owner::Service(&service.key));
        let (name, span) = (entry.key.as_str(), entry.value.span);
        let Some(text) = filled.value.as_str() else {
            let message = format!("the input `{name}` must be a text, usually a reference");
            let label = format!("this is {}", entry.value.describe());
            self.error(
                Diagnostic::error("wrong-type", message)
                    .label(span, label)
                    .maybe_help(self.proposal(service, name, need)),
            );
            return None;
        };
        if text.trim().is_empty() {
            let message = format!("the input `{name}` is empty");
            self.error(
                Diagnostic::error("missing-need", message)
                    .label(span, "")
                    .maybe_help(self.proposal(service, name, need)),
            );
            return None;
        }
        if self.services.contains_key(text) {
            let message = format!("`{text}` is the name of a service, not what it offers");
            let output = need.output.as_deref().unwrap_or("OUTPUT");
            self.error(
                Diagnostic::error("not-a-reference", message)
                    .label(span, "taken as an address")
                    .help(format!("write `{name}: ${{{text}.{output}}}`")),
            );
            return None;
        }
        self.check_interface(service, entry, need);
        let help = "an input is an address, which every status shows; take an option that the framework keeps private";
        self.refuse_secret(&entry.value, "secret-in-input", "an input", help);
        Some(text.to_owned())
    }

    /// Every service that the input refers to must offer the interface.
    fn check_interface(&mut self, service: &Entry, entry: &'a Entry, need: &Need) {
        let Some(Ok(template)) = entry.value.text().map(Template::parse) else { return };
        for reference in template.references().filter(|reference| reference.target() == Target::Output) {
            let Some((_, Some(provider))) = self.services.get(reference.scope.as_str()) else { continue };
            let spec = &provider.spec;
            let interface = &need.interface;
            let label = match spec.offers.get(interface) {
                // Another framework's output of that name would have been told already.
                Some(offer)
                    if offer.outputs.contains(&reference.name)
                        || !spec.outputs().any(|o| o == reference.name) =>
                {
                    continue;
                }
                Some(offer) => {
                    let outputs: Vec<&str> = offer.outputs.iter().map(String::as_str).collect();
                    format!("of the interface `{interface}` are only {}", suggest::list(&outputs))
                }
                None if spec.offers.is_empty() => "it offers nothing".to_owned(),
                None => {
                    let offers: Vec<&str> = spec.offers.keys().map(String::as_str).collect();
                    format!("it offers {}", suggest::list(&offers))
                }
            };
            let message = format!(
                "`{}` needs the interface `{interface}`, which `{}` (framework {}) does not offer",
                entry.key, reference.scope, spec.framework
            );
            let help = self.proposal(service, &entry.key, need);
            self.error(
                Diagnostic::error("wrong-interface", message).label(entry.value.span, label).maybe_help(help),
            );
        }
    }

    fn missing_input(&mut self, framework: &Framework, service: &Entry, name: &str, need: &Need) {
        let message = format!("the framework {} needs the input `{name}`", framework.spec.framework);
        let help = self.proposal(service, name, need).unwrap_or_else(|| {
            format!(
                "no other service of this stack offers the interface `{}`: add one, or write an address",
                need.interface
            )
        });
        let because = if need.when.is_empty() {
            String::new()
        } else {
            format!(" (needed where {})", conditions(need))
        };
        let mut diagnostic = Diagnostic::error("missing-need", message)
            .label(service.key_span, format!("`{name}` is not set"));
        for option in need.when.keys() {
            if let Some(entry) = service.value.entry(option) {
                diagnostic = diagnostic.label(entry.value.span, "because of this");
            }
        }
        self.error(diagnostic.help(format!("{help}{because}")));
    }

    fn unused_input(&mut self, framework: &Framework, service: &'a Entry, entry: &'a Entry, need: &Need) {
        self.fill(&entry.value, Owner::Service(&service.key));
        let message = format!(
            "the framework {} takes the input `{}` only where {}",
            framework.spec.framework,
            entry.key,
            conditions(need)
        );
        let mut diagnostic = Diagnostic::error("unused-need", message).label(entry.key_span, "not used");
        for option in need.when.keys() {
            if let Some(entry) = service.value.entry(option) {
                diagnostic = diagnostic.label(entry.value.span, "because of this");
            }
        }
        self.error(diagnostic.help(format!("remove `{}`, or change the other", entry.key)));
    }

    /// What to write: a service of the stack that offers what is needed.
    fn proposal(&self, service: &Entry, name: &str, need: &Need) -> Option<String> {
        let mut offering = self.services.iter().filter(|(other, _)| **other != service.key);
        let (provider, offer) = offering.find_map(|(other, (_, framework))| {
            Some((*other, framework.as_ref()?.spec.offers.get(&need.interface)?))
        })?;
        let output = need.output.as_ref().or(offer.outputs.first())?;
        Some(format!("write `{name}: ${{{provider}.{output}}}`"))
    }
}

/// When an input is needed, in words.
fn conditions(need: &Need) -> String {
    let conditions = need.when.iter().map(|(option, value)| format!("`{option}` is {}", plain(value)));
    conditions.collect::<Vec<_>>().join(" and ")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| format!("`{value}`"), |text| format!("`{text}`"))
}

//! Inputs of a service: bound to an output of a service that offers the interface, or to an address outside.

use std::collections::{BTreeMap, BTreeSet};

use cairn_units::suggest;
use serde_json::Value;

use super::existing::{existing_outputs, interface_of};
use super::fill::{Owner, Provider, Use, Who};
use super::scope::{ScopeId, What};
use super::{Checker, ServiceId};
use crate::Diagnostic;
use crate::catalog::Framework;
use crate::framework::Need;
use crate::node::Entry;
use crate::template::Template;

impl<'a> Checker<'a> {
    pub(super) fn check_inputs(
        &mut self,
        id: ServiceId,
        framework: &'a Framework,
        options: &Value,
        bad: &BTreeSet<String>,
    ) -> BTreeMap<String, String> {
        let service = self.services[id].entry;
        let mut inputs = BTreeMap::new();
        for (name, need) in &framework.spec.needs {
            // Whether it is needed hangs on an option that is wrong by itself.
            if need.when.keys().any(|option| bad.contains(option)) {
                if let Some(entry) = service.value.entry(name) {
                    self.check_input(id, entry, need);
                }
                continue;
            }
            let used = framework.spec.holds(&need.when, options);
            match service.value.entry(name) {
                Some(entry) if !used => self.unused_input(framework, id, entry, need),
                Some(entry) => {
                    if let Some(text) = self.check_input(id, entry, need) {
                        inputs.insert(name.clone(), text);
                    }
                }
                None if used && !need.optional => self.missing_input(framework, id, name, need),
                None => {}
            }
        }
        inputs
    }

    fn check_input(&mut self, id: ServiceId, entry: &'a Entry, need: &Need) -> Option<String> {
        let scope = self.services[id].scope;
        let filled = self.fill(&entry.value, Owner { scope, who: Who::Service(id) });
        let (name, span) = (entry.key.as_str(), entry.value.span);
        let Some(text) = filled.value.as_str() else {
            let message = format!("the input `{name}` must be a text, usually a reference");
            let label = format!("this is {}", entry.value.describe());
            self.error(
                Diagnostic::error("wrong-type", message)
                    .label(span, label)
                    .maybe_help(self.proposal(id, name, need)),
            );
            return None;
        };
        if text.trim().is_empty() {
            let message = format!("the input `{name}` is empty");
            self.error(
                Diagnostic::error("missing-need", message)
                    .label(span, "")
                    .maybe_help(self.proposal(id, name, need)),
            );
            return None;
        }
        if self.scopes[scope].items.contains_key(text) {
            let message = format!("`{text}` is the name of a service, not what it offers");
            let output = self.offered(scope, text, need);
            let output = output.as_deref().or(need.output.as_deref()).unwrap_or("OUTPUT");
            self.error(
                Diagnostic::error("not-a-reference", message)
                    .label(span, "taken as an address")
                    .help(format!("write `{name}: ${{{text}.{output}}}`")),
            );
            return None;
        }
        filled.uses.iter().for_each(|used| self.check_interface(id, entry, need, used));
        let help = "an input is an address, which every status shows; take an option that the framework keeps private";
        self.refuse_secret(&filled.value, &entry.value, "secret-in-input", "an input", help);
        Some(text.to_owned())
    }

    /// Every service that the input refers to must offer the interface.
    fn check_interface(&mut self, id: ServiceId, entry: &'a Entry, need: &Need, used: &Use) {
        let interface = &need.interface;
        let (who, label) = match &used.provider {
            Provider::Service(to) => {
                let Some(spec) = self.services[*to].framework.map(|framework| &framework.spec) else {
                    return;
                };
                let label = match spec.offers.get(interface) {
                    // Another framework's output of that name would have been told already.
                    Some(offer)
                        if offer.outputs.contains(&used.output)
                            || !spec.outputs().any(|o| o == used.output) =>
                    {
                        return;
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
                (format!("`{}` (framework {})", self.services[*to].path, spec.framework), label)
            }
            Provider::Existing(path, Some(own)) if own != interface => {
                (format!("`{path}` (existing)"), format!("it offers `{own}`"))
            }
            Provider::Existing(..) => return,
        };
        let message =
            format!("`{}` needs the interface `{interface}`, which {who} does not offer", entry.key);
        let help = self.proposal(id, &entry.key, need);
        let diagnostic = Diagnostic::error("wrong-interface", message).label(entry.value.span, label);
        self.tell(diagnostic.maybe_help(help));
    }

    fn missing_input(&mut self, framework: &Framework, id: ServiceId, name: &str, need: &Need) {
        let service = self.services[id].entry;
        let message = format!("the framework {} needs the input `{name}`", framework.spec.framework);
        let help = self.proposal(id, name, need).unwrap_or_else(|| {
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

    fn unused_input(&mut self, framework: &Framework, id: ServiceId, entry: &'a Entry, need: &Need) {
        let (scope, service) = (self.services[id].scope, self.services[id].entry);
        self.fill(&entry.value, Owner { scope, who: Who::Service(id) });
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

    /// What to write: something of the stack that offers what is needed.
    fn proposal(&self, id: ServiceId, name: &str, need: &Need) -> Option<String> {
        let service = &self.services[id];
        let others = self.names(service.scope).into_iter().filter(|other| *other != service.entry.key);
        let (provider, output) =
            others.into_iter().find_map(|other| Some((other, self.offered(service.scope, other, need)?)))?;
        Some(format!("write `{name}: ${{{provider}.{output}}}`"))
    }

    /// The output of something under `services:` that gives what is needed.
    fn offered(&self, scope: ScopeId, name: &str, need: &Need) -> Option<String> {
        let item = self.scopes[scope].items.get(name)?;
        match item.what {
            What::Service(id) => {
                let offer = self.services[id].framework?.spec.offers.get(&need.interface)?;
                need.output.as_ref().or(offer.outputs.first()).cloned()
            }
            What::Existing => {
                let outputs = existing_outputs(item.entry);
                let usual = outputs.iter().find(|output| Some(&output.key) == need.output.as_ref());
                let fits = interface_of(item.entry).as_ref() == Some(&need.interface);
                usual.or(outputs.first()).filter(|_| fits).map(|output| output.key.clone())
            }
            What::Stack(Some(inner)) => self.given_by(inner, need),
            What::Stack(None) => None,
        }
    }

    /// The output of a nested stack that passes on what is needed.
    fn given_by(&self, inner: ScopeId, need: &Need) -> Option<String> {
        self.section(inner, "outputs").iter().find_map(|entry| {
            let template = Template::parse(entry.value.text()?).ok()?;
            let reference = template.only_reference()?;
            let item = self.scopes[inner].items.get(reference.scope.as_str())?;
            let What::Service(id) = item.what else { return None };
            let offer = self.services[id].framework?.spec.offers.get(&need.interface)?;
            offer.outputs.contains(&reference.name).then(|| entry.key.clone())
        })
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

//! One service of a stack.

use serde_json::Value;

use super::Checker;
use super::fill::{Filled, Owner};
use crate::catalog::{Framework, RESERVED};
use crate::node::{Entry, Kind, Node};
use crate::schema_check::{SchemaChecker, Subject};
use crate::{Diagnostic, Distribution, Service, name, schema, suggest};

impl<'a> Checker<'a> {
    /// Checks a service; `None` if too little is known of it.
    pub(super) fn check_service(&mut self, stack: &str, entry: &'a Entry) -> Option<Service> {
        self.check_service_name(stack, entry);
        let Some(entries) = entry.value.entries() else {
            let message = format!("the service `{}` must be a map with `framework`", entry.key);
            let label = format!("this is {}", entry.value.describe());
            self.error(Diagnostic::error("wrong-type", message).label(entry.value.span, label));
            return None;
        };
        self.check_needs(entry);
        let distribution = self.check_distribution(entry);
        let Some(framework) = self.check_framework(entry) else {
            // Its references still count: for circles, and as mistakes of their own.
            for part in entries.iter().filter(|part| !RESERVED.contains(&part.key.as_str())) {
                self.fill(&part.value, Owner::Service(&entry.key));
            }
            return None;
        };
        let is_option = |key: &str| !RESERVED.contains(&key) && !framework.spec.needs.contains_key(key);
        let options = Node {
            span: entry.key_span,
            kind: Kind::Map(entries.iter().filter(|part| is_option(&part.key)).cloned().collect()),
        };
        let filled = self.fill_options(entries.iter().filter(|part| is_option(&part.key)), &entry.key);
        self.check_options(entry, framework, &options, &filled);
        self.check_rules(framework, entry, &options, &filled.plain);
        self.check_version(framework, entry, &filled.plain);
        let inputs = self.check_inputs(framework, entry, &filled.plain);
        Some(Service {
            name: entry.key.clone(),
            framework: framework.spec.framework.clone(),
            options: filled.value,
            inputs,
            needs: self.needs_of(&entry.key),
            distribution,
        })
    }

    fn check_service_name(&mut self, stack: &str, entry: &Entry) {
        let (name, span) = (entry.key.as_str(), entry.key_span);
        if super::SCOPES.contains(&name) {
            let message = format!("a service cannot be called `{name}`");
            self.error(
                Diagnostic::error("reserved-name", message)
                    .label(span, format!("`${{{name}.…}}` means something else")),
            );
        }
        self.diagnostics.extend(name::check("service", name, span));
        self.diagnostics.extend(name::check_length(stack, name, span));
    }

    fn check_framework(&mut self, service: &Entry) -> Option<&'a Framework> {
        let names: Vec<&str> = self.catalog.iter().map(|spec| spec.framework.as_str()).collect();
        let Some(entry) = service.value.entry("framework") else {
            let written = service.value.entries().unwrap_or_default().iter();
            let similar = written
                .map(|part| part.key.as_str())
                .find(|key| suggest::nearest(key, ["framework"]).is_some());
            let help = match similar {
                Some(similar) => format!("`{similar}` is probably meant to be `framework`"),
                None => format!("write `framework: NAME`; frameworks: {}", suggest::list(&names)),
            };
            let message = format!("the service `{}` names no framework", service.key);
            self.error(
                Diagnostic::error("missing-key", message)
                    .label(service.key_span, "`framework` is not set")
                    .help(help),
            );
            return None;
        };
        let Some(written) = entry.value.text() else {
            let label = format!("this is {}", entry.value.describe());
            let message = "`framework` must be a text: the framework's name";
            self.error(Diagnostic::error("wrong-type", message).label(entry.value.span, label));
            return None;
        };
        let found = self.catalog.framework(written);
        if found.is_none() {
            let message = format!("there is no framework `{written}`");
            let diagnostic =
                Diagnostic::error("unknown-framework", message).label(entry.value.span, "unknown framework");
            self.error(diagnostic.maybe_help(suggest::hint(written, "frameworks", names)));
        }
        found
    }

    fn fill_options(&mut self, options: impl Iterator<Item = &'a Entry>, service: &'a str) -> Filled {
        let (mut value, mut plain) = (serde_json::Map::new(), serde_json::Map::new());
        let mut filled = Filled::default();
        for option in options {
            let one = self.fill(&option.value, Owner::Service(service));
            filled.deferred.extend(one.deferred.iter().map(|pointer| format!("/{}{pointer}", option.key)));
            value.insert(option.key.clone(), one.value);
            plain.insert(option.key.clone(), one.plain);
        }
        Filled { value: value.into(), plain: plain.into(), ..filled }
    }

    fn check_options(&mut self, service: &Entry, framework: &Framework, options: &Node, filled: &Filled) {
        // What is missing is missing under the service's own key.
        let owner = Entry { key: service.key.clone(), key_span: service.key_span, value: options.clone() };
        let subject = Subject {
            source: self.source,
            node: &owner.value,
            value: &filled.plain,
            deferred: &filled.deferred,
            noun: "option",
            owner: format!("the framework {}", framework.spec.framework),
            other_keys: framework.spec.needs.keys().map(String::as_str).chain(RESERVED).collect(),
        };
        self.diagnostics.extend(framework.options.check(&subject));
    }

    fn check_distribution(&mut self, service: &'a Entry) -> Option<Distribution> {
        let entry = service.value.entry("distribution")?;
        let filled = self.fill(&entry.value, Owner::Service(&service.key));
        let subject = Subject {
            source: self.source,
            node: &entry.value,
            value: &filled.plain,
            deferred: &filled.deferred,
            noun: "key",
            owner: "`distribution`".to_owned(),
            other_keys: Vec::new(),
        };
        let found = match SchemaChecker::new(schema::fragment::<Distribution>()) {
            Ok(checker) => checker.check(&subject),
            Err((why, _)) => vec![Diagnostic::error("bad-schema", why)],
        };
        let fine = found.is_empty();
        self.diagnostics.extend(found);
        if fine { serde_json::from_value(filled.value).ok() } else { None }
    }

    /// A version without an archive of the framework's own needs an archive of the user's.
    fn check_version(&mut self, framework: &Framework, service: &Entry, options: &Value) {
        let known: Vec<&str> = framework.spec.distributions.keys().map(String::as_str).collect();
        let (Some(entry), Some(version)) =
            (service.value.entry("version"), options.get("version").and_then(Value::as_str))
        else {
            return;
        };
        if known.is_empty()
            || known.contains(&version)
            || version.contains("${")
            || service.value.entry("distribution").is_some()
        {
            return;
        }
        let message =
            format!("the framework {} brings no archive of version {version}", framework.spec.framework);
        let help = format!(
            "versions: {}; for another one write `distribution: {{ uri: …, sha256: … }}`",
            suggest::list(&known)
        );
        self.error(
            Diagnostic::error("unknown-version", message).label(entry.value.span, "no archive").help(help),
        );
    }
}

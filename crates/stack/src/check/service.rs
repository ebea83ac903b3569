//! One service of a stack.

use cairn_units::suggest;
use serde_json::Value;

use super::fill::{Filled, Owner, Who};
use super::scope::Found;
use super::{Checker, ServiceId};
use crate::catalog::{Framework, Proposed, RESERVED};
use crate::load::Loaded;
use crate::node::{Entry, Kind, Node};
use crate::schema_check::{SchemaChecker, Subject, Violation};
use crate::{Diagnostic, Distribution, Service, Span, schema};

impl<'a> Checker<'a> {
    /// Checks a service to launch; `None` if too little is known of it.
    pub(super) fn check_service(&mut self, id: ServiceId, stack: &str) -> Option<Service> {
        self.given.clear();
        let told = self.diagnostics.len();
        let Found { scope, entry, .. } = self.services[id];
        let path = self.services[id].path.clone();
        let owner = Owner { scope, who: Who::Service(id) };
        let Some(entries) = entry.value.entries() else {
            let message = format!("the service `{}` must be a map with `framework`", entry.key);
            let label = format!("this is {}", entry.value.describe());
            let diagnostic = Diagnostic::error("wrong-type", message).label(entry.value.span, label);
            self.error(diagnostic.help(format!("write `{}: {{ framework: NAME }}`", entry.key)));
            return None;
        };
        let distribution = self.check_distribution(entry, owner);
        let fits = distribution.is_some() || entry.value.entry("distribution").is_none();
        let Some(framework) = self.check_framework(entry) else {
            // Its references still count: for circles, and as mistakes of their own.
            for part in entries.iter().filter(|part| !RESERVED.contains(&part.key.as_str())) {
                self.fill(&part.value, owner);
            }
            return None;
        };
        let is_option = |key: &str| !RESERVED.contains(&key) && !framework.spec.needs.contains_key(key);
        let options = Node {
            span: entry.key_span,
            kind: Kind::Map(entries.iter().filter(|part| is_option(&part.key)).cloned().collect()),
        };
        let filled = self.fill_entries(entries.iter().filter(|part| is_option(&part.key)), owner);
        let violations = self.check_options(entry, framework, &options, &filled);
        let fits = fits && violations.is_empty();
        let bad = violations.into_iter().filter_map(|path| path.into_iter().next()).collect();
        self.check_rules(framework, entry, &options, &filled.plain, &bad);
        self.check_version(framework, entry, &filled.plain);
        let inputs = self.check_inputs(id, framework, &filled.plain, &bad);
        let mut service = Service {
            name: path,
            framework: framework.spec.framework.clone(),
            options: filled.plain,
            inputs,
            needs: self.needs_of(id),
            distribution,
        };
        if fits {
            let proposed = Proposed { framework: &framework.spec, stack, service: &service };
            self.check_own(&proposed, &options, &filled.unknown, told);
        }
        service.options = filled.value;
        Some(service)
    }

    /// Notes a mistake, and where the values that it is about come from if that is another file.
    pub(super) fn tell(&mut self, diagnostic: Diagnostic) {
        let spans: Vec<Span> = diagnostic.labels.iter().map(|label| label.span).collect();
        let given = spans.iter().filter_map(|span| self.given.get(span)).flatten();
        let told =
            given.fold(diagnostic, |told, (name, at)| told.label(*at, format!("`{name}` is given here")));
        self.error(told);
    }

    fn check_framework(&mut self, service: &'a Entry) -> Option<&'a Framework> {
        let mut names: Vec<&str> =
            self.catalog.iter().chain(self.own_specs()).map(|spec| spec.framework.as_str()).collect();
        names.sort_unstable();
        names.dedup();
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
        if let Some((file, span)) = self.framework_file(service) {
            let files = self.files;
            return match files.frameworks.get(&file) {
                Some(Loaded::Ready(framework)) => Some(framework),
                Some(Loaded::Absent(why)) => {
                    self.missing_file(&file, why, span);
                    None
                }
                Some(Loaded::Broken) | None => None,
            };
        }
        let found = self.framework_of(service);
        if found.is_none() && !self.is_broken(service) {
            let message = format!("there is no framework `{written}`");
            let diagnostic =
                Diagnostic::error("unknown-framework", message).label(entry.value.span, "unknown framework");
            self.error(diagnostic.maybe_help(suggest::hint(written, "frameworks", names)));
        }
        found
    }

    /// Checks the options against the framework's schema; the paths of those that are wrong.
    fn check_options(
        &mut self,
        service: &Entry,
        framework: &Framework,
        options: &Node,
        filled: &Filled,
    ) -> Vec<Vec<String>> {
        let subject = Subject {
            sources: &self.files.sources,
            node: options,
            value: &filled.plain,
            key_span: service.key_span,
            unknown: &filled.unknown,
            noun: "option",
            owner: format!("the framework {}", framework.spec.framework),
            other_keys: framework.spec.needs.keys().map(String::as_str).chain(RESERVED).collect(),
        };
        let violations = framework.options.check(&subject);
        let tell = |violation: Violation| {
            self.tell(violation.diagnostic);
            violation.path
        };
        violations.into_iter().map(tell).collect()
    }

    fn check_distribution(&mut self, service: &'a Entry, owner: Owner) -> Option<Distribution> {
        let entry = service.value.entry("distribution")?;
        let filled = self.fill(&entry.value, owner);
        let help =
            "the cluster shows where archives come from; let agents read it where no password is needed";
        self.refuse_secret(&filled.value, &entry.value, "secret-in-archive", "the place of an archive", help);
        let subject = Subject {
            sources: &self.files.sources,
            node: &entry.value,
            value: &filled.plain,
            key_span: entry.key_span,
            unknown: &filled.unknown,
            noun: "key",
            owner: "`distribution`".to_owned(),
            other_keys: Vec::new(),
        };
        let found = match SchemaChecker::new(schema::fragment::<Distribution>()) {
            Ok(checker) => checker.check(&subject),
            Err((why, _)) => {
                self.error(Diagnostic::error("bad-schema", why));
                return None;
            }
        };
        let fine = found.is_empty();
        found.into_iter().for_each(|violation| self.tell(violation.diagnostic));
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

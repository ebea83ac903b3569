//! From the bytes of a stack spec to a checked stack.

mod cycles;
mod fill;
mod inputs;
mod needs;
mod params;
mod rules;
mod secrets;
mod service;

pub use params::param_value;

use std::collections::{BTreeMap, BTreeSet};

use cairn_units::suggest;

use crate::catalog::Framework;
use crate::node::{Entry, Node};
use crate::secrets::SecretUses;
use crate::source::Source;
use crate::{Catalog, Checked, Diagnostic, Params, Report, Severity, Span, ValidatedStack, name, yaml};

/// Keys of a stack spec.
const KEYS: [&str; 6] = ["stack", "description", "params", "secrets", "services", "outputs"];
/// Most mistakes that are noted.
const MAX_MISTAKES: usize = 10_000;
/// Words before the dot of a reference that are not services.
const SCOPES: [&str; 2] = ["param", "secret"];

/// Checks a stack spec against the frameworks of `catalog`. `params` are values given from outside; they win over
/// the spec's defaults.
///
/// # Errors
/// All mistakes of the file.
pub fn check_stack(file: &str, bytes: &[u8], catalog: &Catalog, params: &Params) -> Result<Checked, Report> {
    let source = Source::new(file, bytes)?;
    let mut diagnostics = Vec::new();
    let stack = yaml::parse(&source, &mut diagnostics).and_then(|root| {
        Checker::new(&source, &root, catalog, &mut diagnostics).map(|checker| checker.check(params))
    });
    let report = source.report(diagnostics);
    match stack {
        Some((stack, secrets)) if !report.has_errors() => Ok(Checked { stack, secrets, warnings: report }),
        _ => Err(report),
    }
}

/// All that the checks of one service need to know of the rest of the file.
struct Checker<'a> {
    source: &'a Source,
    catalog: &'a Catalog,
    root: &'a Node,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// Services by name, each with its framework if that is known.
    services: BTreeMap<&'a str, (&'a Entry, Option<&'a Framework>)>,
    /// Parameters by name.
    params: BTreeMap<&'a str, params::Param<'a>>,
    /// Who needs whom, and where the file says so.
    edges: Vec<Edge<'a>>,
    /// Secrets that are declared and used.
    secrets: SecretUses,
}

/// One service needs another.
#[derive(Clone, Copy, Debug)]
struct Edge<'a> {
    from: &'a str,
    to: &'a str,
    span: Span,
}

impl<'a> Checker<'a> {
    /// Takes the file apart; `None` if it is no map at all.
    fn new(
        source: &'a Source,
        root: &'a Node,
        catalog: &'a Catalog,
        diagnostics: &'a mut Vec<Diagnostic>,
    ) -> Option<Self> {
        if root.entries().is_none() {
            let message =
                format!("a stack spec is a map with `stack` and `services`, and this is {}", root.describe());
            diagnostics
                .push(Diagnostic::error("not-a-stack", message).label(root.span, "expected `stack: NAME`"));
            return None;
        }
        let mut checker = Self {
            source,
            catalog,
            root,
            diagnostics,
            services: BTreeMap::new(),
            params: BTreeMap::new(),
            edges: Vec::new(),
            secrets: SecretUses::new(source),
        };
        checker.services = checker
            .section("services")
            .iter()
            .map(|entry| (entry.key.as_str(), (entry, checker.framework_of(entry))))
            .collect();
        Some(checker)
    }

    fn check(mut self, given: &Params) -> (ValidatedStack, SecretUses) {
        self.check_keys();
        let name = self.check_name();
        self.read_params(given);
        self.check_secrets();
        let entries = self.section("services");
        let services =
            entries.iter().filter_map(|entry| self.check_service(&name, entry)).collect::<Vec<_>>();
        let outputs = self.check_outputs();
        self.check_cycles();
        self.check_use_of_params();
        let stack = ValidatedStack {
            name,
            params: self.param_values(),
            services: services.into_iter().map(|service| (service.name.clone(), service)).collect(),
            outputs,
        };
        (stack, self.secrets)
    }

    /// Notes a mistake. A file of a mebibyte has room for more mistakes than are worth the memory.
    fn error(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < MAX_MISTAKES {
            self.diagnostics.push(diagnostic);
        }
    }

    /// The entries of a top-level map; empty if it is missing or no map, which [`Self::check_keys`] tells.
    fn section(&self, key: &str) -> &'a [Entry] {
        self.root.entry(key).and_then(|entry| entry.value.entries()).unwrap_or_default()
    }

    fn framework_of(&self, service: &Entry) -> Option<&'a Framework> {
        self.catalog.framework(service.value.entry("framework")?.value.text()?)
    }

    fn check_keys(&mut self) {
        let mut misplaced = false;
        for entry in self.root.entries().unwrap_or_default() {
            let key = entry.key.as_str();
            if KEYS.contains(&key) {
                continue;
            }
            let meant = suggest::nearest(key, KEYS);
            let help = if self.catalog.get(key).is_some() {
                misplaced = true;
                Some("services stand under `services:`".to_owned())
            } else if key == "name" && self.root.entry("stack").is_none() {
                Some("did you mean `stack`?".to_owned())
            } else {
                suggest::hint(key, "keys", KEYS)
            };
            misplaced |= meant == Some("services");
            let message = format!("a stack has no key `{key}`");
            self.error(
                Diagnostic::error("unknown-key", message)
                    .label(entry.key_span, "unknown key")
                    .maybe_help(help),
            );
        }
        for (key, help) in [
            ("params", "NAME: DEFAULT"),
            ("secrets", "NAME: { env: VARIABLE }"),
            ("services", "NAME: { framework: NAME }"),
            ("outputs", "NAME: TEXT"),
        ] {
            if let Some(entry) = self.root.entry(key)
                && entry.value.entries().is_none()
            {
                let message = format!("`{key}` must be a map");
                let label = format!("this is {}", entry.value.describe());
                let diagnostic = Diagnostic::error("wrong-type", message).label(entry.value.span, label);
                self.error(diagnostic.help(format!("write\n  {key}:\n    {help}")));
            }
        }
        let services = self.root.entry("services");
        if !misplaced && services.is_none_or(|entry| entry.value.entries().is_some_and(<[_]>::is_empty)) {
            let span = services.map_or(self.root.span, |entry| entry.key_span);
            self.error(
                Diagnostic::error("no-services", "the stack has no services")
                    .label(span, "")
                    .help("write at least one\n  services:\n    NAME: { framework: NAME }"),
            );
        }
    }

    /// The stack's name; empty if there is none that is fit.
    fn check_name(&mut self) -> String {
        let Some(entry) = self.root.entry("stack") else {
            if self.root.entry("name").is_none() {
                let diagnostic =
                    Diagnostic::error("missing-key", "the stack has no name").label(self.root.span, "");
                self.error(diagnostic.help("start the file with `stack: NAME`"));
            }
            return String::new();
        };
        let Some(text) = entry.value.text() else {
            let label = format!("this is {}", entry.value.describe());
            let message = "`stack` must be a text: the stack's name";
            self.error(Diagnostic::error("wrong-type", message).label(entry.value.span, label));
            return String::new();
        };
        self.diagnostics.extend(name::check("stack", text, entry.value.span));
        text.to_owned()
    }

    fn check_outputs(&mut self) -> BTreeMap<String, String> {
        let mut outputs = BTreeMap::new();
        for entry in self.section("outputs") {
            let filled = self.fill(&entry.value, fill::Owner::Outputs);
            match filled.value.as_str() {
                Some(text) => {
                    outputs.insert(entry.key.clone(), text.to_owned());
                }
                None => {
                    let message = format!("the output `{}` must be a text", entry.key);
                    let label = format!("this is {}", entry.value.describe());
                    self.error(Diagnostic::error("wrong-type", message).label(entry.value.span, label));
                }
            }
        }
        outputs
    }

    /// A parameter that nothing uses is allowed, and worth a word where there is nothing worse to tell.
    fn check_use_of_params(&mut self) {
        if self.diagnostics.iter().any(Diagnostic::is_error) {
            return;
        }
        let unused: Vec<_> = self
            .params
            .iter()
            .filter(|(_, param)| !param.used)
            .map(|(name, param)| (*name, param.span))
            .collect();
        for (name, span) in unused {
            self.error(
                Diagnostic::warning("unused-param", format!("the parameter `{name}` is not used"))
                    .label(span, "")
                    .help(format!("use it as `${{param.{name}}}`, or remove it")),
            );
        }
    }

    /// Services that need each other, by name.
    fn needs_of(&self, service: &str) -> BTreeSet<String> {
        self.edges.iter().filter(|edge| edge.from == service).map(|edge| edge.to.to_owned()).collect()
    }
}

impl Diagnostic {
    /// Whether the file is refused because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

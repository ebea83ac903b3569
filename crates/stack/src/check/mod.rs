//! From the files of a stack to a checked stack.

mod cycles;
mod existing;
mod fill;
mod flat;
mod inputs;
mod nested;
mod outputs;
mod own;
mod params;
mod rules;
mod scope;
mod secrets;
mod service;

pub use params::param_value;

use std::collections::{BTreeMap, BTreeSet};

use cairn_units::suggest;

use self::scope::{Found, Scope, ScopeId};
use crate::catalog::Framework;
use crate::load::Files;
use crate::node::{Entry, Node};
use crate::secrets::SecretUses;
use crate::{Bundle, Catalog, Checked, Diagnostic, Params, Report, Severity, Span, ValidatedStack, name};

/// Keys of a stack spec.
const KEYS: [&str; 7] = ["stack", "description", "params", "secrets", "frameworks", "services", "outputs"];
/// Most mistakes that are noted.
const MAX_MISTAKES: usize = 10_000;
/// Words before the dot of a reference that are not services.
const SCOPES: [&str; 2] = ["param", "secret"];

/// Checks a stack spec of one file; see [`check_bundle`].
///
/// # Errors
/// All mistakes of the file.
pub fn check_stack(file: &str, bytes: &[u8], catalog: &Catalog, params: &Params) -> Result<Checked, Report> {
    check_bundle(&Bundle::single(file, bytes), catalog, params)
}

/// Checks a stack spec, with its overlays and all that it names, against the frameworks of `catalog` and its own.
/// `params` are values given from outside; they win over the spec's defaults.
///
/// # Errors
/// All mistakes of all files.
pub fn check_bundle(bundle: &Bundle, catalog: &Catalog, params: &Params) -> Result<Checked, Report> {
    let mut diagnostics = Vec::new();
    let files = Files::load(bundle, &mut diagnostics);
    let main = bundle.main.first().map(String::as_str).unwrap_or_default();
    let stack = files.root.as_ref().and_then(|root| {
        Checker::new(&files, root, main, catalog, &mut diagnostics).map(|checker| checker.check(params))
    });
    let report = files.sources.report(diagnostics);
    match stack {
        Some((stack, secrets)) if !report.has_errors() => Ok(Checked { stack, secrets, warnings: report }),
        _ => Err(report),
    }
}

/// Number of a service, over all scopes.
type ServiceId = usize;

/// All that the checks of one service need to know of the rest.
struct Checker<'a> {
    files: &'a Files,
    catalog: &'a Catalog,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// The stack, and each use of a nested one.
    scopes: Vec<Scope<'a>>,
    /// Services to launch, over all scopes.
    services: Vec<Found<'a>>,
    /// Who needs whom, and where a file says so.
    edges: Vec<Edge>,
    /// Secrets that are declared and used.
    secrets: SecretUses,
    /// Parameters and outputs that are being worked out, for circles among them.
    asking: Vec<(String, Span)>,
    /// Texts of the service that is being checked whose values come from another file, and from where.
    given: BTreeMap<Span, BTreeSet<(String, Span)>>,
}

/// One service needs another.
#[derive(Clone, Copy, Debug)]
struct Edge {
    from: ServiceId,
    to: ServiceId,
    span: Span,
}

impl<'a> Checker<'a> {
    /// Takes the files apart; `None` if the main one is no map at all.
    fn new(
        files: &'a Files,
        root: &'a Node,
        main: &str,
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
            files,
            catalog,
            diagnostics,
            scopes: Vec::new(),
            services: Vec::new(),
            edges: Vec::new(),
            secrets: SecretUses::new(&files.sources),
            asking: Vec::new(),
            given: BTreeMap::new(),
        };
        checker.open(root, "", None, &mut vec![(main.to_owned(), root.span)]);
        Some(checker)
    }

    fn check(mut self, given: &Params) -> (ValidatedStack, SecretUses) {
        let scopes = 0..self.scopes.len();
        for scope in scopes.clone() {
            self.check_keys(scope);
        }
        let names: Vec<String> = scopes.clone().map(|scope| self.check_name(scope)).collect();
        let name = names.into_iter().next().unwrap_or_default();
        for scope in scopes.clone() {
            self.read_params(scope);
        }
        self.take_from_outside(given);
        scopes.clone().for_each(|scope| self.check_secrets(scope));
        for scope in scopes.clone() {
            self.check_frameworks(scope);
            self.check_items(scope, &name);
        }
        let services: Vec<_> =
            (0..self.services.len()).filter_map(|id| self.check_service(id, &name)).collect();
        let outputs = scopes.clone().flat_map(|scope| self.check_outputs(scope)).collect();
        let existing = scopes.clone().flat_map(|scope| self.check_existing(scope)).collect();
        scopes.clone().for_each(|scope| self.check_given(scope));
        self.check_cycles();
        self.check_paths(&name);
        scopes.for_each(|scope| self.check_use_of_params(scope));
        let stack = ValidatedStack {
            params: self.param_values(),
            frameworks: self.own_frameworks(&services),
            services: services.into_iter().map(|service| (service.name.clone(), service)).collect(),
            existing,
            outputs,
            name,
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
    fn section(&self, scope: ScopeId, key: &str) -> &'a [Entry] {
        self.scopes[scope].root.entry(key).and_then(|entry| entry.value.entries()).unwrap_or_default()
    }

    fn check_keys(&mut self, scope: ScopeId) {
        let misplaced = self.check_unknown_keys(scope);
        self.check_maps(scope);
        if !misplaced {
            self.check_has_services(scope);
        }
    }

    /// Keys that a stack does not have; whether services seem to stand among them, or under one of them.
    fn check_unknown_keys(&mut self, scope: ScopeId) -> bool {
        let root = self.scopes[scope].root;
        let mut misplaced = false;
        for entry in root.entries().unwrap_or_default() {
            let key = entry.key.as_str();
            if KEYS.contains(&key) {
                continue;
            }
            let meant = suggest::nearest(key, KEYS);
            let help = if self.catalog.get(key).is_some() {
                misplaced = true;
                Some("services stand under `services:`".to_owned())
            } else if key == "name" && root.entry("stack").is_none() {
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
        misplaced
    }

    fn check_maps(&mut self, scope: ScopeId) {
        let root = self.scopes[scope].root;
        for (key, help) in [
            ("params", "NAME: DEFAULT"),
            ("secrets", "NAME: { env: VARIABLE }"),
            ("frameworks", "NAME: { service: … }"),
            ("services", "NAME: { framework: NAME }"),
            ("outputs", "NAME: TEXT"),
        ] {
            if let Some(entry) = root.entry(key)
                && entry.value.entries().is_none()
            {
                let message = format!("`{key}` must be a map");
                let label = format!("this is {}", entry.value.describe());
                let diagnostic = Diagnostic::error("wrong-type", message).label(entry.value.span, label);
                self.error(diagnostic.help(format!("write\n  {key}:\n    {help}")));
            }
        }
    }

    fn check_has_services(&mut self, scope: ScopeId) {
        let root = self.scopes[scope].root;
        let services = root.entry("services");
        if services.is_none_or(|entry| entry.value.entries().is_some_and(<[_]>::is_empty)) {
            let span = services.map_or(root.span, |entry| entry.key_span);
            self.error(
                Diagnostic::error("no-services", "the stack has no services")
                    .label(span, "")
                    .help("write at least one\n  services:\n    NAME: { framework: NAME }"),
            );
        }
    }

    /// The stack's name; empty if there is none that is fit. That of a nested stack is for when it is used alone.
    fn check_name(&mut self, scope: ScopeId) -> String {
        let root = self.scopes[scope].root;
        let Some(entry) = root.entry("stack") else {
            if root.entry("name").is_none() {
                let diagnostic =
                    Diagnostic::error("missing-key", "the stack has no name").label(root.span, "");
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

    /// The framework of a service; `None` if there is none that can be used, which [`Self::check_framework`] tells.
    fn framework_of(&self, service: &Entry) -> Option<&'a Framework> {
        self.own_framework(service).or_else(|| {
            let written = service.value.entry("framework")?.value.text()?;
            self.catalog.framework(written)
        })
    }

    /// Notes that a service needs another one.
    fn needs(&mut self, from: ServiceId, to: ServiceId, span: Span) {
        if from == to {
            let path = &self.services[from].path;
            let message = format!("`{path}` refers to itself");
            self.error(
                Diagnostic::error("self-reference", message).label(span, "known only after it has started"),
            );
        } else {
            self.edges.push(Edge { from, to, span });
        }
    }

    /// Services that a service needs, by path.
    fn needs_of(&self, service: ServiceId) -> BTreeSet<String> {
        let needed = self.edges.iter().filter(|edge| edge.from == service);
        needed.map(|edge| self.services[edge.to].path.clone()).collect()
    }
}

impl Diagnostic {
    /// Whether the stack is refused because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
